"""Redemptions: the one coupon of a purchase, from its placing to its end.

A coupon's row lock is what its limits hold by: whoever reserves holds it until the purchase is placed, so that of many
placings at once exactly as many succeed as the limits allow. It is taken after the purchase's row and before the audit
chain, wherever both are.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from models import audit
from models.actors import SCRIP_ITSELF
from models.coupons import lock_coupon, refuse_when_exhausted
from models.database import Connection
from rules.identity import derived_id
from rules.purchases import PurchaseStatus
from rules.redemptions import COUNTED, RedemptionStatus, status_for

COUNT = "UPDATE coupons SET redemptions = redemptions + $2, updated_at = now() WHERE id = $1"

RESERVE = """
INSERT INTO coupon_redemptions (id, coupon_id, organization_id, purchase_id, status, discount, bonus_tokens, currency,
    reserved_at)
VALUES ($1, $2, $3, $4, 'reserved', $5, $6, $7, $8)
"""

FIND = "SELECT id, coupon_id, organization_id, status, is_late FROM coupon_redemptions WHERE purchase_id = $1"

SETTLE = "UPDATE coupon_redemptions SET status = $2, is_late = $3, settled_at = now() WHERE id = $1"


@dataclass(frozen=True, slots=True)
class AppliedCoupon:
    """What a coupon does to a price: what it takes off before tax, and the bonus tokens it gives."""

    id: UUID
    code: str
    discount: Decimal
    bonus_tokens: Decimal


async def take_coupon(db: Connection, applied: AppliedCoupon, organization_id: UUID) -> None:
    """The coupon is used once more, and its row is locked. Raises CouponExhausted; nothing was written then.

    Only limits are asked: whether it is in its time was asked when the price was made, and a held price stays.
    """
    coupon = await lock_coupon(db, applied.id)
    await refuse_when_exhausted(db, coupon, organization_id)
    await db.execute(COUNT, applied.id, 1)


async def reserve(
    db: Connection,
    applied: AppliedCoupon,
    *,
    organization_id: UUID,
    purchase_id: UUID,
    currency: str,
    actor: str,
    at: datetime,
) -> None:
    """The placed purchase has the coupon that was taken for it; call with `take_coupon`, after the purchase's row."""
    await db.execute(
        RESERVE,
        derived_id("coupon redemption", purchase_id),
        applied.id,
        organization_id,
        purchase_id,
        applied.discount,
        applied.bonus_tokens,
        currency,
        at,
    )
    details: dict[str, object] = {"discount": f"{applied.discount:f}", "bonus_tokens": f"{applied.bonus_tokens:f}"}
    await _record(db, organization_id, applied.id, purchase_id, "reserved", actor, details)


async def settle(db: Connection, purchase_id: UUID, ended: PurchaseStatus, *, actor: str = SCRIP_ITSELF) -> None:
    """The redemption of a purchase that ends: redeemed when it was paid, released when it was not. Without a coupon
    nothing happens. Paid after its release, it counts again, over the limit when others were faster, and says so.

    The purchase's row must be locked.
    """
    row = await db.fetch_one(FIND, purchase_id)
    if row is None:
        return
    before, after = RedemptionStatus(row["status"]), status_for(ended)
    if before is after:
        return
    coupon = await lock_coupon(db, row["coupon_id"])
    change = (after in COUNTED) - (before in COUNTED)
    if change:
        await db.execute(COUNT, coupon.id, change)
    is_late = before is RedemptionStatus.RELEASED
    await db.execute(SETTLE, row["id"], after.value, is_late)
    details: dict[str, object] = {"is_late": is_late, "redemptions": coupon.redemptions + change}
    await _record(db, row["organization_id"], coupon.id, purchase_id, after.value, actor, details)


async def _record(
    db: Connection,
    organization_id: UUID,
    coupon_id: UUID,
    purchase_id: UUID,
    happened: str,
    actor: str,
    details: dict[str, object],
) -> None:
    await audit.record(
        db,
        organization_id,
        action=f"coupon.{happened}",
        resource="coupon",
        resource_id=coupon_id,
        actor=actor,
        details={"purchase_id": str(purchase_id), **details},
    )
