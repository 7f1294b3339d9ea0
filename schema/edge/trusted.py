"""Trusted documents: the operations that our frontends were built with, and no others.

A frontend's build writes every operation it holds into a manifest. The door that is given one (`TRUSTED_DOCUMENTS`)
checks each of them against the schema before it serves, so a release that would break a frontend does not start. A
request then says which document it means: by its text, by `documentId`, or by `extensions.persistedQuery.sha256Hash`.

    graphql-codegen   {"<id>": "<text>", …}                                          its `persistedDocuments`
    Apollo            {"format": "apollo-persisted-query-manifest", "operations": [{"id": …, "body": …}, …]}

An id is the SHA-256 of the text, with or without `sha256:` before it, or whatever other name the build has given.
Nothing is learned from requests: whoever writes the manifest decides what can run. Who may run it, `permissions` says.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import orjson

from schema.edge.masking import ErrorCode, public_error

APOLLO_FORMAT = "apollo-persisted-query-manifest"
PREFIX = "sha256:"
SHA256 = re.compile(r"[0-9a-f]{64}")
ID_LENGTH_MAX = 128


class ManifestRefused(Exception):
    """A manifest that cannot be served; the text says which document of it is wrong, and how."""


class TrustedDocuments:
    """The texts of a manifest by their ids, the ids without their prefix.

    is_enforced  other documents are refused; otherwise the ids work, and so does everything else.
    """

    def __init__(self, texts: Mapping[str, str] | None = None, *, is_enforced: bool = False) -> None:
        self.is_enforced = is_enforced
        self._by_id = dict(texts or {})
        self._texts = frozenset(self._by_id.values())

    def documents(self) -> Iterator[tuple[str, str]]:
        """Every id and its text."""
        yield from self._by_id.items()

    def admitted(self, text: str | None, wanted: str | None) -> str | None:
        """The text to run for a request with this text, or this id, or both; None when it has neither.

        An id of the manifest decides, whatever text comes with it: a build writes its documents into the manifest more
        neatly than into the program. Raises PERSISTED_QUERY_NOT_FOUND, UNTRUSTED_DOCUMENT.
        """
        known = None if wanted is None else self._by_id.get(wanted.removeprefix(PREFIX))
        if known is not None:
            return known
        if not text and wanted is not None:
            # Apollo's clients look for these very words, and send the text instead.
            raise public_error("PersistedQueryNotFound", ErrorCode.PERSISTED_QUERY_NOT_FOUND)
        if self.is_enforced and text and text not in self._texts:
            raise public_error("Only documents of the manifest may be run.", ErrorCode.UNTRUSTED_DOCUMENT)
        return text


def wanted_id(request: Mapping[str, object]) -> str | None:
    """The id of the document a request asks for, from its `documentId` or the extension of Apollo's clients."""
    named = request.get("documentId")
    if isinstance(named, str):
        return named
    extensions = request.get("extensions")
    persisted = extensions.get("persistedQuery") if isinstance(extensions, dict) else None
    digest = persisted.get("sha256Hash") if isinstance(persisted, dict) else None
    return digest if isinstance(digest, str) else None


def read_manifest(path: Path) -> dict[str, str]:
    """The texts of a manifest file by their ids. Raises ManifestRefused."""
    try:
        content = orjson.loads(path.read_bytes())
    except OSError as error:
        raise ManifestRefused(f"{path} cannot be read: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise ManifestRefused(f"{path} is not JSON: {error}") from error
    found = _apollo(content) if isinstance(content, dict) and "format" in content else content
    if not isinstance(found, dict) or not found:
        raise ManifestRefused(f"{path} is not a manifest: it has no documents by their ids")
    return {_id(path, name, text): text for name, text in found.items()}


def _apollo(content: Mapping[str, object]) -> object:
    operations = content.get("operations")
    if content["format"] != APOLLO_FORMAT or not isinstance(operations, list):
        return None
    return {one.get("id"): one.get("body") for one in operations if isinstance(one, dict)}


def _id(path: Path, name: object, text: object) -> str:
    if not isinstance(name, str) or not isinstance(text, str) or not 0 < len(name) <= ID_LENGTH_MAX:
        raise ManifestRefused(f"{path}: the document {str(name)[:ID_LENGTH_MAX]!r} has no text or no proper id")
    bare = name.removeprefix(PREFIX)
    is_hash = name.startswith(PREFIX) or SHA256.fullmatch(bare) is not None
    if is_hash and hashlib.sha256(text.encode()).hexdigest() != bare:
        raise ManifestRefused(f"{path}: {name} is not the SHA-256 of its document")
    return bare
