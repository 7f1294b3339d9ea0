"""The catalogue: packages of tokens on offer.

A package is made once by its keeper's key, changed field by field, and withdrawn rather than removed: what was bought
of it keeps pointing at it. What was placed before a change is not touched by it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from models.currencies import minor_places
from models.database import Connection, transaction
from models.effects import once
from models.errors import IdempotencyConflict, InvalidPackage, PackageNotFound
from models.keepers import Keeper, record_change
from rules.identity import derived_id, fingerprint
from rules.packages import Composition, ends_of, misfit

COLUMNS = """
SELECT id, name, description, token_quantity AS tokens, bonus_tokens, price, currency, validity_days, is_active,
       display_order, is_custom, min_tokens, max_tokens, token_price
FROM token_packages
"""

ADD = """
INSERT INTO token_packages (id, name, description, is_custom, token_quantity, bonus_tokens, price, currency,
    validity_days, display_order, min_tokens, max_tokens, token_price)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
"""

CHANGE = """
UPDATE token_packages SET name = $2, description = $3, is_custom = $4, token_quantity = $5, bonus_tokens = $6,
    price = $7, currency = $8, validity_days = $9, display_order = $10, min_tokens = $11, max_tokens = $12,
    token_price = $13, updated_at = now()
WHERE id = $1
"""

ON_SALE_MAX = 200
ALL_MAX = 500


@dataclass(frozen=True, slots=True)
class PackageView:
    """A package. `price` (before tax) is None when it costs tokens × the wallet's price per token.

    tokens        None for a custom package: the buyer names the number, from `min_tokens` to `max_tokens`.
    token_price   of a custom package, for one token before tax; None for the wallet's.
    """

    id: UUID
    name: str
    description: str | None
    tokens: Decimal | None
    bonus_tokens: Decimal
    price: Decimal | None
    currency: str | None
    validity_days: int | None
    is_active: bool
    display_order: int
    is_custom: bool = False
    min_tokens: Decimal | None = None
    max_tokens: Decimal | None = None
    token_price: Decimal | None = None

    def ends(self) -> tuple[Decimal, Decimal]:
        """The fewest and the most tokens that can be bought of it; for a fixed package both are its own number."""
        return ends_of(self.draft().composition)

    def draft(self) -> "PackageDraft":
        """What its keeper wrote."""
        composition = Composition(
            self.is_custom, self.tokens, self.bonus_tokens, self.price, self.currency, self.validity_days,
            self.display_order, self.min_tokens, self.max_tokens, self.token_price,
        )  # fmt: skip
        return PackageDraft(self.name, self.description, composition)


@dataclass(frozen=True, slots=True)
class PackageDraft:
    """What a package is to be."""

    name: str
    description: str | None
    composition: Composition

    def check(self) -> None:
        """Raises InvalidPackage."""
        currency = self.composition.currency
        wrong = misfit(self.composition, None if currency is None else minor_places(currency))
        if wrong is not None:
            raise InvalidPackage(field=wrong.field, reason=wrong.reason)

    def fingerprint(self) -> str:
        return fingerprint({"name": self.name, "description": self.description, **asdict(self.composition)})

    def values(self) -> tuple[object, ...]:
        """In the order of the columns that are written."""
        made = self.composition
        return (
            self.name, self.description, made.is_custom, made.tokens, made.bonus_tokens, made.price, made.currency,
            made.validity_days, made.display_order, made.min_tokens, made.max_tokens, made.token_price,
        )  # fmt: skip


def package_id_of(key: str) -> UUID:
    """A package's id follows from the key its keeper made it with."""
    return derived_id("package", "keyed", key)


async def create_package(key: str, draft: PackageDraft, keeper: Keeper) -> tuple[PackageView, bool]:
    """The package is on sale, made once by its key; the second value says whether it had been made before.

    Raises InvalidPackage, of which nothing is remembered, and IdempotencyConflict.
    """
    draft.check()
    package_id, made_now = package_id_of(key), False

    async def make(db: Connection) -> Mapping[str, object]:
        nonlocal made_now
        made_now = True
        await db.execute(ADD, package_id, *draft.values())
        await record_change(db, "package.created", package_id, keeper, _told(draft))
        return {"fingerprint": draft.fingerprint()}

    first = await once(f"package/{package_id}:create", make)
    if first["fingerprint"] != draft.fingerprint():
        raise IdempotencyConflict
    async with transaction() as db:
        return await require_package(db, package_id), not made_now


async def update_package(package_id: UUID, changes: Mapping[str, Any], keeper: Keeper) -> PackageView:
    """The named fields are changed and no others: `name`, `description`, and those of `rules.packages.Composition`.

    A currency comes with the price it belongs to and goes with the last one. Changing nothing writes nothing.
    Raises PackageNotFound, InvalidPackage.
    """
    async with transaction() as db:
        present = await _lock(db, package_id)
        before = present.draft()
        words = {field: changes[field] for field in ("name", "description") if field in changes}
        numbers = {field: value for field, value in changes.items() if field not in words}
        made = replace(before.composition, **numbers)
        if made.price is None and made.token_price is None:
            made = replace(made, currency=None)
        after = replace(before, **words, composition=made)
        if after == before:
            return present
        after.check()
        await db.execute(CHANGE, package_id, *after.values())
        await record_change(db, "package.updated", package_id, keeper, _told(after))
        return await require_package(db, package_id)


async def withdraw_package(package_id: UUID, keeper: Keeper) -> PackageView:
    """The package is sold no more; withdrawing it again changes nothing. Raises PackageNotFound."""
    async with transaction() as db:
        package = await _lock(db, package_id)
        if package.is_active:
            await db.execute(
                "UPDATE token_packages SET is_active = false, updated_at = now() WHERE id = $1", package_id
            )
            await record_change(db, "package.withdrawn", package_id, keeper, {})
        return replace(package, is_active=False)


def _told(draft: PackageDraft) -> dict[str, object]:
    """A package's numbers for the audit trail; names and descriptions are left out."""
    return {
        name: f"{value:f}" if isinstance(value, Decimal) else value
        for name, value in asdict(draft.composition).items()
        if value is not None
    }


async def packages_on_sale(db: Connection, *, include_withdrawn: bool = False) -> list[PackageView]:
    """The active packages in display order, at most 200; with the withdrawn ones at most 500."""
    rows = await db.fetch(
        COLUMNS + "WHERE is_active OR $1 ORDER BY display_order, name, id LIMIT $2",
        include_withdrawn,
        ALL_MAX if include_withdrawn else ON_SALE_MAX,
    )
    return [PackageView(*row.values()) for row in rows]


async def packages_by_id(db: Connection, package_ids: Sequence[UUID]) -> dict[UUID, PackageView]:
    """Packages by their ids, withdrawn ones included; what does not exist is left out."""
    rows = await db.fetch(COLUMNS + "WHERE id = ANY ($1)", list(package_ids))
    return {row["id"]: PackageView(*row.values()) for row in rows}


async def read_package(db: Connection, package_id: UUID) -> PackageView | None:
    """One package, withdrawn ones included."""
    row = await db.fetch_one(COLUMNS + "WHERE id = $1", package_id)
    return None if row is None else PackageView(*row.values())


async def require_package(db: Connection, package_id: UUID) -> PackageView:
    """As `read_package`. Raises PackageNotFound."""
    package = await read_package(db, package_id)
    if package is None:
        raise PackageNotFound
    return package


async def _lock(db: Connection, package_id: UUID) -> PackageView:
    row = await db.fetch_one(COLUMNS + "WHERE id = $1 FOR NO KEY UPDATE", package_id)
    if row is None:
        raise PackageNotFound
    return PackageView(*row.values())
