"""Ways to pay: the gateway keeps them, we keep its token and what may be shown.

One method of an organization is its default. Removing one never touches purchases that already use it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from models import audit
from models.database import Connection, transaction
from models.errors import OrganizationNotFound, PaymentMethodNotFound
from models.organizations import LOCK_ORGANIZATION
from models.paging import read_pages
from rules.identity import derived_id

COLUMNS = """
SELECT id, organization_id, gateway_provider AS gateway, tokenized_data AS token, type AS kind, brand, last4,
       expires_month, expires_year, is_default, is_active, created_at
FROM payment_methods
"""

OF_ORGANIZATION = (
    COLUMNS + "WHERE organization_id = $1 AND is_active ORDER BY is_default DESC, created_at, id LIMIT 100"
)

ADD = """
INSERT INTO payment_methods (id, organization_id, gateway_provider, tokenized_data, type, brand, last4, expires_month,
    expires_year, is_default)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9,
        NOT EXISTS (SELECT 1 FROM payment_methods WHERE organization_id = $2 AND is_default))
ON CONFLICT ON CONSTRAINT payment_methods_token_once DO UPDATE SET is_active = true, updated_at = now()
RETURNING id
"""

# Whoever changes which method is the default holds this lock, so that two at once cannot both succeed or both fail.


@dataclass(frozen=True, slots=True)
class PaymentMethodView:
    """A payment method as its organization may see it; `token` stays with us."""

    id: UUID
    organization_id: UUID
    gateway: str
    token: str
    kind: str
    brand: str
    last4: str
    expires_month: int | None
    expires_year: int | None
    is_default: bool
    is_active: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewPaymentMethod:
    """What the gateway told about a token that an organization wants to pay with."""

    organization_id: UUID
    gateway: str
    token: str
    kind: str
    brand: str
    last4: str
    expires_month: int | None
    expires_year: int | None


async def read_payment_method(db: Connection, organization_id: UUID, method_id: UUID) -> PaymentMethodView:
    """An active method of the organization. Raises PaymentMethodNotFound, for another organization's too."""
    row = await db.fetch_one(
        COLUMNS + "WHERE id = $1 AND organization_id = $2 AND is_active", method_id, organization_id
    )
    if row is None:
        raise PaymentMethodNotFound
    return PaymentMethodView(*row.values())


async def payment_methods_by_id(db: Connection, method_ids: Sequence[UUID]) -> dict[UUID, PaymentMethodView]:
    """Active methods, whosever they are; the caller's right to see them must have been asked before."""
    rows = await db.fetch(COLUMNS + "WHERE id = ANY ($1) AND is_active", list(method_ids))
    return {row["id"]: PaymentMethodView(*row.values()) for row in rows}


async def default_payment_method(db: Connection, organization_id: UUID) -> PaymentMethodView:
    """Raises PaymentMethodNotFound when the organization has none."""
    row = await db.fetch_one(COLUMNS + "WHERE organization_id = $1 AND is_default", organization_id)
    if row is None:
        raise PaymentMethodNotFound
    return PaymentMethodView(*row.values())


async def list_payment_methods(db: Connection, organization_ids: Sequence[UUID]) -> dict[UUID, list[PaymentMethodView]]:
    """The active methods of each organization, the default first; at most 100."""
    order = "is_default DESC, created_at, id"
    return await read_pages(db, OF_ORGANIZATION, organization_ids, order=order, view=PaymentMethodView)


async def add_payment_method(new: NewPaymentMethod, *, actor: str, request_id: str | None = None) -> PaymentMethodView:
    """The method can be paid with; the organization's first one is its default. Adding it again changes nothing.
    Raises OrganizationNotFound."""
    method_id = derived_id("payment method", new.organization_id, new.gateway, new.token)
    async with transaction() as db:
        if await db.fetch_one(LOCK_ORGANIZATION, new.organization_id) is None:
            raise OrganizationNotFound
        await db.fetch_one(
            ADD,
            method_id,
            new.organization_id,
            new.gateway,
            new.token,
            new.kind,
            new.brand,
            new.last4,
            new.expires_month,
            new.expires_year,
        )
        await _audit(db, new.organization_id, method_id, "added", actor, request_id)
        return await read_payment_method(db, new.organization_id, method_id)


async def make_default(
    organization_id: UUID, method_id: UUID, *, actor: str, request_id: str | None = None
) -> PaymentMethodView:
    """The method is the organization's only default. Raises PaymentMethodNotFound."""
    async with transaction() as db:
        await db.fetch_one(LOCK_ORGANIZATION, organization_id)
        await read_payment_method(db, organization_id, method_id)
        await db.execute(
            "UPDATE payment_methods SET is_default = false, updated_at = now()"
            " WHERE organization_id = $1 AND is_default",
            organization_id,
        )
        await db.execute("UPDATE payment_methods SET is_default = true, updated_at = now() WHERE id = $1", method_id)
        await _audit(db, organization_id, method_id, "made_default", actor, request_id)
        return await read_payment_method(db, organization_id, method_id)


async def remove_payment_method(
    organization_id: UUID, method_id: UUID, *, actor: str, request_id: str | None = None
) -> PaymentMethodView:
    """The method can no longer be paid with. Returns it as it was. Raises PaymentMethodNotFound."""
    async with transaction() as db:
        await db.fetch_one(LOCK_ORGANIZATION, organization_id)
        method = await read_payment_method(db, organization_id, method_id)
        await db.execute(
            "UPDATE payment_methods SET is_active = false, is_default = false, updated_at = now() WHERE id = $1",
            method_id,
        )
        await _audit(db, organization_id, method_id, "removed", actor, request_id)
        return method


async def _audit(
    db: Connection, organization_id: UUID, method_id: UUID, happened: str, actor: str, request_id: str | None
) -> None:
    await audit.record(
        db,
        organization_id,
        action=f"payment_method.{happened}",
        resource="payment_method",
        resource_id=method_id,
        actor=actor,
        request_id=request_id,
    )
