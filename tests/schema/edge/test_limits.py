"""How much one document may ask for: each limit at its value and one above, and what an attacker would send."""

from time import thread_time

import pytest
from graphql import DocumentNode, OperationDefinitionNode, get_introspection_query, parse

from schema.edge.limits import Limits, measure, weigh
from tests.schema.edge import harbour
from tests.schema.edge.harbour import Context, harbour_schema, problems

SCHEMA = harbour_schema()
CORE = SCHEMA._schema


def nested(depth: int) -> str:
    """`harbour` and `vessels` in turn, `depth` fields deep in all."""
    opening = ["harbour", *(["vessels(first: 1)", "harbour"] * depth)][: depth - 1]
    return "{" + "".join(f"{name}{{" for name in opening) + "name" + "}" * depth


def doubling(fragments: int, leaf: str) -> str:
    """Every fragment spreads the next one twice: 2 ** fragments leaves."""
    chain = "".join(f"fragment F{i} on Harbour{{...F{i + 1} ...F{i + 1}}}" for i in range(fragments - 1))
    return "{harbour{...F0}}" + chain + f"fragment F{fragments - 1} on Harbour{{{leaf}}}"


def exceeded(document: str) -> str | None:
    excess = measure(parse(document), CORE, Limits()).excess
    return None if excess is None else str((excess.extensions or {})["limit"])


SPREADS = "".join(f"...F{i} " for i in range(26))
FRAGMENTS = [f"fragment F{i} on Harbour{{name}}" for i in range(26)]

NINETEEN = "hello" + " hello" * 18
EMPTY = f"fragment A on Harbour{{{'...B ' * 23}}} fragment B on Harbour{{}}"

AT_THE_LIMIT = {
    "depth": nested(8),
    "root_fields": "{" + " hello" * 20 + "}",
    "aliases": "{" + "".join(f"a{i}: hello " for i in range(15)) + "}",
    "directives": "{ hello" + " @include(if: true)" * 50 + "}",
    "operations": "".join(f"query Q{i}{{hello}}" for i in range(5)),
    "fragments": "{harbour{" + SPREADS.replace("...F25 ", "") + "}}" + "".join(FRAGMENTS[:25]),
    "repeats": "{harbour{" + "name " * 101 + "}}",
    "cost": "{vessels(first: 50){harbour{vessels(first: 99){name}}}}",
    "selections": f"{{{NINETEEN} harbour{{{'...A ' * 20}}}}}{EMPTY}",  # 19 + 1 + 20 * (1 + 23) = 500
}
ABOVE_IT = {
    "depth": nested(9),
    "root_fields": "{" + " hello" * 21 + "}",
    "aliases": "{" + "".join(f"a{i}: hello " for i in range(16)) + "}",
    "directives": "{ hello" + " @include(if: true)" * 51 + "}",
    "operations": "".join(f"query Q{i}{{hello}}" for i in range(6)),
    "fragments": "{harbour{" + SPREADS + "}}" + "".join(FRAGMENTS),
    "repeats": "{harbour{" + "name " * 102 + "}}",
    "cost": "{vessels(first: 50){harbour{vessels(first: 100){name}}}}",
    "selections": f"{{{NINETEEN} harbour{{{'...A ' * 20} ...B}}}}{EMPTY}",
}


@pytest.mark.parametrize("limit", AT_THE_LIMIT)
def test_a_document_at_the_limit_is_accepted(limit: str) -> None:
    assert exceeded(AT_THE_LIMIT[limit]) is None


@pytest.mark.parametrize("limit", ABOVE_IT)
async def test_a_document_above_the_limit_is_refused_with_its_name(limit: str) -> None:
    result = await SCHEMA.execute(ABOVE_IT[limit], context_value=Context())

    assert problems(result) == [{"code": "QUERY_TOO_COMPLEX", "limit": limit, "allowed": getattr(Limits(), limit)}]
    assert harbour.done == []


async def test_more_than_a_thousand_tokens_are_not_parsed() -> None:
    result = await SCHEMA.execute("{" + " hello" * 1000 + "}", context_value=Context())

    assert problems(result) == [{"code": "QUERY_TOO_COMPLEX"}]


EVASIONS = {
    "root fields inside fragments": ("root_fields", "{...F} fragment F on Query{" + " hello" * 21 + "}"),
    "aliases inside fragments spread often": (
        "aliases",
        "{harbour{...F ...F ...F ...F}} fragment F on Harbour{a:name b:name c:name d:name}",
    ),
    "directives on fragments": (
        "directives",
        "{" + "...F " * 18 + "} fragment F on Query @a @b @c {hello}",
    ),
    "doubling fragments without any field": ("selections", doubling(24, "")),
    "depth through fragments": (
        "depth",
        "{...A} fragment A on Query{harbour{vessels(first:1){...B}}} "
        "fragment B on Vessel{harbour{vessels(first:1){harbour{vessels(first:1){...C}}}}} "
        "fragment C on Vessel{harbour{vessels(first:1){name}}}",
    ),
    "repeated fields in a fragment nobody uses": (
        "repeats",
        "{hello} fragment F on Harbour{vessels{" + "harbour{name}" * 60 + "}}",
    ),
    "page sizes left to the schema's default": (
        "cost",
        "{vessels{harbour{vessels{harbour{vessels(first:50){name}}}}}}",
    ),
    "page sizes left open": ("cost", "{harbour{moored{harbour{moored{harbour{moored{name}}}}}}}"),
    "page sizes of null": (
        "cost",
        "{harbour{moored(first:null){harbour{moored(first:null){harbour{moored(first:null){name}}}}}}}",
    ),
    "a negative page size that pays for another": (
        "cost",
        "{a: vessels(first: -5000){name} vessels(first: 5001){name}}",
    ),
    "a page size beyond all integers": ("cost", "{vessels(first: " + "9" * 5000 + "){name}}"),
    "lists side by side": ("cost", "{" + "".join(f"a{i}: vessels(first: 500){{name}} " for i in range(11)) + "}"),
    "a fragment that spreads itself, often": (
        "selections",
        "{harbour{...A}} fragment A on Harbour{...B ...B ...B ...B} fragment B on Harbour{...C ...C ...C ...C} "
        "fragment C on Harbour{...D ...D ...D ...D} fragment D on Harbour{...E ...E ...E ...E} "
        "fragment E on Harbour{...A ...A}",
    ),
}


@pytest.mark.parametrize(("limit", "document"), EVASIONS.values(), ids=EVASIONS)
def test_a_limit_is_not_evaded_by(limit: str, document: str) -> None:
    assert exceeded(document) == limit


@pytest.mark.parametrize("fragments", [10, 25])
def test_measuring_takes_the_same_time_however_often_fragments_double(fragments: int) -> None:
    document = parse(doubling(fragments, "name"))

    # Of this thread's own time, the best of three tries: the machine is shared, and the collector may come by.
    assert min(seconds_to_measure(document) for _ in range(3)) < 0.05


def seconds_to_measure(document: DocumentNode) -> float:
    started = thread_time()
    measure(document, CORE, Limits())
    return thread_time() - started


def cost_is_exceeded(document: str, variables: dict[str, object]) -> bool:
    parsed = parse(document)
    measured = measure(parsed, CORE, Limits())
    operation = parsed.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    assert measured.excess is None
    assert measured.page_variables == {"n"}
    return weigh(parsed, operation, schema=CORE, limits=Limits(), variables=variables).excess is not None


@pytest.mark.parametrize(
    ("variables", "exceeds"),
    [
        ({}, False),  # 10 + 100, the variable's default
        ({"n": 70}, False),  # 70 + 4900
        ({"n": 71}, True),  # 71 + 5041
        ({"n": 10**30}, True),
        ({"n": -1}, False),
        ({"n": None}, False),
        ({"n": "71"}, False),  # not an integer, so refused when the variables are read
    ],
)
def test_the_cost_is_counted_with_the_variables_sent(variables: dict[str, object], exceeds: bool) -> None:
    document = "query($n: Int = 10){vessels(first: $n){harbour{vessels(first: $n){name}}}}"

    assert cost_is_exceeded(document, variables) is exceeds


async def test_an_operation_that_costs_too_much_with_its_variables_is_not_run() -> None:
    document = "query($n: Int = 1){vessels(first: $n){harbour{vessels(first: $n){name}}}}"

    cheap = await SCHEMA.execute(document, context_value=Context())
    dear = await SCHEMA.execute(document, context_value=Context(), variable_values={"n": 100})

    assert cheap.errors is None
    assert problems(dear) == [{"code": "QUERY_TOO_COMPLEX", "limit": "cost", "allowed": 5000}]
    assert harbour.done == ["vessels"]


async def test_a_fragment_cycle_is_reported_as_one() -> None:
    document = "{harbour{...A}} fragment A on Harbour{...B} fragment B on Harbour{...A}"

    result = await SCHEMA.execute(document, context_value=Context())

    assert problems(result) == [{"code": "GRAPHQL_VALIDATION_FAILED"}]


@pytest.mark.parametrize(
    "document",
    [
        "{a: __schema{types{name}}}",
        "{__schema{a: types{name}}}",
        '{__type(name: "Query"){fields{a: args{name}}}}',
        "{__schema{...S}} fragment S on __Schema{types{n: name}}",
    ],
)
async def test_introspection_has_no_aliases_or_it_could_be_asked_for_many_times_at_once(document: str) -> None:
    result = await harbour_schema().execute(document, context_value=Context())

    (problem,) = problems(result)
    assert (problem["code"], problem["limit"]) == ("QUERY_TOO_COMPLEX", "introspection_aliases")


async def test_the_introspection_query_of_the_tools_fits() -> None:
    query = get_introspection_query(specified_by_url=True, directive_is_repeatable=True, schema_description=True)

    result = await SCHEMA.execute(query, context_value=Context())

    assert result.errors is None
