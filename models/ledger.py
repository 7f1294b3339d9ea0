"""The only writer of token entries.

A wallet is locked, its lots are read, rules decide, and `post` writes everything that follows in one statement: the
wallet's sums, the lots, the entries, the draws, one audit row and one event for each entry. Because the wallet's row
lock serialises its writers, an entry's sequence is gapless and the order of events is the order of entries.

It decides nothing: what to draw from which lot comes from `rules`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from models.database import Connection
from models.errors import WalletNotFound, WalletSuspended
from models.intentions import Intention
from rules.entries import EntryKind
from rules.identity import derived_id
from rules.lots import Draw, Lot, LotKind
from rules.spending import Movement, WalletState

LOCK_WALLET = """
SELECT id, organization_id, current_balance, held_tokens, entry_sequence, is_active, suspended_at, suspension_reason,
       currency, price_per_token, tax_rate, payment_terms_days, expiration_enabled, expiration_days
FROM organization_token_wallets WHERE organization_id = $1 FOR NO KEY UPDATE
"""

LOTS_WITH_TOKENS = """
SELECT id, remaining_tokens, held_tokens, unit_cost, priority, effective_at, expires_at, created_at,
       NULL AS fingerprint, NULL AS answer
FROM token_lots WHERE wallet_id = $1 AND NOT is_exhausted
"""

LOTS_AND_FIRST_ANSWER = (
    LOTS_WITH_TOKENS
    + """UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, fingerprint, answer::text
FROM idempotency_keys WHERE organization_id = $2 AND operation = $3 AND key = $4
"""
)

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
        is_exhausted = (lot.remaining_tokens - d.tokens = 0)
    FROM unnest($11::uuid[], $12::numeric[]) AS d(lot_id, tokens)
    WHERE lot.id = d.lot_id AND lot.wallet_id = $1 RETURNING lot.id
), entered AS (
    INSERT INTO token_balance_history (id, organization_id, wallet_id, sequence, change_type, change_amount,
        held_change, balance_before, balance_after, held_after, reference_type, reference_id, description, actor,
        idempotency_key, metadata, occurred_at)
    SELECT e.id, $13, $1, e.sequence, e.kind, e.change, e.held_change, e.before, e.after, e.held_after,
        e.reference_type, e.reference_id, e.description, e.actor, e.key, e.metadata::jsonb, e.occurred_at
    FROM unnest($14::uuid[], $15::bigint[], $16::text[], $17::numeric[], $18::numeric[], $19::numeric[],
        $20::numeric[], $21::numeric[], $22::text[], $23::text[], $24::text[], $25::text[], $26::text[], $27::text[],
        $28::timestamptz[])
        AS e(id, sequence, kind, change, held_change, before, after, held_after, reference_type, reference_id,
             description, actor, key, metadata, occurred_at)
), traced AS (
    INSERT INTO token_draws (entry_id, lot_id, tokens)
    SELECT d.entry_id, d.lot_id, d.tokens
    FROM unnest($29::uuid[], $30::uuid[], $31::numeric[]) AS d(entry_id, lot_id, tokens)
), audited AS (
    INSERT INTO token_audit_logs (organization_id, action, resource, resource_id, actor, request_id, details)
    SELECT $13, 'wallet.' || lower(kind), 'wallet', $1::text, actor, $34, details::jsonb
    FROM unnest($16::text[], $25::text[], $32::text[]) AS a(kind, actor, details)
), announced AS (
    INSERT INTO outbox (organization_id, topic, body)
    SELECT $13, 'wallet.changed', body::jsonb FROM unnest($33::text[]) AS o(body)
), answered AS (
    INSERT INTO idempotency_keys (organization_id, operation, key, fingerprint, answer)
    SELECT $13, a.operation, a.key, a.fingerprint, a.answer::jsonb
    FROM unnest($35::text[], $36::text[], $37::text[], $38::text[]) AS a(operation, key, fingerprint, answer)
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
class LockedWallet:
    """A wallet whose row this transaction holds, with the settings that buying needs.

    first_answer   fingerprint and answer remembered for the intention it was locked for, when there is one.
    """

    id: UUID
    organization_id: UUID
    state: WalletState
    currency: str
    price_per_token: Decimal
    tax_rate: Decimal
    payment_terms_days: int
    validity_days: int | None
    suspended_at: datetime | None
    suspension_reason: str
    first_answer: tuple[str, str] | None = None

    def refuse_when_suspended(self) -> None:
        if self.suspended_at is not None:
            raise WalletSuspended(reason=self.suspension_reason, since=self.suspended_at)


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
    """One entry to be written. `change` is signed: what available + held change by."""

    kind: EntryKind
    change: Decimal
    sequence: int
    available_before: Decimal
    available_after: Decimal
    held_after: Decimal
    draws: tuple[Draw, ...]
    actor: str
    occurred_at: datetime
    held_change: Decimal = Decimal(0)
    reference_type: str | None = None
    reference_id: str | None = None
    description: str = ""
    key: str | None = None
    metadata: str | None = None


@dataclass(frozen=True, slots=True)
class Books:
    """What one transaction writes to one wallet.

    fresh     lots that were inserted just before, at full value: their draws move nothing more.
    answers   what is to be remembered of the intentions that were decided, as JSON.
    """

    postings: tuple[Posting, ...]
    answers: tuple[tuple[Intention, str], ...] = ()
    fresh: frozenset[UUID] = field(default_factory=frozenset)
    request_id: str | None = None


async def lock_wallet(db: Connection, organization_id: UUID, *, intention: Intention | None = None) -> LockedWallet:
    """The organisation's wallet, locked until the transaction ends. Raises WalletNotFound."""
    row = await db.fetch_one(LOCK_WALLET, organization_id)
    if row is None:
        raise WalletNotFound
    # Read after the lock was given: a lot or an answer written by whoever held it before is seen.
    if intention is None:
        found = await db.fetch(LOTS_WITH_TOKENS, row["id"])
    else:
        found = await db.fetch(LOTS_AND_FIRST_ANSWER, row["id"], organization_id, intention.operation, intention.key)
    return locked_wallet_from(row, found)


def locked_wallet_from(row: Any, found: Sequence[Any]) -> LockedWallet:
    """The wallet from its row, and its lots and first answer from the rows read under its lock."""
    lots = tuple(lot_from(lot) for lot in found if lot["id"] is not None)
    answer = next(((one["fingerprint"], one["answer"]) for one in found if one["id"] is None), None)
    state = WalletState(row["current_balance"], row["held_tokens"], row["entry_sequence"], row["is_active"], lots)
    return LockedWallet(
        id=row["id"],
        organization_id=row["organization_id"],
        state=state,
        currency=row["currency"],
        price_per_token=row["price_per_token"],
        tax_rate=row["tax_rate"],
        payment_terms_days=row["payment_terms_days"],
        validity_days=row["expiration_days"] if row["expiration_enabled"] else None,
        suspended_at=row["suspended_at"],
        suspension_reason=row["suspension_reason"] or "",
        first_answer=answer,
    )


def lot_from(row: Any) -> Lot:
    return Lot(
        id=row["id"],
        remaining=row["remaining_tokens"],
        held=row["held_tokens"],
        unit_cost=row["unit_cost"],
        priority=row["priority"],
        effective_at=row["effective_at"],
        expires_at=row["expires_at"],
        created_at=row["created_at"],
    )


def outgoing(
    kind: EntryKind,
    movement: Movement,
    *,
    held: Decimal,
    actor: str,
    at: datetime,
    key: str | None = None,
    reference_type: str | None = None,
    reference_id: str | None = None,
    description: str = "",
    metadata: str | None = None,
) -> Posting:
    """The posting for tokens that leave a wallet as `rules.spending` decided."""
    return Posting(
        kind, -movement.tokens, movement.sequence, movement.available_before, movement.available_after, held,
        movement.draws, actor, at, reference_type=reference_type, reference_id=reference_id,
        description=description, key=key, metadata=metadata,
    )  # fmt: skip


def entry_id(wallet_id: UUID, sequence: int) -> UUID:
    """An entry's id follows from its place in its wallet."""
    return derived_id("entry", wallet_id, sequence)


async def insert_lot(db: Connection, wallet: LockedWallet, lot: NewLot) -> None:
    """A new lot at full value; the posting that explains it must follow in the same transaction."""
    await db.execute(
        NEW_LOT, lot.id, wallet.id, wallet.organization_id, lot.kind.value, lot.tokens, lot.unit_cost, lot.cost,
        wallet.currency, lot.priority, lot.effective_at, lot.expires_at, lot.parent_lot_id, lot.purchase_id, lot.reason,
    )  # fmt: skip


async def post(db: Connection, wallet: LockedWallet, books: Books) -> None:
    """Write the postings, which must follow each other from the wallet's state as it was locked.

    Raises LedgerBroken when a row it counted on was not there; the caller's transaction then rolls back.
    """
    if not books.postings:
        return
    taken = _taken_from_lots(books)
    result = await db.fetch_one(POST, *_arguments(wallet, books, taken))
    if result is None or result["wallets"] != 1 or result["drawn"] != len(taken):
        raise LedgerBroken(f"wallet {wallet.id}: the books moved under a held lock")


def _taken_from_lots(books: Books) -> dict[UUID, Decimal]:
    taken: dict[UUID, Decimal] = {}
    for posting in books.postings:
        for draw in posting.draws:
            if draw.lot_id not in books.fresh:
                taken[draw.lot_id] = taken.get(draw.lot_id, Decimal(0)) + draw.tokens
    return taken


def _total(books: Books, *kinds: EntryKind) -> Decimal:
    return sum((posting.change for posting in books.postings if posting.kind in kinds), Decimal(0))


def _arguments(wallet: LockedWallet, books: Books, taken: dict[UUID, Decimal]) -> list[object]:
    postings, last = books.postings, books.postings[-1]
    ids = [entry_id(wallet.id, posting.sequence) for posting in postings]
    draws = [(entry, draw) for entry, posting in zip(ids, postings, strict=True) for draw in posting.draws]
    return [
        wallet.id, last.available_after, last.held_after, last.sequence,
        _total(books, EntryKind.PURCHASE), _total(books, EntryKind.GRANT),
        -_total(books, EntryKind.SPEND, EntryKind.CAPTURE), -_total(books, EntryKind.EXPIRATION),
        -_total(books, EntryKind.REFUND), _total(books, EntryKind.ADJUSTMENT),
        list(taken), list(taken.values()), wallet.organization_id,
        ids, [p.sequence for p in postings], [p.kind.value for p in postings], [p.change for p in postings],
        [p.held_change for p in postings], [p.available_before for p in postings],
        [p.available_after for p in postings], [p.held_after for p in postings],
        [p.reference_type for p in postings], [p.reference_id for p in postings],
        [p.description for p in postings], [p.actor for p in postings], [p.key for p in postings],
        [p.metadata for p in postings], [p.occurred_at for p in postings],
        [entry for entry, _ in draws], [draw.lot_id for _, draw in draws], [draw.tokens for _, draw in draws],
        [_audit_details(p) for p in postings],
        [_event_body(wallet, entry, p) for entry, p in zip(ids, postings, strict=True)],
        books.request_id,
        [i.operation for i, _ in books.answers], [i.key for i, _ in books.answers],
        [i.fingerprint for i, _ in books.answers], [answer for _, answer in books.answers],
    ]  # fmt: skip


def _audit_details(posting: Posting) -> str:
    details = {
        "sequence": posting.sequence,
        "change": f"{posting.change:f}",
        "available_after": f"{posting.available_after:f}",
        "reference": f"{posting.reference_type}/{posting.reference_id}" if posting.reference_type else None,
    }
    return orjson.dumps(details).decode()


def _event_body(wallet: LockedWallet, entry: UUID, posting: Posting) -> str:
    body = {
        "wallet_id": str(wallet.id),
        "entry_id": str(entry),
        "sequence": posting.sequence,
        "kind": posting.kind.value,
        "change": f"{posting.change:f}",
        "available": f"{posting.available_after:f}",
        "held": f"{posting.held_after:f}",
        "currency": wallet.currency,
        "occurred_at": posting.occurred_at.isoformat(),
    }
    return orjson.dumps(body).decode()
