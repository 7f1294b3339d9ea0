"""The catalogue: packages of tokens on offer."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from models.database import Connection

COLUMNS = """
SELECT id, name, description, token_quantity AS tokens, bonus_tokens, price, currency, validity_days, is_active,
       display_order
FROM token_packages
"""


@dataclass(frozen=True, slots=True)
class PackageView:
    """A package. `price` (before tax) is None when it costs tokens × the wallet's price per token."""

    id: UUID
    name: str
    description: str | None
    tokens: Decimal
    bonus_tokens: Decimal
    price: Decimal | None
    currency: str | None
    validity_days: int | None
    is_active: bool
    display_order: int


async def packages_on_sale(db: Connection) -> list[PackageView]:
    """The active packages in display order."""
    rows = await db.fetch(COLUMNS + "WHERE is_active ORDER BY display_order, name, id LIMIT 200")
    return [PackageView(*row.values()) for row in rows]


async def packages_by_id(db: Connection, package_ids: Sequence[UUID]) -> dict[UUID, PackageView]:
    """Packages by their ids, withdrawn ones included; what does not exist is left out."""
    rows = await db.fetch(COLUMNS + "WHERE id = ANY ($1)", list(package_ids))
    return {row["id"]: PackageView(*row.values()) for row in rows}


async def read_package(db: Connection, package_id: UUID) -> PackageView | None:
    """One package, withdrawn ones included."""
    row = await db.fetch_one(COLUMNS + "WHERE id = $1", package_id)
    return None if row is None else PackageView(*row.values())
