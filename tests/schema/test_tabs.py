"""What GraphiQL opens with is valid against the committed schema, and does what it says when it is run."""

import json
from typing import Any

import pytest
from graphql import GraphQLSchema, OperationDefinitionNode, build_schema, parse, specified_rules, validate
from graphql.execution.values import get_variable_values
from graphql.validation import NoDeprecatedCustomRule

from embedded.web import WEB
from schema.pages import FEED, sequence_cursor
from schema.root import PRINTED
from tests.builders import a_member, a_payment_method, an_organization, gives
from tests.schema.clients.streams import stream
from tests.simulators.world import World

TABS = WEB / "src" / "tabs"
NAMES = ("start", "buy", "watch")


@pytest.fixture(scope="module")
def committed() -> GraphQLSchema:
    return build_schema(PRINTED.read_text(encoding="utf-8"))


def tab(name: str) -> tuple[str, dict[str, Any]]:
    variables: dict[str, Any] = json.loads((TABS / f"{name}.json").read_text(encoding="utf-8"))
    return (TABS / f"{name}.graphql").read_text(encoding="utf-8"), variables


def test_these_are_all_the_tabs() -> None:
    assert {path.stem for path in TABS.glob("*.graphql")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_tab_is_valid_against_the_schema_and_so_are_its_variables(name: str, committed: GraphQLSchema) -> None:
    text, variables = tab(name)
    document = parse(text)

    assert validate(committed, document, [*specified_rules, NoDeprecatedCustomRule]) == []
    for node in document.definitions:
        assert isinstance(node, OperationDefinitionNode)
        coerced = get_variable_values(committed, node.variable_definitions or (), variables)
        assert not isinstance(coerced, list), coerced


async def ask(world: World, name: str, operation: str, token: str | None, **changed: object) -> Any:
    text, variables = tab(name)
    body = {"query": text, "variables": {**variables, **changed}, "operationName": operation}
    headers = {"authorization": f"Bearer {token}"} if token else {}
    answer = (await world.http.post(f"{world.url}/graphql", json=body, headers=headers)).json()
    assert "errors" not in answer, answer
    return answer["data"]


async def test_a_visitor_signs_in_looks_around_buys_and_watches(world: World) -> None:
    # given
    aurora = await an_organization()
    ada = await a_member(aurora)
    await a_payment_method(aurora)

    # when
    signed = await ask(world, "start", "SignIn", None, input={"email": ada.email, "password": ada.password})
    token = signed["signIn"]["accessToken"]
    nobody, start = await ask(world, "start", "Start", None), await ask(world, "start", "Start", token)
    bought = (await ask(world, "buy", "Buy", token))["startPurchase"]
    world.started.append(world.story(bought["purchase"]["id"]).id)
    text, variables = tab("watch")
    headers = {"authorization": f"Bearer {token}"}
    start_of_feed = {"after": sequence_cursor(0, of=FEED)}
    await gives(aurora, "1")
    async with stream(world.http, world.url, text, headers=headers, **variables, **start_of_feed) as events:
        updates = [(await anext(events)).data["data"]["walletUpdated"] for _ in range(2)]

    # then
    assert nobody["viewer"] is None
    assert start["viewer"]["organization"] == {"id": aurora.global_id, "name": aurora.name}
    assert (bought["__typename"], bought["replayed"]) == ("StartPurchaseSuccess", False)
    assert (bought["purchase"]["status"], bought["purchase"]["total"]) == ("COMPLETED", {"formatted": "$58.00"})
    assert [(one["sequence"], one["kind"], one["available"]) for one in updates] == [
        (1, "PURCHASE", "100.0000"),
        (2, "GRANT", "101.0000"),
    ]
    assert await world.broken_rules() == []
