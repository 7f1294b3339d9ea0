"""What a caller learns when something goes wrong: a code for every error, and nothing about our insides.

An error is public when it carries `extensions.code`, or when graphql-core made it about the request itself (syntax,
validation, variables). Everything else is a fault: the caller reads "Unexpected error." with a reference, and the log
holds one line with that reference and the traceback. The log never holds the document or the variables, which are the
caller's to fill: whoever can write a request must not be able to write our log.

It does not turn refusals of the domain into errors; those are members of the result unions.
"""

import secrets
import traceback
from collections.abc import Iterator, Sequence
from enum import StrEnum

import structlog
from graphql import GraphQLError, GraphQLSyntaxError
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from models.database import DatabaseBusy

FAULT_MESSAGE = "Unexpected error."
CHAIN_LENGTH_MAX = 8
FRAMES_MAX = 30
TEXT_LENGTH_MAX = 500
PATH_LENGTH_MAX = 10

REQUEST_ERRORS = (GraphQLError, MissingQueryError, CannotGetOperationTypeError, InvalidOperationTypeError)

BUSY_MESSAGE = "Too busy right now; nothing has happened. Try again in a moment."
BUSY_SECONDS = 1

log = structlog.get_logger(__name__)


class ErrorCode(StrEnum):
    """The values of `extensions.code` that any operation may answer with."""

    PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
    VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
    QUERY_TOO_COMPLEX = "QUERY_TOO_COMPLEX"
    UNTRUSTED_DOCUMENT = "UNTRUSTED_DOCUMENT"
    PERSISTED_QUERY_NOT_FOUND = "PERSISTED_QUERY_NOT_FOUND"
    BAD_REQUEST = "BAD_REQUEST"
    BAD_USER_INPUT = "BAD_USER_INPUT"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    TOO_MANY_SUBSCRIPTIONS = "TOO_MANY_SUBSCRIPTIONS"
    RATE_LIMITED = "RATE_LIMITED"
    REQUEST_TOO_LARGE = "REQUEST_TOO_LARGE"
    TIMEOUT = "TIMEOUT"
    UNAVAILABLE = "UNAVAILABLE"
    NOT_FOUND = "NOT_FOUND"
    CURSOR_UNKNOWN = "CURSOR_UNKNOWN"
    INTERNAL = "INTERNAL"


def public_error(message: str, code: ErrorCode | str, **fields: object) -> GraphQLError:
    """An error the caller may read as it stands; `fields` join the code in `extensions`."""
    return GraphQLError(message, extensions={"code": str(code), **fields})


def mask_faults(errors: Sequence[GraphQLError]) -> list[GraphQLError]:
    """The same errors in the same order, as the caller may see them; the faults among them are logged, as one line."""
    errors = [_busy(error) for error in errors]
    faults = [_is_fault(error) for error in errors]
    reference = ""
    if any(faults):
        first = errors[faults.index(True)]
        reference = record_fault(first.original_error or first, path=first.path, faults=sum(faults))
    return [
        _masked(error, reference) if is_fault else _coded(error) for error, is_fault in zip(errors, faults, strict=True)
    ]


def record_fault(fault: BaseException, *, path: Sequence[str | int] | None = None, faults: int = 1) -> str:
    """Write the one log line of a fault and return the reference that finds it again."""
    reference = secrets.token_hex(8)
    log.error(
        "fault",
        reference=reference,
        error=type(fault).__qualname__,
        faults=faults,
        path=".".join(str(step)[:64] for step in (path or ())[:PATH_LENGTH_MAX]),
        traceback=_traceback(fault),
    )
    return reference


def _busy(error: GraphQLError) -> GraphQLError:
    """A database that is too busy is no fault of ours and no secret: the caller may come again."""
    if not isinstance(error.original_error, DatabaseBusy):
        return error
    return GraphQLError(
        BUSY_MESSAGE,
        nodes=error.nodes,
        path=error.path,
        extensions={"code": str(ErrorCode.UNAVAILABLE), "retryAfter": BUSY_SECONDS},
    )


def _code_of(error: GraphQLError) -> str | None:
    code = (error.extensions or {}).get("code")
    return code if isinstance(code, str) else None


def _is_fault(error: GraphQLError) -> bool:
    if _code_of(error) is not None:
        return False
    cause = error.original_error
    if error.path is None:
        return cause is not None and not isinstance(cause, REQUEST_ERRORS)
    # While executing, graphql-core itself blames the caller for one thing only: an argument that turned out null.
    return not (isinstance(cause, GraphQLError) and cause.message.startswith("Argument "))


def _masked(error: GraphQLError, reference: str) -> GraphQLError:
    extensions = {"code": str(ErrorCode.INTERNAL), "reference": reference}
    return GraphQLError(FAULT_MESSAGE, nodes=error.nodes, path=error.path, extensions=extensions)


def _coded(error: GraphQLError) -> GraphQLError:
    """The error with a code. A new one, because errors of cached documents are shared between requests."""
    if _code_of(error) is not None:
        return error
    code = ErrorCode.BAD_USER_INPUT
    if isinstance(error, GraphQLSyntaxError):
        too_long = error.message.endswith("tokens. Parsing aborted.")
        code = ErrorCode.QUERY_TOO_COMPLEX if too_long else ErrorCode.PARSE_FAILED
    elif error.path is None and error.original_error and not isinstance(error.original_error, GraphQLError):
        code = ErrorCode.BAD_REQUEST
    return GraphQLError(
        error.message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions={**(error.extensions or {}), "code": str(code)},
    )


def _traceback(fault: BaseException) -> str:
    """The chain of causes, newest first. Written here, because printing a GraphQLError prints the document."""
    parts = []
    for exception, _ in zip(_chain(fault), range(CHAIN_LENGTH_MAX), strict=False):
        message = exception.message if isinstance(exception, GraphQLError) else str(exception)
        frames = traceback.format_tb(exception.__traceback__, limit=-FRAMES_MAX)
        parts.append("".join(frames) + f"{type(exception).__qualname__}: {message[:TEXT_LENGTH_MAX]}")
    return "\ncaused by:\n".join(parts)


def _chain(fault: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = fault
    while link is not None:
        yield link
        if isinstance(link, BaseExceptionGroup):
            for member in link.exceptions:
                yield from _chain(member)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
