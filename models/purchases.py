"""Purchases: placing them, following their payment, closing what was not paid, and reading them.

Each change locks the purchase's row, asks `rules.purchases` whether the step is allowed, and writes its audit row and
its event in the same transaction. A step that is not allowed any more (a late report about a closed purchase) changes
nothing. Crediting a paid purchase is `models.completion`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from models import audit
from models.actors import SCRIP_ITSELF
from models.database import Connection
from models.errors import PriceChanged, PurchaseNotFound, WalletSuspended
from models.feed import announce
from models.held_quotes import mark_used, take_quote
from models.intentions import Intention, remember
from models.paging import read_pages
from models.payment_methods import PaymentMethodView, default_payment_method, read_payment_method
from models.quotes import Quote, Wish, quote
from models.redemptions import reserve, settle, take_coupon
from models.topics import Topic
from rules.identity import derived_id, fingerprint
from rules.payments import PaymentReport
from rules.purchases import PurchaseStatus, may_become

OPERATION = "startPurchase"

COLUMNS = """
SELECT id, purchase_reference_id AS reference, organization_id, wallet_id, purchased_by, purchase_type, package_id,
       description, token_quantity AS tokens, bonus_tokens, price_per_token, subtotal, tax_rate, tax_amount,
       total_amount, currency, status, payment_method_id, gateway_provider AS gateway,
       gateway_transaction_id AS gateway_payment_id, action_url, failure_code, failure_reason, validity_days,
       token_expiration_date AS tokens_expire_at, payment_initiated_at AS placed_at,
       payment_completed_at AS paid_at, tokens_allocated_at AS completed_at, updated_at, discount_amount, quote_id,
       (SELECT code FROM coupons WHERE coupons.id = coupon_id) AS coupon_code
FROM token_purchases
"""

OF_ORGANIZATION = (
    COLUMNS
    + """
WHERE organization_id = $1 AND ($2::text[] IS NULL OR status = ANY ($2))
    AND ($3::timestamptz IS NULL OR (payment_initiated_at, id) < ($3, $4))
ORDER BY payment_initiated_at DESC, id DESC LIMIT $5
"""
)

PLACE = """
INSERT INTO token_purchases (id, purchase_reference_id, organization_id, wallet_id, purchased_by, package_id,
    description, token_quantity, bonus_tokens, price_per_token, subtotal, tax_rate, tax_amount, total_amount, currency,
    payment_method_id, gateway_provider, validity_days, payment_initiated_at, discount_amount, coupon_id, quote_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
"""

EXPECT_PAYMENT = """
INSERT INTO payments (id, purchase_id, organization_id, gateway_provider, amount, currency, status)
VALUES ($1, $2, $3, $4, $5, $6, 'PROCESSING')
"""

MOVE = """
UPDATE token_purchases SET status = $2, action_url = $3, failure_code = $4, failure_reason = $5,
    gateway_transaction_id = coalesce($6, gateway_transaction_id), updated_at = now()
WHERE id = $1
"""

REPORT_PAYMENT = """
UPDATE payments SET gateway_payment_id = coalesce(nullif($2, ''), gateway_payment_id), status = $3, decline_code = $4,
    updated_at = now()
WHERE purchase_id = $1 AND status <> 'CAPTURED'
"""


@dataclass(frozen=True, slots=True)
class PurchaseOrder:
    """A buyer's order. `key` is the buyer's name for it; `expected_total` refuses a surprise, tax included.

    quote_id      buy what this quote holds; the wish is then empty.
    accepted_at   when the buyer said yes: until then the quote must hold, however late the order is placed.
    """

    organization_id: UUID
    wish: Wish
    payment_method_id: UUID | None
    key: str
    actor: str
    expected_total: Decimal | None = None
    request_id: str | None = None
    quote_id: UUID | None = None
    accepted_at: datetime | None = None

    @property
    def purchase_id(self) -> UUID:
        return purchase_id_of(self.organization_id, self.key)

    def fingerprint(self) -> str:
        """Of what was asked for. Orders without quote and coupon keep the one they had before there were any."""
        values: dict[str, object] = {
            "package_id": self.wish.package_id,
            "tokens": self.wish.tokens,
            "payment_method_id": self.payment_method_id,
            "expected_total": self.expected_total,
        }
        added = {"quote_id": self.quote_id, "coupon_code": self.wish.coupon_code}
        return fingerprint(values | {name: value for name, value in added.items() if value is not None})

    def intention(self) -> Intention:
        return Intention(OPERATION, self.key, self.fingerprint())


@dataclass(frozen=True, slots=True)
class PurchaseView:
    """A purchase as it stands; money in `currency`, tax included in `total_amount`."""

    id: UUID
    reference: str
    organization_id: UUID
    wallet_id: UUID
    purchased_by: str
    purchase_type: str
    package_id: UUID | None
    description: str
    tokens: Decimal
    bonus_tokens: Decimal
    price_per_token: Decimal
    subtotal: Decimal
    tax_rate: Decimal
    tax_amount: Decimal
    total_amount: Decimal
    currency: str
    status: str
    payment_method_id: UUID
    gateway: str
    gateway_payment_id: str | None
    action_url: str | None
    failure_code: str | None
    failure_reason: str | None
    validity_days: int | None
    tokens_expire_at: datetime | None
    placed_at: datetime
    paid_at: datetime | None
    completed_at: datetime | None
    updated_at: datetime
    discount_amount: Decimal
    quote_id: UUID | None
    coupon_code: str | None


def purchase_id_of(organization_id: UUID, key: str) -> UUID:
    """A purchase's id follows from whose it is and what the buyer calls it."""
    return derived_id("purchase", organization_id, key)


async def place(db: Connection, order: PurchaseOrder, *, at: datetime) -> PurchaseView:
    """The purchase is pending at a frozen price: the quote's when it names one. Its coupon is reserved.

    Raises every refusal of `models.quotes.quote` or of `models.held_quotes.take_quote`, PaymentMethodNotFound,
    PriceChanged, WalletSuspended, CouponExhausted. The caller remembers them, so nothing is written before the last.
    """
    await _refuse_when_suspended(db, order.organization_id)
    offered = await _offered(db, order, at)
    method = await _method_of(db, order)
    total = offered.price.total
    if order.expected_total is not None and order.expected_total != total:
        raise PriceChanged(expected=order.expected_total, actual=total, currency=offered.currency)
    if offered.coupon is not None:
        await take_coupon(db, offered.coupon, order.organization_id)
    await _insert(db, order, offered, method, at)
    await _use_up(db, order, offered, at)
    await remember(db, order.organization_id, order.intention(), {"purchase_id": str(order.purchase_id)})
    purchase = await require_purchase(db, order.purchase_id)
    await tell(db, purchase, "placed", actor=order.actor, request_id=order.request_id)
    return purchase


async def _offered(db: Connection, order: PurchaseOrder, at: datetime) -> Quote:
    if order.quote_id is None:
        return await quote(db, order.organization_id, order.wish, at=at)
    return await take_quote(db, order.organization_id, order.quote_id, at=order.accepted_at or at)


async def _use_up(db: Connection, order: PurchaseOrder, offered: Quote, at: datetime) -> None:
    """The quote is used, and the coupon reserved, for the purchase that was placed."""
    if order.quote_id is not None:
        await mark_used(db, order.quote_id, at=at)
    if offered.coupon is not None:
        await reserve(
            db,
            offered.coupon,
            organization_id=order.organization_id,
            purchase_id=order.purchase_id,
            currency=offered.currency,
            actor=order.actor,
            at=at,
        )


async def _refuse_when_suspended(db: Connection, organization_id: UUID) -> None:
    # Locked against whoever suspends it now: an order is either placed before the suspension, or refused by it.
    row = await db.fetch_one(
        "SELECT suspended_at, suspension_reason FROM organization_token_wallets WHERE organization_id = $1 FOR SHARE",
        organization_id,
    )
    if row is not None and row["suspended_at"] is not None:
        raise WalletSuspended(reason=row["suspension_reason"] or "", since=row["suspended_at"])


async def _method_of(db: Connection, order: PurchaseOrder) -> PaymentMethodView:
    if order.payment_method_id is None:
        return await default_payment_method(db, order.organization_id)
    return await read_payment_method(db, order.organization_id, order.payment_method_id)


async def _insert(
    db: Connection, order: PurchaseOrder, offered: Quote, method: PaymentMethodView, at: datetime
) -> None:
    price, purchase_id = offered.price, order.purchase_id
    await db.execute(
        PLACE,
        purchase_id,
        f"REF-{purchase_id}",
        order.organization_id,
        offered.wallet_id,
        order.actor,
        offered.package_id,
        offered.description,
        price.tokens,
        offered.bonus_tokens,
        price.unit_price,
        price.subtotal,
        price.tax_rate,
        price.tax,
        price.total,
        offered.currency,
        method.id,
        method.gateway,
        offered.validity_days,
        at,
        price.discount,
        None if offered.coupon is None else offered.coupon.id,
        order.quote_id,
    )
    payment_id = derived_id("payment", purchase_id)
    await db.execute(
        EXPECT_PAYMENT, payment_id, purchase_id, order.organization_id, method.gateway, price.total, offered.currency
    )


async def begin_payment(db: Connection, purchase_id: UUID) -> None:
    """The gateway is being asked: a pending purchase is processing from now on. Anything further along stays."""
    purchase = await lock_purchase(db, purchase_id)
    if purchase.status == PurchaseStatus.PENDING:
        await _move(db, purchase, PurchaseStatus.PROCESSING)


async def follow_payment(db: Connection, purchase_id: UUID, status: PurchaseStatus, report: PaymentReport) -> None:
    """The purchase shows what the gateway reported while nothing is decided: processing or an action to take."""
    purchase = await lock_purchase(db, purchase_id)
    await report_payment(db, purchase_id, report)
    if not may_become(PurchaseStatus(purchase.status), status):
        return
    await _move(db, purchase, status, action_url=report.action_url, gateway_payment_id=report.payment_id)


async def close_unpaid(
    db: Connection,
    purchase_id: UUID,
    status: PurchaseStatus,
    *,
    code: str | None,
    reason: str,
    report: PaymentReport | None,
    actor: str = SCRIP_ITSELF,
) -> None:
    """The purchase ended without money: failed, cancelled or expired; its coupon is given back. A completed one stays
    completed."""
    purchase = await lock_purchase(db, purchase_id)
    if report is not None:
        await report_payment(db, purchase_id, report)
    if not may_become(PurchaseStatus(purchase.status), status):
        return
    payment_id = report.payment_id if report is not None else None
    await settle(db, purchase_id, status, actor=actor)
    await _move(db, purchase, status, code=code, reason=reason, gateway_payment_id=payment_id, actor=actor)


async def report_payment(db: Connection, purchase_id: UUID, report: PaymentReport) -> None:
    """The payment's row shows the gateway's latest truth; a captured payment is never overwritten."""
    await db.execute(REPORT_PAYMENT, purchase_id, report.payment_id, report.status.value, report.decline_code)


async def _move(
    db: Connection,
    purchase: PurchaseView,
    status: PurchaseStatus,
    *,
    action_url: str | None = None,
    code: str | None = None,
    reason: str | None = None,
    gateway_payment_id: str | None = None,
    actor: str = SCRIP_ITSELF,
) -> None:
    await db.execute(MOVE, purchase.id, status.value, action_url, code, reason, gateway_payment_id or None)
    moved = await require_purchase(db, purchase.id)
    await tell(db, moved, status.value, actor=actor, details={"from": purchase.status, "code": code})


async def tell(
    db: Connection,
    purchase: PurchaseView,
    happened: str,
    *,
    actor: str = SCRIP_ITSELF,
    details: Mapping[str, object] | None = None,
    request_id: str | None = None,
) -> None:
    """The audit row and the event of a change of a purchase, in the transaction of the change."""
    facts = {"total": f"{purchase.total_amount:f}", "currency": purchase.currency, "tokens": f"{purchase.tokens:f}"}
    await audit.record(
        db,
        purchase.organization_id,
        action=f"purchase.{happened}",
        resource="purchase",
        resource_id=purchase.id,
        actor=actor,
        details={**facts, **(details or {})},
        request_id=request_id,
    )
    body = {"purchase_id": str(purchase.id), "status": purchase.status, "happened": happened}
    await announce(db, Topic.PURCHASE_CHANGED, organization_id=purchase.organization_id, body=body)


async def read_purchase(db: Connection, organization_id: UUID, purchase_id: UUID) -> PurchaseView | None:
    """A purchase of the organization; another organization's is not found."""
    row = await db.fetch_one(COLUMNS + "WHERE id = $1 AND organization_id = $2", purchase_id, organization_id)
    return None if row is None else PurchaseView(*row.values())


async def require_purchase(db: Connection, purchase_id: UUID) -> PurchaseView:
    """A purchase by its id, whosever it is; for workflows, not for callers. Raises PurchaseNotFound."""
    return _found(await db.fetch_one(COLUMNS + "WHERE id = $1", purchase_id))


async def purchases_by_id(db: Connection, purchase_ids: Sequence[UUID]) -> dict[UUID, PurchaseView]:
    """Purchases by their ids, whosever they are; what does not exist is left out."""
    rows = await db.fetch(COLUMNS + "WHERE id = ANY ($1)", list(purchase_ids))
    return {row["id"]: PurchaseView(*row.values()) for row in rows}


async def lock_purchase(db: Connection, purchase_id: UUID) -> PurchaseView:
    """As `require_purchase`, with the row locked until the transaction ends."""
    return _found(await db.fetch_one(COLUMNS + "WHERE id = $1 FOR NO KEY UPDATE", purchase_id))


def _found(row: Any) -> PurchaseView:
    if row is None:
        raise PurchaseNotFound
    return PurchaseView(*row.values())


async def read_purchases(
    db: Connection,
    organization_ids: Sequence[UUID],
    *,
    limit: int,
    before: tuple[datetime, UUID] | None,
    statuses: tuple[str, ...] = (),
) -> dict[UUID, list[PurchaseView]]:
    """Purchases newest first, those placed before the given place; at most `limit` of each organization."""
    args = (list(statuses) or None, *(before or (None, None)), limit)
    order = "placed_at DESC, id DESC"
    return await read_pages(db, OF_ORGANIZATION, organization_ids, *args, order=order, view=PurchaseView)
