"""The only writer of token entries.

A wallet is locked (`models.locking`), rules decide, and `post` writes everything that follows in one statement: the
wallet's sums, the lots, the entries, the draws, one audit row and one event for each entry. Because the wallet's row
lock serialises its writers, an entry's sequence is gapless and the order of events is the order of entries.

It decides nothing: what to draw from which lot comes from `rules`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import orjson

from models.actors import SCRIP_ITSELF
from models.database import Connection
from models.intentions import Intention, remember_all
from models.locking import LockedWallet
from models.outcomes import entry_id
from rules.entries import EntryKind
from rules.lots import LotKind
from rules.sheet import Movement

ZERO = Decimal(0)

POST = """
WITH wallet AS (
    UPDATE organization_token_wallets SET
        current_balance = $2, held_tokens = $3, entry_sequence = $4, updated_at = now(),
        total_purchased = total_purchased + $5, total_granted = total_granted + $6,
        total_consumed = total_consumed + $7, total_expired = total_expired + $8,
        total_refunded = total_refunded + $9, total_adjusted = total_adjusted + $10
    WHERE id = $1 RETURNING id
), drawn AS (
    UPDATE token_lots lot SET
        remaining_tokens = lot.remaining_tokens - d.tokens,
        held_tokens = lot.held_tokens + d.held,
        is_exhausted = (lot.remaining_tokens - d.tokens = 0)
    FROM unnest($11::uuid[], $12::numeric[], $13::numeric[]) AS d(lot_id, tokens, held)
    WHERE lot.id = d.lot_id AND lot.wallet_id = $1 RETURNING lot.id
), entered AS (
    INSERT INTO token_balance_history (id, organization_id, wallet_id, sequence, change_type, change_amount,
        held_change, balance_before, balance_after, held_after, reference_type, reference_id, description, actor,
        idempotency_key, metadata, occurred_at)
    SELECT e.id, $14, $1, e.sequence, e.kind, e.change, e.held_change, e.before, e.after, e.held_after,
        e.reference_type, e.reference_id, e.description, e.actor, e.key, e.metadata::jsonb, e.occurred_at
    FROM unnest($15::uuid[], $16::bigint[], $17::text[], $18::numeric[], $19::numeric[], $20::numeric[],
        $21::numeric[], $22::numeric[], $23::text[], $24::text[], $25::text[], $26::text[], $27::text[], $28::text[],
        $29::timestamptz[])
        AS e(id, sequence, kind, change, held_change, before, after, held_after, reference_type, reference_id,
             description, actor, key, metadata, occurred_at)
), traced AS (
    INSERT INTO token_draws (entry_id, lot_id, tokens)
    SELECT d.entry_id, d.lot_id, d.tokens
    FROM unnest($30::uuid[], $31::uuid[], $32::numeric[]) AS d(entry_id, lot_id, tokens)
), audited AS (
    INSERT INTO token_audit_logs (organization_id, action, resource, resource_id, actor, request_id, details)
    SELECT $14, 'wallet.' || lower(kind), 'wallet', $1::text, actor, request_id, details::jsonb
    FROM unnest($17::text[], $26::text[], $33::text[], $35::text[]) AS a(kind, actor, details, request_id)
), announced AS (
    INSERT INTO outbox (organization_id, topic, body)
    SELECT $14, 'wallet.changed', body::jsonb FROM unnest($34::text[]) AS o(body)
), answered AS (
    INSERT INTO idempotency_keys (organization_id, operation, key, fingerprint, answer)
    SELECT $14, a.operation, a.key, a.fingerprint, a.answer::jsonb
    FROM unnest($36::text[], $37::text[], $38::text[], $39::text[]) AS a(operation, key, fingerprint, answer)
)
SELECT (SELECT count(*) FROM drawn) AS drawn, (SELECT count(*) FROM wallet) AS wallets
"""

NEW_LOT = """
INSERT INTO token_lots (id, wallet_id, organization_id, kind, granted_tokens, remaining_tokens, unit_cost, cost,
    currency, priority, effective_at, expires_at, parent_lot_id, purchase_id, reason)
VALUES ($1, $2, $3, $4, $5, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
"""


class LedgerBroken(Exception):
    """A posting did not meet the rows it was decided on. The transaction must not commit."""


@dataclass(frozen=True, slots=True)
class NewLot:
    """A lot to be put into a wallet; tokens > 0, cost is what was paid for all of it before tax."""

    id: UUID
    kind: LotKind
    tokens: Decimal
    unit_cost: Decimal
    cost: Decimal
    effective_at: datetime
    expires_at: datetime | None
    priority: int = 50
    parent_lot_id: UUID | None = None
    purchase_id: UUID | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Posting:
    """One entry to be written: what `rules` decided, and who did it for what reason."""

    movement: Movement
    actor: str
    reference_type: str | None = None
    reference_id: str | None = None
    description: str = ""
    key: str | None = None
    metadata: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class Books:
    """What one transaction writes to one wallet.

    fresh     lots that were inserted just before, at full value: their draws move nothing more.
    answers   what is to be remembered of the intentions that were decided, as JSON.
    """

    postings: tuple[Posting, ...]
    answers: tuple[tuple[Intention, str], ...] = ()
    fresh: frozenset[UUID] = field(default_factory=frozenset)


def settled_postings(movements: Sequence[Movement]) -> tuple[Posting, ...]:
    """The entries for what was over before anybody asked: expired lots, and holds that nobody resolved in time."""
    return tuple(
        Posting(
            movement,
            SCRIP_ITSELF,
            reference_type="lot" if movement.change else "hold",
            reference_id=str(movement.about),
        )
        for movement in movements
    )


async def insert_lot(db: Connection, wallet: LockedWallet, lot: NewLot) -> None:
    """A new lot at full value; the posting that explains it must follow in the same transaction."""
    await db.execute(
        NEW_LOT, lot.id, wallet.id, wallet.organization_id, lot.kind.value, lot.tokens, lot.unit_cost, lot.cost,
        wallet.currency, lot.priority, lot.effective_at, lot.expires_at, lot.parent_lot_id, lot.purchase_id, lot.reason,
    )  # fmt: skip


async def post(db: Connection, wallet: LockedWallet, books: Books) -> None:
    """Write the postings, which must follow each other from the wallet's state as it was locked, and the answers.

    Raises LedgerBroken when a row it counted on was not there; the caller's transaction then rolls back.
    """
    if not books.postings:
        await remember_all(db, wallet.organization_id, books.answers)
        return
    changes = _changes_of_lots(books)
    result = await db.fetch_one(POST, *_arguments(wallet, books, changes))
    if result is None or result["wallets"] != 1 or result["drawn"] != len(changes):
        raise LedgerBroken(f"wallet {wallet.id}: the books moved under a held lock")


def _changes_of_lots(books: Books) -> dict[UUID, tuple[Decimal, Decimal]]:
    """How many tokens leave each lot, and how many become held in it."""
    changes: dict[UUID, tuple[Decimal, Decimal]] = {}
    for posting in books.postings:
        for draw in posting.movement.draws:
            if draw.lot_id not in books.fresh:
                taken, held = changes.get(draw.lot_id, (ZERO, ZERO))
                changes[draw.lot_id] = (taken + draw.tokens, held)
        for draw in posting.movement.reserved:
            taken, held = changes.get(draw.lot_id, (ZERO, ZERO))
            changes[draw.lot_id] = (taken, held + draw.tokens)
    return changes


def _total(books: Books, *kinds: EntryKind) -> Decimal:
    return sum((posting.movement.change for posting in books.postings if posting.movement.kind in kinds), ZERO)


def _arguments(wallet: LockedWallet, books: Books, changes: dict[UUID, tuple[Decimal, Decimal]]) -> list[object]:
    postings, moves = books.postings, [posting.movement for posting in books.postings]
    ids = [entry_id(wallet.id, move.sequence) for move in moves]
    draws = [(entry, draw) for entry, move in zip(ids, moves, strict=True) for draw in move.draws]
    return [
        wallet.id, moves[-1].available_after, moves[-1].held_after, moves[-1].sequence,
        _total(books, EntryKind.PURCHASE), _total(books, EntryKind.GRANT),
        -_total(books, EntryKind.SPEND, EntryKind.CAPTURE), -_total(books, EntryKind.EXPIRATION),
        -_total(books, EntryKind.REFUND), _total(books, EntryKind.ADJUSTMENT),
        list(changes), [taken for taken, _ in changes.values()], [held for _, held in changes.values()],
        wallet.organization_id,
        ids, [m.sequence for m in moves], [m.kind.value for m in moves], [m.change for m in moves],
        [m.held_change for m in moves], [m.available_before for m in moves], [m.available_after for m in moves],
        [m.held_after for m in moves],
        [p.reference_type for p in postings], [p.reference_id for p in postings],
        [p.description for p in postings], [p.actor for p in postings], [p.key for p in postings],
        [p.metadata for p in postings], [m.occurred_at for m in moves],
        [entry for entry, _ in draws], [draw.lot_id for _, draw in draws], [draw.tokens for _, draw in draws],
        [_audit_details(p) for p in postings],
        [_event_body(wallet, entry, move) for entry, move in zip(ids, moves, strict=True)],
        [p.request_id for p in postings],
        [i.operation for i, _ in books.answers], [i.key for i, _ in books.answers],
        [i.fingerprint for i, _ in books.answers], [answer for _, answer in books.answers],
    ]  # fmt: skip


def _audit_details(posting: Posting) -> str:
    move = posting.movement
    details = {
        "sequence": move.sequence,
        "change": f"{move.change:f}",
        "available_after": f"{move.available_after:f}",
        "reference": f"{posting.reference_type}/{posting.reference_id}" if posting.reference_type else None,
    }
    return orjson.dumps(details).decode()


def _event_body(wallet: LockedWallet, entry: UUID, move: Movement) -> str:
    body = {
        "wallet_id": str(wallet.id),
        "entry_id": str(entry),
        "sequence": move.sequence,
        "kind": move.kind.value,
        "change": f"{move.change:f}",
        "available": f"{move.available_after:f}",
        "held": f"{move.held_after:f}",
        "currency": wallet.currency,
        "occurred_at": move.occurred_at.isoformat(),
    }
    return orjson.dumps(body).decode()
