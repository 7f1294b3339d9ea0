"""Quotes that hold: a price kept for an organization for 15 minutes, to be bought at once.

What a quote says is what is bought, whatever has happened to the package, the tiers, the wallet's price, its tax rate
or the coupon's time meanwhile. It holds a price and nothing else: a coupon that others have used up before the purchase
is placed is refused then. Whoever places a purchase holds the quote's row, and a constraint lets one purchase have it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from models import audit
from models.database import Connection, transaction
from models.errors import QuoteExpired, QuoteNotFound, QuoteUsed
from models.quotes import Quote, Wish, quote
from models.redemptions import AppliedCoupon
from rules.pricing import Price

HOLDS = timedelta(minutes=15)

COLUMNS = """
SELECT q.id, q.organization_id, q.quoted_at, q.expires_at, q.used_at, q.wallet_id, q.package_id, q.description,
       q.token_quantity, q.price_per_token, q.subtotal, q.tax_rate, q.tax_amount, q.total_amount, q.discount_amount,
       q.bonus_tokens, q.currency, q.validity_days, q.coupon_id, q.coupon_bonus_tokens,
       (SELECT c.code FROM coupons c WHERE c.id = q.coupon_id) AS coupon_code
FROM price_quotes q
"""

KEEP = """
INSERT INTO price_quotes (id, organization_id, wallet_id, package_id, coupon_id, description, token_quantity,
    bonus_tokens, coupon_bonus_tokens, price_per_token, subtotal, discount_amount, tax_rate, tax_amount, total_amount,
    currency, validity_days, quoted_by, quoted_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
"""


@dataclass(frozen=True, slots=True)
class HeldQuote:
    """A quote and until when it holds, that instant excluded."""

    id: UUID
    organization_id: UUID
    quoted_at: datetime
    expires_at: datetime
    used_at: datetime | None
    quote: Quote


@dataclass(frozen=True, slots=True)
class QuoteOrder:
    """A price that somebody wants to have held; `id` is the caller's."""

    id: UUID
    organization_id: UUID
    wish: Wish
    actor: str
    request_id: str | None = None


async def hold_quote(order: QuoteOrder, *, at: datetime) -> HeldQuote:
    """The price at an instant holds for 15 minutes from then. Raises the refusals of `models.quotes.quote`."""
    async with transaction() as db:
        offered = await quote(db, order.organization_id, order.wish, at=at)
        await _insert(db, order, offered, at)
        await audit.record(
            db,
            order.organization_id,
            action="quote.created",
            resource="quote",
            resource_id=order.id,
            actor=order.actor,
            details={"total": f"{offered.price.total:f}", "currency": offered.currency},
            request_id=order.request_id,
        )
    return HeldQuote(order.id, order.organization_id, at, at + HOLDS, None, offered)


async def _insert(db: Connection, order: QuoteOrder, offered: Quote, at: datetime) -> None:
    price, coupon = offered.price, offered.coupon
    await db.execute(
        KEEP, order.id, order.organization_id, offered.wallet_id, offered.package_id,
        None if coupon is None else coupon.id, offered.description, price.tokens, offered.bonus_tokens,
        Decimal(0) if coupon is None else coupon.bonus_tokens, price.unit_price, price.subtotal, price.discount,
        price.tax_rate, price.tax, price.total, offered.currency, offered.validity_days, order.actor, at, at + HOLDS,
    )  # fmt: skip


async def take_quote(db: Connection, organization_id: UUID, quote_id: UUID, *, at: datetime) -> Quote:
    """The quote, good to be bought at `at`, its row locked until the transaction ends; `mark_used` must follow.

    Raises QuoteNotFound, for another organization's too, QuoteUsed, QuoteExpired.
    """
    # The second of two buyers waits here, and then sees that the quote was used.
    row = await db.fetch_one(
        COLUMNS + "WHERE q.id = $1 AND q.organization_id = $2 FOR NO KEY UPDATE OF q", quote_id, organization_id
    )
    if row is None:
        raise QuoteNotFound
    held = _view(row)
    if held.used_at is not None:
        raise QuoteUsed(used_at=held.used_at)
    if held.expires_at <= at:
        raise QuoteExpired(expired_at=held.expires_at)
    return held.quote


async def mark_used(db: Connection, quote_id: UUID, *, at: datetime) -> None:
    """The taken quote is used up."""
    await db.execute("UPDATE price_quotes SET used_at = $2 WHERE id = $1", quote_id, at)


async def quotes_by_id(db: Connection, quote_ids: Sequence[UUID]) -> dict[UUID, HeldQuote]:
    """Quotes by their ids, whosever they are; what does not exist is left out."""
    rows = await db.fetch(COLUMNS + "WHERE q.id = ANY ($1)", list(quote_ids))
    return {row["id"]: _view(row) for row in rows}


def _view(row: Any) -> HeldQuote:
    price = Price(
        row["token_quantity"], row["price_per_token"], row["subtotal"], row["tax_rate"], row["tax_amount"],
        row["total_amount"], row["discount_amount"],
    )  # fmt: skip
    coupon = None
    if row["coupon_id"] is not None:
        coupon = AppliedCoupon(row["coupon_id"], row["coupon_code"], row["discount_amount"], row["coupon_bonus_tokens"])
    offered = Quote(
        row["wallet_id"], row["package_id"], row["description"], price, row["bonus_tokens"], row["currency"],
        row["validity_days"], coupon,
    )  # fmt: skip
    return HeldQuote(row["id"], row["organization_id"], row["quoted_at"], row["expires_at"], row["used_at"], offered)
