"""Organizations: Scrip's customers, and what stands about them on invoices.

A deactivated one keeps everything it has; nobody signs in to it and no key of it works until it is active again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from models import audit
from models.actors import Actor
from models.database import Connection, transaction
from models.errors import OrganizationNotFound, SlugTaken
from models.intentions import Intention, recall, remember
from rules.identity import derived_id

COLUMNS = "SELECT id, slug, name, contact_email, address, tax_id, is_active, created_at FROM organizations "

# Whoever changes who or what belongs to an organization holds its row.
LOCK_ORGANIZATION = "SELECT 1 AS here FROM organizations WHERE id = $1 FOR NO KEY UPDATE"

LIST = (
    COLUMNS
    + """
WHERE ($1::timestamptz IS NULL OR (created_at, id) < ($1, $2)) ORDER BY created_at DESC, id DESC LIMIT $3
"""
)

# Two creations at once with one key meet at the id, with one slug at the slug: the second waits for the first.
CREATE = """
INSERT INTO organizations (id, slug, name, contact_email, address, tax_id) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING RETURNING id
"""

CHANGE = """
UPDATE organizations SET name = coalesce($2, name), contact_email = coalesce($3, contact_email),
    address = coalesce($4, address), tax_id = CASE WHEN $5::text IS NULL THEN tax_id ELSE nullif($5, '') END
WHERE id = $1 RETURNING id
"""


@dataclass(frozen=True, slots=True)
class OrganizationView:
    """An organization as it is now."""

    id: UUID
    slug: str
    name: str
    contact_email: str
    address: str
    tax_id: str | None
    is_active: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewOrganization:
    """A customer to be. `slug` is unique for good."""

    slug: str
    name: str
    contact_email: str
    address: str
    tax_id: str | None


@dataclass(frozen=True, slots=True)
class OrganizationChange:
    """What is to be different; None leaves it as it is. An empty `tax_id` is none."""

    name: str | None = None
    contact_email: str | None = None
    address: str | None = None
    tax_id: str | None = None

    def named(self) -> list[str]:
        """The fields that change, for the audit trail, which holds no addresses."""
        return [name for name in ("name", "contact_email", "address", "tax_id") if getattr(self, name) is not None]


def organization_id_of(key: str) -> UUID:
    """The id of the organization that is created under a caller's key."""
    return derived_id("organization", "created", key)


async def organizations_by_id(db: Connection, organization_ids: Sequence[UUID]) -> dict[UUID, OrganizationView]:
    """Active organizations by their ids; what does not exist is left out."""
    rows = await db.fetch(COLUMNS + "WHERE id = ANY ($1) AND is_active", list(organization_ids))
    return {row["id"]: OrganizationView(*row.values()) for row in rows}


async def read_organization(db: Connection, organization_id: UUID) -> OrganizationView | None:
    """An active organization."""
    view = await find_organization(db, organization_id)
    return view if view is not None and view.is_active else None


async def find_organization(db: Connection, organization_id: UUID) -> OrganizationView | None:
    """An organization, active or not."""
    row = await db.fetch_one(COLUMNS + "WHERE id = $1", organization_id)
    return None if row is None else OrganizationView(*row.values())


async def read_organizations(
    db: Connection, *, limit: int, before: tuple[datetime, UUID] | None
) -> list[OrganizationView]:
    """All of them newest first, those made before the given place; at most `limit`."""
    moment, organization_id = before or (None, None)
    return [OrganizationView(*row.values()) for row in await db.fetch(LIST, moment, organization_id, limit)]


async def create_organization(
    new: NewOrganization, intention: Intention, *, by: Actor
) -> tuple[OrganizationView, bool]:
    """The organization exists; also whether it existed already, made under the same key.
    Raises SlugTaken and IdempotencyConflict."""
    organization_id = organization_id_of(intention.key)
    async with transaction() as db:
        made = await db.fetch_one(
            CREATE, organization_id, new.slug, new.name, new.contact_email, new.address, new.tax_id
        )
        if made is None and await recall(db, organization_id, intention) is None:
            raise SlugTaken(slug=new.slug)
        if made is not None:
            await remember(db, organization_id, intention, {"organization_id": str(organization_id)})
            await _audit(db, organization_id, "created", by, {"slug": new.slug})
        return await _present(db, organization_id), made is None


async def change_organization(organization_id: UUID, change: OrganizationChange, *, by: Actor) -> OrganizationView:
    """The organization is as the change says. Issued invoices stay as they are. Raises OrganizationNotFound."""
    async with transaction() as db:
        changed = await db.fetch_one(
            CHANGE, organization_id, change.name, change.contact_email, change.address, change.tax_id
        )
        if changed is None:
            raise OrganizationNotFound
        if change.named():
            await _audit(db, organization_id, "changed", by, {"fields": change.named()})
        return await _present(db, organization_id)


async def set_active(organization_id: UUID, is_active: bool, *, by: Actor) -> OrganizationView:
    """The organization is active, or not. Repeating it changes nothing. Raises OrganizationNotFound."""
    async with transaction() as db:
        changed = await db.execute(
            "UPDATE organizations SET is_active = $2 WHERE id = $1 AND is_active <> $2", organization_id, is_active
        )
        if changed:
            await _audit(db, organization_id, "reactivated" if is_active else "deactivated", by)
        return await _present(db, organization_id)


async def _present(db: Connection, organization_id: UUID) -> OrganizationView:
    view = await find_organization(db, organization_id)
    if view is None:
        raise OrganizationNotFound
    return view


async def _audit(
    db: Connection, organization_id: UUID, happened: str, by: Actor, details: dict[str, object] | None = None
) -> None:
    await audit.record(
        db,
        organization_id,
        action=f"organization.{happened}",
        resource="organization",
        resource_id=organization_id,
        actor=by.name,
        details=details,
        request_id=by.request_id,
    )
