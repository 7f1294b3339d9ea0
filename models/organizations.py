"""Organisations: Scrip's customers."""

from dataclasses import dataclass
from uuid import UUID

from models.database import Connection


@dataclass(frozen=True, slots=True)
class OrganizationView:
    """An active organisation."""

    id: UUID
    slug: str
    name: str


async def read_organization(db: Connection, organization_id: UUID) -> OrganizationView | None:
    row = await db.fetch_one("SELECT id, slug, name FROM organizations WHERE id = $1 AND is_active", organization_id)
    return None if row is None else OrganizationView(*row.values())
