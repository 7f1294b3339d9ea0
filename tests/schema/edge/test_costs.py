"""What an operation costs, and what a toll that cannot be paid does."""

from typing import Any

import pytest
import strawberry
from graphql import GraphQLError, OperationDefinitionNode, parse

from schema.edge.costs import costs, sized, tariff_of
from schema.edge.limits import Limits, measure, weigh
from schema.edge.masking import ErrorCode, public_error
from schema.edge.permissions import public
from schema.edge.schema import EdgeSchema, build_schema
from tests.schema.edge import harbour
from tests.schema.edge.harbour import KNOTS, Context, Harbour, Knots, Query, all_of, harbour_schema, problems

CORE = harbour_schema()._schema


@strawberry.type
class Mutation:
    @strawberry.mutation(directives=[*public(), *costs(500)])  # type: ignore[untyped-decorator]
    def dredge(self) -> str:
        harbour.done.append("dredge")
        return "deeper"


@strawberry.input
class Load:
    crates: list[str]


@strawberry.type
class DocksQuery(Query):
    @strawberry.field(directives=[*public(), *sized("names")])  # type: ignore[untyped-decorator]
    def harbours(self, names: list[str]) -> list[Harbour]:
        return [Harbour(name=name) for name in names]


@strawberry.type
class DocksMutation(Mutation):
    @strawberry.mutation(directives=[*public(), *sized("input.crates")])  # type: ignore[untyped-decorator]
    def load(self, input: Load) -> str:
        return f"{len(input.crates)} crates"


MOORED = "query($names: [String!]!){harbours(names: $names){moored{name}}}"


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


def docks(purse: Purse) -> EdgeSchema:
    return build_schema(DocksQuery, DocksMutation, scalar_map={Knots: KNOTS}, introspection=True, toll=purse.charge)


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
        ("{__schema{types{name}}}", 1 + 500),
        ('{__schema{types{name}} __type(name: "Query"){name}}', 2 + 1000),
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

    weights = [
        weigh(parsed, operation, schema=CORE, limits=Limits(), variables={"n": n}).units for n in (1, 100, 100.0)
    ]

    assert weights == [2, 101, 101]


@pytest.mark.parametrize(
    ("document", "variables", "units"),
    [
        ('mutation{load(input: {crates: ["a", "b", "c"]})}', {}, 1 + 3),
        ('mutation{load(input: {crates: "a"})}', {}, 1 + 1),
        ("mutation{load(input: {crates: []})}", {}, 1),
        ("mutation($all: Load!){load(input: $all)}", {"all": {"crates": ["a"] * 1000}}, 1 + 1000),
        ("mutation($all: Load!){load(input: $all)}", {"all": "no object"}, 1 + 1),
        ("mutation($some: [String!]!){load(input: {crates: $some})}", {"some": ["a"] * 7}, 1 + 7),
        ('mutation($some: [String!]! = ["a", "b"]){load(input: {crates: $some})}', {}, 1 + 2),
        ('mutation($one: String!){load(input: {crates: [$one, "b"]})}', {"one": "a"}, 1 + 2),
        ('mutation{load(input: {crates: ["a", "b"]}) again: load(input: {crates: ["c"]})}', {}, 2 + 3),
        ('{harbours(names: ["a", "b"]){moored{name}}}', {}, 1 + 2 + 2 * 20),
        (MOORED, {"names": ["a"] * 3}, 1 + 3 + 3 * 20),
    ],
)
def test_what_works_through_a_list_costs_its_length(document: str, variables: dict[str, Any], units: int) -> None:
    schema = docks(Purse(0))._schema
    parsed = parse(document)
    operation = parsed.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)

    weight = weigh(parsed, operation, schema=schema, limits=Limits(), variables=variables, tariff=tariff_of(schema))

    assert (weight.units, weight.excess) == (units, None)


async def test_a_long_list_is_too_much_like_a_long_page(purse: Purse) -> None:
    schema = docks(purse)

    few, many = [
        await schema.execute(MOORED, variable_values={"names": ["a"] * count}, context_value=Context())
        for count in (40, 300)
    ]

    assert (few.errors, few.data) == (None, {"harbours": [{"moored": []}] * 40})
    assert [problem["code"] for problem in problems(many)] == ["QUERY_TOO_COMPLEX"]
    assert purse.taken == [1 + 40 + 40 * 20, 1]


async def test_a_field_with_a_price_costs_it_each_time_it_is_asked_for(purse: Purse) -> None:
    schema = tolled(purse)

    results = [
        await schema.execute(document, context_value=Context())
        for document in ("mutation{dredge}", "mutation{a: dredge b: dredge}", "{hello}")
    ]

    assert tariff_of(schema._schema).surcharges == {("Mutation", "dredge"): 500}
    assert "directive @costs(units: Int!) on FIELD_DEFINITION" in schema.as_str()
    assert purse.taken == [501, 1]
    assert [problems(result) for result in results] == [[], [{"code": "RATE_LIMITED", "retryAfter": 7}], []]
    assert harbour.done == ["dredge", "hello"]


async def test_what_is_refused_costs_one_and_says_why(purse: Purse) -> None:
    schema = tolled(purse)

    codes = [
        problems(await schema.execute(document, context_value=Context()))[0]["code"]
        for document in ("{nonsense}", "{ledger{total}}", "{vessels(first: 9000){name}}", "{unfinished")
    ]

    assert codes == ["GRAPHQL_VALIDATION_FAILED", "UNAUTHENTICATED", "QUERY_TOO_COMPLEX", "GRAPHQL_PARSE_FAILED"]
    assert purse.taken == [1, 1, 1, 1]


async def test_whoever_cannot_pay_learns_nothing_else() -> None:
    schema = tolled(Purse(0))

    results = [
        await schema.execute(document, context_value=Context()) for document in ("{nonsense}", "{ledger{total}}")
    ]
    (streamed,) = await all_of(await schema.stream("{hello}", context_value=Context()))

    assert [problems(each) for each in (*results, streamed)] == [[{"code": "RATE_LIMITED", "retryAfter": 7}]] * 3
    assert harbour.done == []
