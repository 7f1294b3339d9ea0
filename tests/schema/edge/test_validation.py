"""The caches really cache: counted are the calls of graphql-core's own `parse` and `validate`."""

from dataclasses import dataclass
from typing import Any

import graphql
import pytest

from schema.edge import validation
from tests.schema.edge import harbour
from tests.schema.edge.harbour import Context, all_of, harbour_schema, messages, problems


@dataclass(slots=True)
class Calls:
    parsed: int = 0
    validated: int = 0


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    counted = Calls()

    def count_parse(*args: Any, **kwargs: Any) -> Any:
        counted.parsed += 1
        return graphql.parse(*args, **kwargs)

    def count_validate(*args: Any, **kwargs: Any) -> Any:
        counted.validated += 1
        return graphql.validate(*args, **kwargs)

    monkeypatch.setattr(validation, "parse", count_parse)
    monkeypatch.setattr(validation, "validate", count_validate)
    monkeypatch.setattr("strawberry.schema.schema.validate_document", count_validate)
    return counted


async def test_a_document_is_parsed_and_validated_once(calls: Calls) -> None:
    schema = harbour_schema()

    for _ in range(10):
        result = await schema.execute("{ hello }", context_value=Context())
        assert result.data == {"hello": "ahoy"}

    assert (calls.parsed, calls.validated) == (1, 1)


async def test_an_invalid_document_is_validated_once_and_refused_every_time(calls: Calls) -> None:
    schema = harbour_schema()

    for _ in range(10):
        result = await schema.execute("{ helo }", context_value=Context())
        assert problems(result) == [{"code": "GRAPHQL_VALIDATION_FAILED"}]

    assert (calls.parsed, calls.validated) == (1, 1)
    assert harbour.done == []


async def test_a_subscription_shares_the_caches(calls: Calls) -> None:
    schema = harbour_schema()

    for _ in range(3):
        stream = await schema.stream("subscription { tides(count: 1) }", context_value=Context())
        assert [result.data for result in await all_of(stream)] == [{"tides": 0}]

    assert (calls.parsed, calls.validated) == (1, 1)


async def test_two_schemas_keep_apart_what_they_allow(calls: Calls) -> None:
    shown, hidden = harbour_schema(introspection=True), harbour_schema(introspection=False)
    query = "{ __schema { queryType { name } } }"

    assert (await shown.execute(query, context_value=Context())).errors is None
    refused = await hidden.execute(query, context_value=Context())

    assert problems(refused) == [{"code": "GRAPHQL_VALIDATION_FAILED"}] * 2


async def test_the_caches_are_bounded(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "CHARACTERS_KEPT", 2 * len("query A { hello }"))
    schema = harbour_schema()

    for name in ("A", "B", "C", "A"):
        await schema.execute(f"query {name} {{ hello }}", context_value=Context())

    assert (calls.parsed, calls.validated) == (4, 4)


async def test_what_was_used_last_is_kept_longest(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "CHARACTERS_KEPT", 2 * len("query A { hello }"))
    schema = harbour_schema()

    for name in ("A", "B", "A", "C", "A"):
        await schema.execute(f"query {name} {{ hello }}", context_value=Context())

    assert (calls.parsed, calls.validated) == (3, 3)


async def test_at_most_five_errors_of_a_document_are_reported() -> None:
    result = await harbour_schema().execute("{" + " hello" * 5 + " x" * 9 + "}", context_value=Context())

    assert messages(result)[5:] == ["Too many validation errors, error limit reached. Validation aborted."]


@pytest.mark.parametrize(("introspection", "suggested"), [(True, True), (False, False)])
async def test_names_are_suggested_only_where_the_schema_may_be_read(introspection: bool, suggested: bool) -> None:
    result = await harbour_schema(introspection=introspection).execute("{ helo }", context_value=Context())

    assert ["Did you mean" in message for message in messages(result)] == [suggested]


async def test_every_operation_gets_a_context_of_its_own() -> None:
    schema, shared = harbour_schema(), Context()

    await schema.execute("{ hello }", context_value=shared)
    await schema.execute("{ hello }", context_value=shared)

    assert shared.loaded == 0
    assert [context.loaded for context in harbour.contexts] == [1, 1]
