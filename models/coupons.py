"""Coupons: made once, read by their code, and withdrawn. Their terms never change, and a code is given once for ever.

Whether a coupon may be used is asked in two steps: here its time and its limits as they are seen; when a purchase is
placed, its limits again, under its row's lock (`models.redemptions`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from models.currencies import minor_places
from models.database import Connection, transaction
from models.effects import once
from models.errors import (
    CouponCodeTaken,
    CouponExhausted,
    CouponExpired,
    CouponNotFound,
    CouponNotYetValid,
    IdempotencyConflict,
    InvalidCoupon,
    PackageNotFound,
)
from models.keepers import Keeper, record_change
from rules.coupons import CouponBenefit, CouponTerms, misfit
from rules.identity import derived_id, fingerprint

COLUMNS = """
SELECT c.id, c.code, c.description, c.redemptions, c.withdrawn_at, c.created_at, c.benefit, c.share, c.amount,
       c.bonus_tokens, c.currency, c.valid_from, c.valid_until, c.max_redemptions, c.max_per_organization, c.min_tokens,
       c.min_subtotal,
       ARRAY(SELECT p.package_id FROM coupon_packages p WHERE p.coupon_id = c.id ORDER BY p.package_id) AS package_ids
FROM coupons c
"""

ADD = """
INSERT INTO coupons (id, code, description, benefit, share, amount, bonus_tokens, currency, valid_from, valid_until,
    max_redemptions, max_per_organization, min_tokens, min_subtotal)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT (code) DO NOTHING
"""

ADD_PACKAGES = """
INSERT INTO coupon_packages (id, coupon_id, package_id)
SELECT n.id, $1, p.id FROM unnest($2::uuid[], $3::uuid[]) AS n(id, package_id)
JOIN token_packages p ON p.id = n.package_id
"""

USED_BY = """
SELECT count(*) AS times FROM coupon_redemptions
WHERE coupon_id = $1 AND organization_id = $2 AND status <> 'released'
"""


@dataclass(frozen=True, slots=True)
class CouponView:
    """A coupon. `redemptions` are those of purchases that are open or paid."""

    id: UUID
    code: str
    description: str
    redemptions: int
    withdrawn_at: datetime | None
    created_at: datetime
    terms: CouponTerms

    def refuse_outside_its_time(self, at: datetime) -> None:
        """Raises CouponNotYetValid, CouponExpired."""
        terms = self.terms
        if self.withdrawn_at is not None and self.withdrawn_at <= at:
            raise CouponExpired(ended_at=self.withdrawn_at)
        if terms.valid_until is not None and terms.valid_until <= at:
            raise CouponExpired(ended_at=terms.valid_until)
        if terms.valid_from is not None and at < terms.valid_from:
            raise CouponNotYetValid(valid_from=terms.valid_from)


@dataclass(frozen=True, slots=True)
class CouponDraft:
    """What a coupon is to be; `code` as `rules.coupons.code_of` keeps it."""

    code: str
    description: str
    terms: CouponTerms

    def check(self) -> None:
        """Raises InvalidCoupon."""
        currency = self.terms.currency
        wrong = misfit(self.terms, None if currency is None else minor_places(currency))
        if wrong is not None:
            raise InvalidCoupon(field=wrong.field, reason=wrong.reason)

    def fingerprint(self) -> str:
        packages = ",".join(sorted(str(one) for one in set(self.terms.package_ids)))
        values = {**asdict(self.terms), "package_ids": packages}
        return fingerprint({"code": self.code, "description": self.description, **values})


def coupon_id_of(key: str) -> UUID:
    """A coupon's id follows from the key its keeper made it with."""
    return derived_id("coupon", key)


async def create_coupon(key: str, draft: CouponDraft, keeper: Keeper) -> tuple[CouponView, bool]:
    """The coupon can be used, made once by its key; the second value says whether it had been made before.

    Raises InvalidCoupon, CouponCodeTaken, PackageNotFound, of which nothing is remembered, and IdempotencyConflict.
    """
    draft.check()
    coupon_id, made_now = coupon_id_of(key), False

    async def make(db: Connection) -> Mapping[str, object]:
        nonlocal made_now
        made_now = True
        await _insert(db, coupon_id, draft)
        await record_change(db, "coupon.created", coupon_id, keeper, _told(draft))
        return {"fingerprint": draft.fingerprint()}

    first = await once(f"coupon/{coupon_id}:create", make)
    if first["fingerprint"] != draft.fingerprint():
        raise IdempotencyConflict
    async with transaction() as db:
        return await _require(db, "c.id = $1", coupon_id), not made_now


async def _insert(db: Connection, coupon_id: UUID, draft: CouponDraft) -> None:
    terms = draft.terms
    added = await db.execute(
        ADD, coupon_id, draft.code, draft.description, terms.benefit.value, terms.share, terms.amount,
        terms.bonus_tokens, terms.currency, terms.valid_from, terms.valid_until, terms.max_redemptions,
        terms.max_per_organization, terms.min_tokens, terms.min_subtotal,
    )  # fmt: skip
    if not added:
        raise CouponCodeTaken
    packages = list(dict.fromkeys(terms.package_ids))
    ids = [derived_id("coupon package", coupon_id, package_id) for package_id in packages]
    if await db.execute(ADD_PACKAGES, coupon_id, ids, packages) != len(packages):
        raise PackageNotFound


async def withdraw_coupon(code: str, keeper: Keeper, *, at: datetime) -> CouponView:
    """The coupon can be used no more; purchases and quotes that have it keep it. Again changes nothing.

    Raises CouponNotFound.
    """
    async with transaction() as db:
        coupon = await _require(db, "c.code = $1 FOR NO KEY UPDATE OF c", code)
        if coupon.withdrawn_at is None:
            await db.execute("UPDATE coupons SET withdrawn_at = $2, updated_at = now() WHERE id = $1", coupon.id, at)
            await record_change(db, "coupon.withdrawn", coupon.id, keeper, {"redemptions": coupon.redemptions})
            coupon = replace(coupon, withdrawn_at=at)
        return coupon


async def usable_coupon(db: Connection, code: str, organization_id: UUID, *, at: datetime) -> CouponView:
    """The coupon with a code, as far as its time and its limits are seen now; others may be faster.

    Raises CouponNotFound, CouponNotYetValid, CouponExpired, CouponExhausted.
    """
    coupon = await _require(db, "c.code = $1", code)
    coupon.refuse_outside_its_time(at)
    await refuse_when_exhausted(db, coupon, organization_id)
    return coupon


async def refuse_when_exhausted(db: Connection, coupon: CouponView, organization_id: UUID) -> None:
    """Raises CouponExhausted when the coupon was used as often as it may be, by all or by the organization alone."""
    terms = coupon.terms
    if terms.max_redemptions is not None and coupon.redemptions >= terms.max_redemptions:
        raise CouponExhausted(per_organization=False)
    if terms.max_per_organization is None:
        return
    used = await db.fetch_one(USED_BY, coupon.id, organization_id)
    if used is not None and used["times"] >= terms.max_per_organization:
        raise CouponExhausted(per_organization=True)


async def lock_coupon(db: Connection, coupon_id: UUID) -> CouponView:
    """The coupon, its row locked until the transaction ends. Raises CouponNotFound."""
    return await _require(db, "c.id = $1 FOR NO KEY UPDATE OF c", coupon_id)


async def read_coupon(db: Connection, coupon_id: UUID) -> CouponView | None:
    row = await db.fetch_one(COLUMNS + "WHERE c.id = $1", coupon_id)
    return None if row is None else _view(row)


async def coupons_by_id(db: Connection, coupon_ids: Sequence[UUID]) -> dict[UUID, CouponView]:
    """Coupons by their ids, withdrawn ones included; what does not exist is left out."""
    return {row["id"]: _view(row) for row in await db.fetch(COLUMNS + "WHERE c.id = ANY ($1)", list(coupon_ids))}


async def read_coupons(db: Connection, *, limit: int, before: tuple[datetime, UUID] | None) -> list[CouponView]:
    """Coupons newest first, withdrawn ones included, those made before the given place; at most `limit`."""
    moment, coupon_id = before or (None, None)
    rows = await db.fetch(
        COLUMNS + "WHERE $1::timestamptz IS NULL OR (c.created_at, c.id) < ($1, $2)"
        " ORDER BY c.created_at DESC, c.id DESC LIMIT $3",
        moment,
        coupon_id,
        limit,
    )
    return [_view(row) for row in rows]


async def _require(db: Connection, condition: str, value: object) -> CouponView:
    row = await db.fetch_one(f"{COLUMNS}WHERE {condition}", value)
    if row is None:
        raise CouponNotFound
    return _view(row)


def _view(row: Any) -> CouponView:
    coupon_id, code, description, redemptions, withdrawn_at, created_at, benefit, *terms = row.values()
    return CouponView(
        coupon_id, code, description, redemptions, withdrawn_at, created_at, CouponTerms(CouponBenefit(benefit), *terms)
    )


def _told(draft: CouponDraft) -> dict[str, object]:
    """A coupon's terms for the audit trail; its code is left out, because whoever has it can use it."""
    return {name: _plain(value) for name, value in asdict(draft.terms).items() if value is not None}


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.isoformat()
    return [str(one) for one in value] if isinstance(value, list | tuple | set) else value
