"""Trusted documents: which manifests are taken, how a request says which document it means, and what is refused."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schema.edge import validation
from schema.edge.trusted import ManifestRefused, TrustedDocuments, read_manifest, wanted_id
from tests.schema.edge import harbour
from tests.schema.edge.harbour import Context, all_of, harbour_schema, problems

HELLO = "query Hello { hello }"
TIDES = "subscription Tides { tides(count: 1) }"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def trusted(*texts: str, is_enforced: bool = True) -> TrustedDocuments:
    return TrustedDocuments({digest(text): text for text in texts}, is_enforced=is_enforced)


@pytest.fixture
def written(tmp_path: Path) -> Callable[[object], Path]:
    """Writes a manifest and says where."""

    def write(content: object) -> Path:
        path = tmp_path / "manifest.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


@pytest.mark.parametrize(
    "content",
    [
        {digest(HELLO): HELLO},
        {f"sha256:{digest(HELLO)}": HELLO},
        {
            "format": "apollo-persisted-query-manifest",
            "version": 1,
            "operations": [{"id": digest(HELLO), "name": "Hello", "type": "query", "body": HELLO}],
        },
    ],
    ids=["hash", "prefixed hash", "Apollo"],
)
def test_manifests_of_all_builds_mean_the_same(content: object, written: Callable[[object], Path]) -> None:
    assert read_manifest(written(content)) == {digest(HELLO): HELLO}


def test_a_build_may_give_other_names(written: Callable[[object], Path]) -> None:
    assert read_manifest(written({"hello-1": HELLO})) == {"hello-1": HELLO}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "is not JSON"),
        ("[]", "is not a manifest"),
        ({}, "is not a manifest"),
        ({"format": "another", "operations": []}, "is not a manifest"),
        ({"format": "apollo-persisted-query-manifest", "operations": []}, "is not a manifest"),
        ({"format": "apollo-persisted-query-manifest"}, "is not a manifest"),
        ({"format": "apollo-persisted-query-manifest", "operations": [{"id": "1"}]}, "'1' has no text"),
        ({"hello": 5}, "'hello' has no text"),
        ({"": HELLO}, "'' has no text or no proper id"),
        ({"x" * 129: HELLO}, "no proper id"),
        ({digest(TIDES): HELLO}, f"{digest(TIDES)} is not the SHA-256 of its document"),
        ({"sha256:0": HELLO}, "sha256:0 is not the SHA-256 of its document"),
    ],
)
def test_a_manifest_that_is_none_is_refused(content: object, complaint: str, written: Callable[[object], Path]) -> None:
    with pytest.raises(ManifestRefused) as refused:
        read_manifest(written(content))

    assert complaint in str(refused.value)


def test_a_manifest_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestRefused, match="cannot be read: No such file"):
        read_manifest(tmp_path / "manifest.json")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("query Old { helo }", "Old (hello-1): Cannot query field 'helo' on type 'Query'."),
        ("query Broken { hello", "hello-1: Syntax Error"),
        ("query Deep { hello" + " hello" * 20 + " }", "Deep (hello-1): "),
        ("{ helo }", "a document without a name (hello-1): "),
    ],
    ids=["invalid", "not GraphQL", "too much", "without a name"],
)
def test_a_document_that_cannot_be_run_stops_the_start_and_is_named(text: str, complaint: str) -> None:
    with pytest.raises(ManifestRefused) as refused:
        harbour_schema(trusted=TrustedDocuments({"hello-1": text, digest(HELLO): HELLO}))

    head, *lines = str(refused.value).splitlines()
    assert head == "These trusted documents cannot be run:"
    assert len(lines) == 1
    assert lines[0].strip().startswith(complaint)


async def ask(schema: Any, query: str | None, **extensions: Any) -> Any:
    return await schema.execute(query, context_value=Context(), operation_extensions=extensions or None)


@pytest.mark.parametrize(
    "extensions",
    [
        {"documentId": digest(HELLO)},
        {"documentId": f"sha256:{digest(HELLO)}"},
        {"persistedQuery": {"version": 1, "sha256Hash": digest(HELLO)}},
        {"persistedQuery": {"sha256Hash": f"sha256:{digest(HELLO)}"}},
    ],
    ids=["documentId", "documentId with prefix", "persistedQuery", "persistedQuery with prefix"],
)
@pytest.mark.parametrize("query", [None, "", "query Hello {\n  hello\n}"], ids=["no text", "empty text", "longer text"])
async def test_a_document_is_run_by_its_id(extensions: dict[str, Any], query: str | None) -> None:
    result = await ask(harbour_schema(trusted=trusted(HELLO)), query, **extensions)

    assert (result.data, result.errors) == ({"hello": "ahoy"}, None)


async def test_a_document_is_run_by_its_text() -> None:
    result = await ask(harbour_schema(trusted=trusted(HELLO)), HELLO)

    assert result.data == {"hello": "ahoy"}


@pytest.mark.parametrize(
    ("query", "extensions", "code"),
    [
        ("{ hello }", {}, "UNTRUSTED_DOCUMENT"),
        (f"{HELLO} ", {}, "UNTRUSTED_DOCUMENT"),
        ("{ __schema { queryType { name } } }", {}, "UNTRUSTED_DOCUMENT"),
        ("not even GraphQL", {}, "UNTRUSTED_DOCUMENT"),
        ("{ hello }", {"documentId": digest("{ hello }")}, "UNTRUSTED_DOCUMENT"),
        ("{ hello }", {"persistedQuery": {"sha256Hash": 5}}, "UNTRUSTED_DOCUMENT"),
        ("{ hello }", {"persistedQuery": "yes"}, "UNTRUSTED_DOCUMENT"),
        (None, {"documentId": digest("{ hello }")}, "PERSISTED_QUERY_NOT_FOUND"),
        (None, {"persistedQuery": {"sha256Hash": digest("{ hello }")}}, "PERSISTED_QUERY_NOT_FOUND"),
    ],
)
async def test_nothing_else_is_run(query: str | None, extensions: dict[str, Any], code: str) -> None:
    schema = harbour_schema(trusted=trusted(HELLO))

    result = await ask(schema, query, **extensions)
    stream = await schema.stream(query, context_value=Context(), operation_extensions=extensions)
    streamed = await all_of(stream)

    assert problems(result) == [{"code": code}]
    assert result.data is None
    assert [problems(one) for one in streamed] == [[{"code": code}]]
    assert harbour.done == []


async def test_a_refusal_does_not_depend_on_the_name_of_an_operation() -> None:
    schema = harbour_schema(trusted=trusted(HELLO))

    result = await schema.execute("query A { hello }", context_value=Context(), operation_name="A")

    assert problems(result) == [{"code": "UNTRUSTED_DOCUMENT"}]


async def test_permissions_are_asked_of_trusted_documents_too() -> None:
    result = await ask(harbour_schema(trusted=trusted("{ ledger { total } }")), "{ ledger { total } }")

    assert [problem["code"] for problem in problems(result)] == ["UNAUTHENTICATED"]


async def test_a_subscription_is_run_by_its_id() -> None:
    schema = harbour_schema(trusted=trusted(TIDES))

    stream = await schema.stream(None, context_value=Context(), operation_extensions={"documentId": digest(TIDES)})

    assert [result.data for result in await all_of(stream)] == [{"tides": 0}]


async def test_when_not_enforced_ids_work_and_everything_else_as_well() -> None:
    schema = harbour_schema(trusted=trusted(HELLO, is_enforced=False))

    by_id = await ask(schema, None, documentId=digest(HELLO))
    by_text = await ask(schema, "{ hello }", persistedQuery={"sha256Hash": digest("{ hello }")})
    unknown = await ask(schema, None, documentId="unknown")

    assert by_id.data == by_text.data == {"hello": "ahoy"}
    assert problems(unknown) == [{"code": "PERSISTED_QUERY_NOT_FOUND"}]


async def test_trusted_documents_are_not_parsed_again_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    # given no room for any other document
    monkeypatch.setattr(validation, "CHARACTERS_KEPT", 1)
    texts = [f"query Hello{number} {{ hello }}" for number in range(50)]
    schema = harbour_schema(trusted=trusted(*texts))
    monkeypatch.setattr(validation, "parse", None)
    monkeypatch.setattr(validation, "validate", None)

    for text in texts:
        assert (await ask(schema, text)).data == {"hello": "ahoy"}


def test_the_id_of_a_request_is_found_wherever_it_may_stand() -> None:
    assert wanted_id({"documentId": "a", "extensions": {"persistedQuery": {"sha256Hash": "b"}}}) == "a"
    assert wanted_id({"extensions": {"persistedQuery": {"sha256Hash": "b"}}}) == "b"
    assert wanted_id({"documentId": None, "extensions": None}) is None
    assert wanted_id({"documentId": 5, "extensions": {"persistedQuery": [1]}}) is None
