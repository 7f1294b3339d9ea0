"""A wallet's entries as CSV, for whoever may see the wallet: `GET /exports/entries.csv`.

The file is read page by page while it is sent, each page by itself, so that a million entries need no more memory than
a thousand and no transaction is kept open for a slow reader. It holds what had been booked when it was begun: entries
come newest first, and what is booked meanwhile is newer.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode
from uuid import UUID

from graphql import GraphQLError
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from models.database import DatabaseBusy, connection
from models.history import EntryFilter, read_entries
from models.wallets import EntryView, WalletView, read_wallet
from rules.permissions import Permission
from rules.spreadsheets import csv_line
from schema.authentication import Doorkeeper, too_much
from schema.context import Context
from schema.edge.masking import ErrorCode, public_error
from schema.edge.view import RequestRefused
from schema.enums import EntryKind
from schema.filters import entry_filter
from schema.ids import global_id, read_id
from schema.scalars import read_time, show_time
from schema.tolls import EXPORT_UNITS

PATH = "/exports/entries.csv"
PAGE_ROWS = 500
PARAMETERS = (
    "organizationId",
    "kinds",
    "occurredFrom",
    "occurredUntil",
    "referenceType",
    "referenceId",
    "actor",
    "lotId",
)
COLUMNS = (
    "sequence", "entry_id", "kind", "tokens", "held_tokens", "available_before_tokens", "available_after_tokens",
    "held_after_tokens", "reference_type", "reference_id", "description", "actor", "occurred_at_utc", "recorded_at_utc",
)  # fmt: skip


def entries_csv_url(
    public_url: str,
    organization_id: UUID,
    kinds: Sequence[EntryKind] | None,
    occurred_from: datetime | None,
    occurred_until: datetime | None,
    reference_type: str | None,
    reference_id: str | None,
    actor: str | None,
    lot_id: str | None,
) -> str:
    """The address of the file; it carries no right to read it."""
    parts = [("organizationId", str(global_id("Organization", organization_id)))]
    parts += [("kinds", kind.value) for kind in kinds or ()]
    parts += [
        (name, show_time(moment))
        for name, moment in (("occurredFrom", occurred_from), ("occurredUntil", occurred_until))
        if moment is not None
    ]
    texts = {"referenceType": reference_type, "referenceId": reference_id, "actor": actor, "lotId": lot_id}
    parts += [(name, text) for name, text in texts.items() if text is not None]
    return f"{public_url}{PATH}?{urlencode(parts)}"


@dataclass(frozen=True, slots=True)
class Exports:
    """The route of the exports, behind the same door as everything else."""

    doorkeeper: Doorkeeper

    async def entries_csv(self, request: Request) -> Response:
        """The wanted entries of a wallet the caller may see; another one is not found."""
        try:
            context = await self.doorkeeper.context_of(request)
            await _pays(context, EXPORT_UNITS)
            if context.actor is None:
                return _problem(401, ErrorCode.UNAUTHENTICATED, "Sign in first.")
            wanted = wanted_from(request.query_params)
            wallet = await _wallet_to_see(context, request.query_params.get("organizationId"))
            if wallet is None:
                return _problem(404, ErrorCode.NOT_FOUND, "There is no such wallet.")
            # Whoever is being sent the file can no longer be told that it was too much, so all of it is paid for now.
            await _pays(context, EXPORT_UNITS * (wallet.entry_sequence // PAGE_ROWS))
            first = await _page(wallet.id, wanted, None)
        except RequestRefused as refused:
            return _problem(refused.status, refused.code, refused.message, refused.headers)
        except GraphQLError as bad:
            return _problem(400, ErrorCode.BAD_USER_INPUT, bad.message, field=(bad.extensions or {}).get("field"))
        except DatabaseBusy:
            return _problem(503, ErrorCode.UNAVAILABLE, "Too busy; ask again in a moment.", {"retry-after": "1"})
        return StreamingResponse(
            _lines(wallet.id, wanted, first),
            media_type="text/csv; charset=utf-8; header=present",
            headers={"content-disposition": 'attachment; filename="entries.csv"'},
        )


def wanted_from(query: QueryParams) -> EntryFilter | None:
    """The filter that an address asks for; None when no entry can match. Raises BAD_USER_INPUT."""
    for name in query:
        if name not in PARAMETERS:
            raise _bad(f"{name[:40]} is not a parameter of this export.", name[:40])
        if name != "kinds" and len(query.getlist(name)) > 1:
            raise _bad(f"{name} may be given once.", name)
    return entry_filter(
        [_kind(text) for text in query.getlist("kinds")],
        _moment(query, "occurredFrom"),
        _moment(query, "occurredUntil"),
        query.get("referenceType"),
        query.get("referenceId"),
        query.get("actor"),
        query.get("lotId"),
    )


def _kind(text: str) -> EntryKind:
    try:
        return EntryKind(text)
    except ValueError:
        raise _bad(f"kinds must be among {', '.join(EntryKind)}.", "kinds") from None


def _moment(query: QueryParams, name: str) -> datetime | None:
    if name not in query:
        return None
    try:
        return read_time(query[name])
    except GraphQLError as bad:
        raise _bad(bad.message, name) from None


async def _pays(context: Context, units: int) -> None:
    """Raises RequestRefused with 429 when the caller has too few units left."""
    unpaid = await context.product.tolls.charge(context, units)
    if unpaid is not None:
        raise too_much(unpaid)


async def _wallet_to_see(context: Context, organization_id: str | None) -> WalletView | None:
    actor = context.caller()
    if Permission.TOKENS_VIEW not in actor.permissions:
        return None
    owner = actor.organization_id if organization_id is None else read_id(organization_id, "Organization")
    if owner is None or not actor.may_see(owner):
        return None
    async with connection() as db:
        return await read_wallet(db, owner, at=context.now)


async def _page(wallet_id: UUID, wanted: EntryFilter | None, before: int | None) -> list[EntryView]:
    if wanted is None:
        return []
    async with connection() as db:
        return (await read_entries(db, [wallet_id], limit=PAGE_ROWS, before=before, wanted=wanted))[wallet_id]


async def _lines(wallet_id: UUID, wanted: EntryFilter | None, page: list[EntryView]) -> AsyncIterator[bytes]:
    yield csv_line(COLUMNS).encode()
    while page:
        yield "".join(map(line_of, page)).encode()
        page = await _page(wallet_id, wanted, page[-1].sequence) if len(page) == PAGE_ROWS else []


def line_of(entry: EntryView) -> str:
    """One entry as a record of the file; tokens as plain decimals."""
    return csv_line(
        (
            entry.sequence,
            global_id("WalletEntry", entry.id),
            entry.change_type,
            entry.change_amount,
            entry.held_change,
            entry.balance_before,
            entry.balance_after,
            entry.held_after,
            entry.reference_type,
            entry.reference_id,
            entry.description,
            entry.actor,
            entry.occurred_at,
            entry.recorded_at,
        )
    )


def _bad(message: str, field: str) -> GraphQLError:
    return public_error(message, ErrorCode.BAD_USER_INPUT, field=field)


def _problem(
    status: int, code: ErrorCode, message: str, headers: dict[str, str] | None = None, *, field: object = None
) -> Response:
    told = {"code": code.value, "message": message, **({"field": field} if field else {})}
    return JSONResponse({"error": told}, status_code=status, headers=headers)
