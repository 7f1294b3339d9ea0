"""What the caller learns, and what the log does: a code on every error, and a reference in both places on a fault."""

from typing import Any

import pytest
from graphql import GraphQLError, parse
from structlog.testing import capture_logs

from schema.edge.masking import mask_faults, record_fault
from tests.schema.edge.harbour import SECRET, Context, all_of, harbour_schema, messages, problems

SCHEMA = harbour_schema()

CODES: list[tuple[str, dict[str, Any], str]] = [
    ("{ hello", {}, "GRAPHQL_PARSE_FAILED"),
    ("{ " + "{" * 300, {}, "GRAPHQL_PARSE_FAILED"),
    ("{ echo(text: " + "[" * 490 + "]" * 490 + ") }", {}, "GRAPHQL_PARSE_FAILED"),
    ("{ helo }", {}, "GRAPHQL_VALIDATION_FAILED"),
    ('{ speed(knots: "fast") }', {}, "GRAPHQL_VALIDATION_FAILED"),
    ("query($k: Knots!){ speed(knots: $k) }", {"k": "fast"}, "BAD_USER_INPUT"),
    ("query($k: Knots!){ speed(knots: $k) }", {}, "BAD_USER_INPUT"),
    ('query($n: Int = 1){ echo(text: "", times: $n) }', {"n": None}, "BAD_USER_INPUT"),
    ('query($n: Int!){ echo(text: "", times: $n) }', {"n": 2**31}, "BAD_USER_INPUT"),
    ("{ aground }", {}, "AGROUND"),
    ("{ sinks }", {}, "INTERNAL"),
    ("{ sinksWithAllHands }", {}, "INTERNAL"),
]


@pytest.mark.parametrize(("query", "variables", "code"), CODES, ids=[f"{c[2]}-{i}" for i, c in enumerate(CODES)])
async def test_every_error_has_a_code(query: str, variables: dict[str, Any], code: str) -> None:
    result = await SCHEMA.execute(query, variable_values=variables, context_value=Context())

    assert [problem["code"] for problem in problems(result)] == [code]


async def test_a_fault_is_named_by_a_reference_and_nothing_else() -> None:
    with capture_logs() as logs:
        result = await SCHEMA.execute("{ sinks }", context_value=Context())

    (error,) = result.errors or []
    assert error.formatted == {
        "message": "Unexpected error.",
        "locations": [{"line": 1, "column": 3}],
        "path": ["sinks"],
        "extensions": {"code": "INTERNAL", "reference": logs[0]["reference"]},
    }
    assert result.data == {"sinks": None}


async def test_the_log_line_of_a_fault_has_the_traceback_and_not_the_document() -> None:
    document = 'query Secretive($text: String!) { sinks echo(text: $text) literal: echo(text: "in the document") }'

    with capture_logs() as logs:
        await SCHEMA.execute(document, variable_values={"text": "in the variables"}, context_value=Context())

    (line,) = logs
    assert (line["event"], line["log_level"], line["error"]) == ("fault", "error", "RuntimeError")
    assert (line["path"], line["faults"]) == ("sinks", 1)
    assert f"RuntimeError: {SECRET}" in line["traceback"]
    assert "in sinks" in line["traceback"]
    assert not [word for word in ("Secretive", "in the variables", "in the document") if word in str(line)]


async def test_several_faults_of_one_operation_share_a_line_and_a_reference() -> None:
    with capture_logs() as logs:
        result = await SCHEMA.execute("{ a: sinks b: sinks c: aground }", context_value=Context())

    (line,) = logs
    extensions = {error.path[0]: error.extensions for error in result.errors or [] if error.path}
    fault = {"code": "INTERNAL", "reference": line["reference"]}
    assert extensions == {"a": fault, "b": fault, "c": {"code": "AGROUND", "metres": 2}}
    assert line["faults"] == 2


async def test_what_the_caller_did_wrong_is_not_logged() -> None:
    with capture_logs() as logs:
        for query, variables, code in CODES:
            if code != "INTERNAL":
                await SCHEMA.execute(query, variable_values=variables, context_value=Context())

    assert logs == []


async def test_a_bad_value_is_explained() -> None:
    query = "query($k: Knots!){ speed(knots: $k) }"

    result = await SCHEMA.execute(query, variable_values={"k": "fast"}, context_value=Context())

    assert messages(result) == [
        "Variable '$k' has invalid value: Expected value of type 'Knots', "
        "but encountered error 'knots are written \"12kn\"'; found: 'fast'."
    ]


async def test_an_uncoded_graphql_error_of_a_resolver_is_a_fault() -> None:
    with capture_logs() as logs:
        result = await SCHEMA.execute(
            "query($k: Knots!){ speed(knots: $k) }", variable_values={"k": "99999999999kn"}, context_value=Context()
        )

    assert messages(result) == ["Unexpected error."]
    assert [line["error"] for line in logs] == ["GraphQLError"]


async def test_a_fault_in_the_middle_of_a_subscription_is_masked() -> None:
    with capture_logs() as logs:
        stream = await SCHEMA.stream("subscription { leak }", context_value=Context())
        event, failure = await all_of(stream)

    assert (event.data, event.errors) == ({"leak": 1}, None)
    assert problems(failure) == [{"code": "INTERNAL", "reference": logs[0]["reference"]}]
    assert messages(failure) == ["Unexpected error."]


async def test_a_fault_while_making_the_context_is_masked() -> None:
    class Broken(Context):
        def for_operation(self) -> Context:
            raise RuntimeError(SECRET)

    with capture_logs() as logs:
        result = await SCHEMA.execute("{ hello }", context_value=Broken())

    assert messages(result) == ["Unexpected error."]
    assert [line["error"] for line in logs] == ["RuntimeError"]


async def test_masking_twice_changes_nothing() -> None:
    result = await SCHEMA.execute("{ sinks hello }", context_value=Context())
    errors = result.errors or []

    with capture_logs() as logs:
        assert mask_faults(errors) == errors

    assert logs == []


def test_the_causes_of_a_fault_are_logged_and_cut_to_a_bearable_length() -> None:
    try:
        try:
            raise KeyError("k" * 10_000)
        except KeyError as cause:
            raise ExceptionGroup("several", [ValueError("one of them")]) from cause
    except ExceptionGroup as fault:
        with capture_logs() as logs:
            record_fault(fault, path=["a" * 1000] * 50)

    (line,) = logs
    assert [text in line["traceback"] for text in ("ExceptionGroup", "ValueError: one of them", "KeyError")] == [
        True
    ] * 3
    assert len(line["traceback"]) < 2500
    assert len(line["path"]) == 10 * 64 + 9


def test_a_graphql_error_is_logged_without_the_document_it_points_into() -> None:
    document = parse("{ inTheDocument }")

    with capture_logs() as logs:
        record_fault(GraphQLError("No such luck.", nodes=document.definitions[0]))

    assert logs[0]["traceback"] == "GraphQLError: No such luck."
