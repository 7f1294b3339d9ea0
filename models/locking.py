"""A wallet under lock: its row, its lots, and whatever else has to be known before anything is decided about it.

The row's lock makes the wallet's writers take turns. Everything else is read after the lock was given, so that what
the one before wrote is seen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from models.database import Connection
from models.errors import WalletNotFound, WalletSuspended
from models.intentions import FirstAnswer, Intention
from rules.holding import Hold, HoldStatus, Purpose
from rules.lots import Draw, Lot
from rules.sheet import WalletState

LOCK_WALLET = """
SELECT id, organization_id, current_balance, held_tokens, entry_sequence, is_active, suspended_at, suspension_reason,
       currency, price_per_token, tax_rate, payment_terms_days, expiration_enabled, expiration_days, has_budgets
FROM organization_token_wallets WHERE organization_id = $1 FOR NO KEY UPDATE
"""

LOTS_WITH_TOKENS = """
SELECT id, remaining_tokens, held_tokens, unit_cost, priority, effective_at, expires_at, created_at,
       NULL AS operation, NULL AS key, NULL AS fingerprint, NULL AS answer
FROM token_lots WHERE wallet_id = $1 AND NOT is_exhausted
"""

LOTS_AND_FIRST_ANSWERS = (
    LOTS_WITH_TOKENS
    + """UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, operation, key, fingerprint, answer::text
FROM idempotency_keys WHERE organization_id = $2 AND operation = ANY ($3) AND key = ANY ($4)
"""
)

# Overdue holds by their index, the ones that were asked for by their ids.
HOLDS = """
SELECT h.id, h.tokens, h.status, h.actor, h.held_at, h.expires_at, h.captured_tokens, h.resolved_at,
       h.reference_type, h.reference_id, h.description, part.lot_id, part.tokens AS part_tokens
FROM token_holds h JOIN token_hold_lots part ON part.hold_id = h.id
WHERE h.wallet_id = $1 AND h.id IN (
    SELECT id FROM token_holds WHERE wallet_id = $1 AND status = 'HELD' AND expires_at <= $2
    UNION SELECT unnest($3::uuid[]))
ORDER BY h.id, part.id
"""


@dataclass(frozen=True, slots=True)
class LockedWallet:
    """A wallet whose row this transaction holds, with the settings that buying needs.

    first_answers   what is remembered of the intentions it was locked for, by operation and key.
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
    has_budgets: bool
    first_answers: Mapping[tuple[str, str], FirstAnswer] = field(default_factory=dict)

    def first_answer_to(self, intention: Intention) -> FirstAnswer | None:
        return self.first_answers.get((intention.operation, intention.key))

    def refuse_when_suspended(self) -> None:
        """Raises WalletSuspended."""
        if self.suspended_at is not None:
            raise WalletSuspended(reason=self.suspension_reason, since=self.suspended_at)


async def lock_wallet(
    db: Connection,
    organization_id: UUID,
    *,
    at: datetime,
    intentions: Sequence[Intention] = (),
    hold_ids: Sequence[UUID] = (),
) -> LockedWallet:
    """The organization's wallet, locked until the transaction ends, with its overdue holds and the named ones.

    Raises WalletNotFound.
    """
    row = await db.fetch_one(LOCK_WALLET, organization_id)
    if row is None:
        raise WalletNotFound
    if intentions:
        operations = list({intention.operation for intention in intentions})
        keys = [intention.key for intention in intentions]
        found = await db.fetch(LOTS_AND_FIRST_ANSWERS, row["id"], organization_id, operations, keys)
    else:
        found = await db.fetch(LOTS_WITH_TOKENS, row["id"])
    holds: tuple[Hold, ...] = ()
    if hold_ids or row["held_tokens"] > 0:
        holds = holds_from(await db.fetch(HOLDS, row["id"], at, list(hold_ids)))
    return locked_wallet_from(row, found, holds)


def locked_wallet_from(row: Any, found: Sequence[Any], holds: tuple[Hold, ...] = ()) -> LockedWallet:
    """The wallet from its row, and its lots and first answers from the rows read under its lock."""
    lots = tuple(lot_from(lot) for lot in found if lot["id"] is not None)
    answers = {
        (one["operation"], one["key"]): FirstAnswer(one["fingerprint"], one["answer"])
        for one in found
        if one["id"] is None
    }
    state = WalletState(
        row["current_balance"], row["held_tokens"], row["entry_sequence"], row["is_active"], lots, holds
    )  # fmt: skip
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
        has_budgets=row["has_budgets"],
        first_answers=answers,
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


def holds_from(rows: Sequence[Any]) -> tuple[Hold, ...]:
    """Holds from their rows, one row for each lot they reserve tokens in, in the order in which they were reserved."""
    first: dict[UUID, Any] = {}
    parts: dict[UUID, list[Draw]] = {}
    for row in rows:
        first.setdefault(row["id"], row)
        parts.setdefault(row["id"], []).append(Draw(row["lot_id"], row["part_tokens"]))
    return tuple(
        Hold(
            id=key,
            tokens=row["tokens"],
            status=HoldStatus(row["status"]),
            actor=row["actor"],
            held_at=row["held_at"],
            expires_at=row["expires_at"],
            parts=tuple(parts[key]),
            captured=row["captured_tokens"],
            resolved_at=row["resolved_at"],
            purpose=Purpose(row["reference_type"], row["reference_id"], row["description"]),
        )
        for key, row in first.items()
    )
