"""The permission gate over every shape a selection can take. A refusal runs no resolver."""

import pytest

from rules.permissions import Permission
from schema.edge.permissions import undeclared_root_fields
from tests.schema.edge import harbour
from tests.schema.edge.harbour import (
    Context,
    Sailor,
    a_sailor,
    all_of,
    harbour_schema,
    messages,
    next_of,
    problems,
)
from tests.schema.edge.undeclared import UNDECLARED

VIEW, FINANCE, MANAGE = Permission.TOKENS_VIEW, Permission.FINANCE_VIEW, Permission.FINANCE_MANAGE
SCHEMA = harbour_schema()

# Worked by hand: the operation, what the caller has, and the (permission, field) pairs it is refused for.
MATRIX = [
    ("a guarded root field", "{ ledger { total } }", [], [("TOKENS_VIEW", "Query.ledger")]),
    ("with the permission", "{ ledger { total } }", [VIEW], []),
    ("another permission implies nothing", "{ ledger { total } }", [FINANCE], [("TOKENS_VIEW", "Query.ledger")]),
    (
        "several on one field are all demanded",
        "{ ledger { keeper } }",
        [VIEW, FINANCE],
        [("FINANCE_MANAGE", "Ledger.keeper")],
    ),
    ("any one of several, none is there", "{ ledger { key } }", [VIEW, FINANCE], [("CATALOG_MANAGE", "Ledger.key")]),
    ("any one of several, the first", "{ ledger { key } }", [VIEW, Permission.CATALOG_MANAGE], []),
    ("any one of several, the last", "{ ledger { key } }", [VIEW, Permission.PLATFORM_ADMIN], []),
    ("all of them", "{ ledger { keeper } }", [VIEW, FINANCE, MANAGE], []),
    ("under an alias", "{ hello: ledger { total } }", [], [("TOKENS_VIEW", "Query.ledger")]),
    (
        "in a fragment of a fragment",
        "{ ...A } fragment A on Query { ...B } fragment B on Query { ledger { total } }",
        [],
        [("TOKENS_VIEW", "Query.ledger")],
    ),
    ("in an inline fragment without a type", "{ ... { ledger { total } } }", [], [("TOKENS_VIEW", "Query.ledger")]),
    (
        "of an interface, for any type that implements it",
        "{ vessels { cargo } }",
        [VIEW],
        [("FINANCE_VIEW", "Vessel.cargo")],
    ),
    ("of an interface, on a type that is not guarded", "{ vessels { ... on Ferry { cargo } } }", [VIEW], []),
    ("of an interface, where nothing is guarded", "{ vessels { name } }", [VIEW], []),
    (
        "of a union's member",
        "{ berths { ... on Ferry { cargo } ... on Freighter { cargo } } }",
        [VIEW],
        [("FINANCE_VIEW", "Freighter.cargo")],
    ),
    ("skipped", "{ hello ledger @skip(if: true) { total } }", [], [("TOKENS_VIEW", "Query.ledger")]),
    ("not included", "{ hello ledger @include(if: false) { total } }", [], [("TOKENS_VIEW", "Query.ledger")]),
    ("only its __typename", "{ ledger { __typename } }", [], [("TOKENS_VIEW", "Query.ledger")]),
    ("the __typename of the root", "{ __typename }", [], []),
    ("introspection", "{ __schema { queryType { name } } }", [], []),
    ("a mutation", 'mutation { rename(name: "Dora") }', [VIEW], [("TOKENS_CONFIGURE", "Mutation.rename")]),
    (
        "demanded once, however often it is asked for",
        "{ a: ledger { total } b: ledger { total } }",
        [],
        [("TOKENS_VIEW", "Query.ledger")],
    ),
]


@pytest.mark.parametrize(("query", "has", "refused"), [case[1:] for case in MATRIX], ids=[case[0] for case in MATRIX])
async def test_an_operation_needs_the_permissions_of_every_field_it_names(
    query: str, has: list[Permission], refused: list[tuple[str, str]]
) -> None:
    result = await SCHEMA.execute(query, context_value=Context(a_sailor(*has)))

    assert problems(result) == [{"code": "FORBIDDEN", "permission": name, "field": field} for name, field in refused]
    if refused:
        assert result.data is None
        assert harbour.done == []


@pytest.mark.parametrize("case", [case for case in MATRIX if case[3]], ids=lambda case: case[0])
async def test_nobody_is_told_to_sign_in_rather_than_that_it_is_forbidden(
    case: tuple[str, str, list[Permission], list[tuple[str, str]]],
) -> None:
    result = await SCHEMA.execute(case[1], context_value=Context(None))

    assert [problem["code"] for problem in problems(result)] == ["UNAUTHENTICATED"]
    assert harbour.done == []


async def test_nobody_may_ask_for_what_is_public() -> None:
    result = await SCHEMA.execute("{ hello }", context_value=Context(None))

    assert (result.errors, result.data) == (None, {"hello": "ahoy"})


@pytest.mark.parametrize("query", ["{ hello }", "{ ledger { total } }"])
async def test_an_expired_session_is_refused_whatever_it_asks(query: str) -> None:
    result = await SCHEMA.execute(query, context_value=Context(a_sailor(VIEW, hours_left=0)))

    assert [(error.message, error.extensions) for error in result.errors or []] == [
        ("The session has expired.", {"code": "UNAUTHENTICATED"})
    ]
    assert harbour.done == []


async def test_a_session_that_still_runs_is_served() -> None:
    result = await SCHEMA.execute("{ ledger { total } }", context_value=Context(a_sailor(VIEW, hours_left=1)))

    assert result.data == {"ledger": {"total": 7}}


async def test_only_the_chosen_operation_of_a_document_is_judged() -> None:
    document = "query Open { hello } query Closed { ledger { total } }"

    opened = await SCHEMA.execute(document, context_value=Context(), operation_name="Open")
    closed = await SCHEMA.execute(document, context_value=Context(), operation_name="Closed")

    assert opened.data == {"hello": "ahoy"}
    assert messages(closed) == ["Query.ledger is for signed-in callers."]


async def test_one_of_several_operations_has_to_be_named() -> None:
    result = await SCHEMA.execute("query A { hello } query B { hello }", context_value=Context())

    assert problems(result) == [{"code": "BAD_REQUEST"}]
    assert harbour.done == []


async def test_a_subscription_is_guarded_when_it_starts() -> None:
    stream = await SCHEMA.stream("subscription { takings }", context_value=Context(Sailor()))

    (result,) = await all_of(stream)

    assert problems(result) == [{"code": "FORBIDDEN", "permission": "FINANCE_VIEW", "field": "Subscription.takings"}]
    assert harbour.done == []


async def test_events_are_withheld_once_the_session_has_expired() -> None:
    # given
    schema = harbour_schema()
    context = Context(a_sailor(hours_left=1))
    stream = await schema.stream("subscription { tides }", context_value=context)
    first = await next_of(stream)

    # when
    harbour.contexts[0].actor = a_sailor(hours_left=-1)
    second = await next_of(stream)
    await stream.aclose()

    # then
    assert (first.data, first.errors) == ({"tides": 0}, None)
    assert second.data is None
    assert problems(second) == [{"code": "UNAUTHENTICATED"}]


def test_guards_are_printed_in_the_schema() -> None:
    printed = SCHEMA.as_str()

    assert "directive @requiresPermission(permission: Permission!) repeatable on FIELD_DEFINITION" in printed
    assert "  ledger: Ledger! @requiresPermission(permission: TOKENS_VIEW)\n" in printed
    assert "  hello: String! @public\n" in printed
    assert (
        "  keeper: String! @requiresPermission(permission: FINANCE_VIEW) "
        "@requiresPermission(permission: FINANCE_MANAGE)\n"
    ) in printed


def test_every_value_of_the_permission_enum_is_described() -> None:
    values = SCHEMA._schema.type_map["Permission"].values  # type: ignore[attr-defined]

    assert list(values) == [permission.name for permission in Permission]
    assert all(value.description for value in values.values())


def test_a_root_field_that_declares_nothing_is_found() -> None:
    assert undeclared_root_fields(SCHEMA) == []
    assert undeclared_root_fields(UNDECLARED) == ["Query.forgotten", "Mutation.forgotten"]


async def test_whoever_lacks_all_of_several_is_told_each_of_them() -> None:
    result = await SCHEMA.execute("{ ledger { key } }", context_value=Context(a_sailor(VIEW)))

    assert messages(result) == ["Ledger.key requires the permission CATALOG_MANAGE or PLATFORM_ADMIN."]
    assert harbour.done == []
