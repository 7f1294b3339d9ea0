"""Reading wallets: what is available now, and single entries and draws. Lists are `models.history` and `models.lots`.

An expired lot stops counting when its time comes, whether or not its expiry has been booked: the available tokens
read here leave it out, while the sums on the wallet's row still hold it until the next writer books it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from models import audit
from models.actors import SCRIP_ITSELF
from models.database import Connection, transaction
from models.errors import WalletNotFound
from rules.identity import derived_id

# Expired lots and overdue holds count as over, whether or not that has been booked: tokens of an overdue hold are free
# again, unless their lot has expired as well.
WALLET_COLUMNS = """
SELECT w.id, w.organization_id, w.currency, w.price_per_token, w.tax_rate, w.payment_terms_days,
       CASE WHEN w.expiration_enabled THEN w.expiration_days END AS validity_days,
       w.current_balance - coalesce(gone.tokens, 0) + coalesce(back.tokens, 0) AS available,
       w.held_tokens - coalesce(back.tokens, 0) - coalesce(back.lost, 0) AS held,
       w.total_purchased, w.total_granted, w.total_consumed,
       w.total_expired + coalesce(gone.tokens, 0) + coalesce(back.lost, 0) AS total_expired,
       w.total_refunded, w.total_adjusted, w.entry_sequence, w.is_active, w.suspended_at, w.suspension_reason,
       w.created_at
FROM organization_token_wallets w
LEFT JOIN LATERAL (
    SELECT sum(remaining_tokens - held_tokens) AS tokens FROM token_lots
    WHERE wallet_id = w.id AND NOT is_exhausted AND expires_at <= $2
) gone ON true
LEFT JOIN LATERAL (
    SELECT sum(part.tokens) FILTER (WHERE lot.expires_at IS NULL OR lot.expires_at > $2) AS tokens,
           sum(part.tokens) FILTER (WHERE lot.expires_at <= $2) AS lost
    FROM token_holds h JOIN token_hold_lots part ON part.hold_id = h.id JOIN token_lots lot ON lot.id = part.lot_id
    WHERE w.held_tokens > 0 AND h.wallet_id = w.id AND h.status = 'HELD' AND h.expires_at <= $2
) back ON true
"""
WALLET = WALLET_COLUMNS + "WHERE w.organization_id = $1"

ENTRY_COLUMNS = """
SELECT e.id, e.wallet_id, e.sequence, e.change_type, e.change_amount, e.held_change, e.balance_before, e.balance_after,
       e.held_after, e.reference_type, e.reference_id, e.description, e.actor, e.idempotency_key, e.occurred_at,
       e.timestamp AS recorded_at
"""

DRAWS = """
SELECT d.entry_id, d.lot_id, d.tokens, lot.kind FROM token_draws d JOIN token_lots lot ON lot.id = d.lot_id
WHERE d.entry_id = ANY ($1) ORDER BY d.id
"""

# Two first readers may meet at the primary key as well as at the organization: whichever it is, there is a wallet.
CREATE = """
INSERT INTO organization_token_wallets
    (id, organization_id, currency, price_per_token, tax_rate, payment_terms_days, expiration_enabled, expiration_days)
SELECT $1, o.id, $3, $4, $5, $6, $7, $8 FROM organizations o WHERE o.id = $2
ON CONFLICT DO NOTHING RETURNING id
"""


@dataclass(frozen=True, slots=True)
class WalletDefaults:
    """What a new wallet begins with, from the settings: price per token, tax rate 0 … 1, terms and validity in days."""

    currency: str
    price_per_token: Decimal
    tax_rate: Decimal
    payment_terms_days: int
    expiration_enabled: bool
    expiration_days: int


@dataclass(frozen=True, slots=True)
class WalletView:
    """A wallet at an instant; tokens as decimals, `available` without anything that has expired."""

    id: UUID
    organization_id: UUID
    currency: str
    price_per_token: Decimal
    tax_rate: Decimal
    payment_terms_days: int
    validity_days: int | None
    available: Decimal
    held: Decimal
    total_purchased: Decimal
    total_granted: Decimal
    total_consumed: Decimal
    total_expired: Decimal
    total_refunded: Decimal
    total_adjusted: Decimal
    entry_sequence: int
    is_active: bool
    suspended_at: datetime | None
    suspension_reason: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class EntryView:
    """One entry of a wallet's history."""

    id: UUID
    wallet_id: UUID
    sequence: int
    change_type: str
    change_amount: Decimal
    held_change: Decimal
    balance_before: Decimal
    balance_after: Decimal
    held_after: Decimal
    reference_type: str | None
    reference_id: str | None
    description: str
    actor: str
    idempotency_key: str | None
    occurred_at: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class DrawView:
    """How many tokens an entry took from a lot (positive) or put into it (negative)."""

    entry_id: UUID
    lot_id: UUID
    tokens: Decimal
    kind: str


def wallet_id_of(organization_id: UUID) -> UUID:
    return derived_id("wallet", organization_id)


async def read_wallet(db: Connection, organization_id: UUID, *, at: datetime) -> WalletView | None:
    """The organization's wallet as it counts at an instant, or None when it never needed one."""
    row = await db.fetch_one(WALLET, organization_id, at)
    return None if row is None else WalletView(**dict(row))


async def wallets_by_id(db: Connection, wallet_ids: Sequence[UUID], *, at: datetime) -> dict[UUID, WalletView]:
    """Wallets as they count at an instant, by their ids; what does not exist is left out."""
    rows = await db.fetch(WALLET_COLUMNS + "WHERE w.id = ANY ($1)", list(wallet_ids), at)
    return {row["id"]: WalletView(**dict(row)) for row in rows}


async def ensure_wallet(organization_id: UUID, defaults: WalletDefaults) -> None:
    """The organization has a wallet; two first readers at once make one. Raises WalletNotFound, when
    there is no such organization."""
    async with transaction() as db:
        wallet_id = wallet_id_of(organization_id)
        made = await db.fetch_one(
            CREATE,
            wallet_id,
            organization_id,
            defaults.currency,
            defaults.price_per_token,
            defaults.tax_rate,
            defaults.payment_terms_days,
            defaults.expiration_enabled,
            defaults.expiration_days,
        )
        if made is not None:
            await audit.record(
                db,
                organization_id,
                action="wallet.created",
                resource="wallet",
                resource_id=wallet_id,
                actor=SCRIP_ITSELF,
            )
            return
        known = await db.fetch_one("SELECT 1 AS here FROM organizations WHERE id = $1", organization_id)
        if known is None:
            raise WalletNotFound


async def entries_by_id(db: Connection, entry_ids: Sequence[UUID]) -> dict[UUID, EntryView]:
    """Entries by their ids; what does not exist is left out."""
    rows = await db.fetch(ENTRY_COLUMNS + "FROM token_balance_history e WHERE e.id = ANY ($1)", list(entry_ids))
    return {row["id"]: EntryView(*row.values()) for row in rows}


async def read_draws(db: Connection, entry_ids: Sequence[UUID]) -> dict[UUID, list[DrawView]]:
    """The draws of many entries in one statement, by entry."""
    found: dict[UUID, list[DrawView]] = {entry_id: [] for entry_id in entry_ids}
    rows: list[Any] = await db.fetch(DRAWS, list(entry_ids))
    for row in rows:
        found[row["entry_id"]].append(DrawView(*row.values()))
    return found
