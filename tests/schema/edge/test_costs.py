"""What an operation costs, and what a toll that cannot be paid does."""

from typing import Any

import pytest
import strawberry
from graphql import GraphQLError, OperationDefinitionNode, parse

from schema.edge.costs import costs, surcharges
from schema.edge.limits import Limits, measure, weigh
from schema.edge.masking import ErrorCode, public_error
from schema.edge.permissions import public
from schema.edge.schema import EdgeSchema, build_schema
from tests.schema.edge import harbour
from tests.schema.edge.harbour import KNOTS, Context, Knots, Query, all_of, harbour_schema, problems

CORE = harbour_schema()._schema


@strawberry.type
class Mutation:
    @strawberry.mutation(directives=[*public(), *costs(500)])  # type: ignore[untyped-decorator]
    def dredge(self) -> str:
        harbour.done.append("dredge")
        return "deeper"


class Purse:
    """A toll with memory: takes what it is asked for until it is empty."""

    def __init__(self, units: int) -> None:
        self.units = units
        self.taken: list[int] = []

    async def charge(self, context: Any, units: int) -> GraphQLError | None:
        assert isinstance(context, Context)
        if units > self.units:
            return public_error("Empty.", ErrorCode.RATE_LIMITED, retryAfter=7)
        self.units -= units
        self.taken.append(units)
        return None


@pytest.fixture
def purse() -> Purse:
    return Purse(1000)


def tolled(purse: Purse) -> EdgeSchema:
    return build_schema(Query, Mutation, scalar_map={Knots: KNOTS}, introspection=True, toll=purse.charge)


@pytest.mark.parametrize(
    ("document", "units"),
    [
        ("{hello}", 1),
        ("{a: hello b: hello}", 2),
        ("{...F} fragment F on Query{hello harbour{name}}", 2),
        ("{vessels(first: 5){name}}", 1 + 5),
        ("{vessels{name}}", 1 + 10),
        ("{vessels(first: 5){harbour{vessels(first: 3){name}}}}", 1 + 5 + 15),
        ("{harbour{moored{name}}}", 1 + 20),
        ("{__schema{types{name}}}", 1),
        ("query($n: Int = 4){vessels(first: $n){name}}", 1 + 4),
    ],
)
def test_an_operation_costs_its_root_fields_and_its_list_items(document: str, units: int) -> None:
    assert measure(parse(document), CORE, Limits()).units == {None: units}


def test_each_operation_of_a_document_costs_its_own() -> None:
    document = "query A{hello} query B{vessels(first: 5){name}}"

    assert measure(parse(document), CORE, Limits()).units == {"A": 1, "B": 6}


def test_a_variable_page_costs_what_was_sent() -> None:
    parsed = parse("query($n: Int = 4){vessels(first: $n){name}}")
    operation = parsed.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)

    weights = [weigh(parsed, operation, schema=CORE, limits=Limits(), variables={"n": n}).units for n in (1, 100)]

    assert weights == [2, 101]


async def test_a_field_with_a_price_costs_it_each_time_it_is_asked_for(purse: Purse) -> None:
    schema = tolled(purse)

    results = [
        await schema.execute(document, context_value=Context())
        for document in ("mutation{dredge}", "mutation{a: dredge b: dredge}", "{hello}")
    ]

    assert surcharges(schema._schema) == {("Mutation", "dredge"): 500}
    assert "directive @costs(units: Int!) on FIELD_DEFINITION" in schema.as_str()
    assert purse.taken == [501, 1]
    assert [problems(result) for result in results] == [[], [{"code": "RATE_LIMITED", "retryAfter": 7}], []]
    assert harbour.done == ["dredge", "hello"]


async def test_what_is_refused_costs_one_and_says_why(purse: Purse) -> None:
    schema = tolled(purse)

    codes = [
        problems(await schema.execute(document, context_value=Context()))[0]["code"]
        for document in ("{nonsense}", "{ledger{total}}", "{vessels(first: 9000){name}}")
    ]

    assert codes == ["GRAPHQL_VALIDATION_FAILED", "UNAUTHENTICATED", "QUERY_TOO_COMPLEX"]
    assert purse.taken == [1, 1, 1]


async def test_whoever_cannot_pay_learns_nothing_else() -> None:
    schema = tolled(Purse(0))

    results = [
        await schema.execute(document, context_value=Context()) for document in ("{nonsense}", "{ledger{total}}")
    ]
    (streamed,) = await all_of(await schema.stream("{hello}", context_value=Context()))

    assert [problems(each) for each in (*results, streamed)] == [[{"code": "RATE_LIMITED", "retryAfter": 7}]] * 3
    assert harbour.done == []
