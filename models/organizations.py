"""Organisations: Scrip's customers."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from models.database import Connection


@dataclass(frozen=True, slots=True)
class OrganizationView:
    """An active organisation."""

    id: UUID
    slug: str
    name: str


async def organizations_by_id(db: Connection, organization_ids: Sequence[UUID]) -> dict[UUID, OrganizationView]:
    """Active organisations by their ids; what does not exist is left out."""
    rows = await db.fetch(
        "SELECT id, slug, name FROM organizations WHERE id = ANY ($1) AND is_active", list(organization_ids)
    )
    return {row["id"]: OrganizationView(*row.values()) for row in rows}


async def read_organization(db: Connection, organization_id: UUID) -> OrganizationView | None:
    row = await db.fetch_one("SELECT id, slug, name FROM organizations WHERE id = $1 AND is_active", organization_id)
    return None if row is None else OrganizationView(*row.values())
