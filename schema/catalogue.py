"""Keeping the catalogue: packages and volume tiers, for those with CATALOG_MANAGE."""

from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import strawberry

from models import errors
from models.keepers import Keeper
from models.packages import PackageDraft, create_package, update_package, withdraw_package
from models.volume import TiersWanted, set_tiers
from rules.packages import Composition
from rules.permissions import Permission
from rules.tiers import Tier
from schema.context import Info
from schema.edge.costs import sized
from schema.edge.masking import ErrorCode, public_error
from schema.edge.permissions import requires
from schema.enums import TierMode
from schema.ids import read_id
from schema.money import MoneyInput, read_money
from schema.packages import TokenPackage, VolumeSchedule
from schema.problems import IdempotencyConflict, InvalidPackage, InvalidTiers, PackageNotFound
from schema.scalars import clean_text, read_key

# What an update may change beside the two prices, and what of it there always is.
CHANGEABLE = (
    "name",
    "description",
    "tokens",
    "min_tokens",
    "max_tokens",
    "bonus_tokens",
    "validity_days",
    "display_order",
)
NEVER_NULL = {"name": "name", "bonus_tokens": "bonusTokens", "display_order": "displayOrder"}
NAME_MAX = 100


@strawberry.input(
    description="A package to be sold. Fixed: `tokens`, and perhaps `price`. Custom: the buyer names the number, and "
    "it may have both ends and a `tokenPrice`."
)
class CreateTokenPackageInput:
    idempotency_key: str = strawberry.field(
        description="Your own name for this package, 1 to 255 characters. The same key never makes two."
    )
    name: str = strawberry.field(description="1 to 100 characters; it stands on invoices.")
    description: str | None = strawberry.field(default=None, description="What it is for, up to 500 characters.")
    is_custom: bool = strawberry.field(default=False, description="Whether the buyer names the number.")
    tokens: Decimal | None = strawberry.field(
        default=None, description="1 to 1,000,000 with at most 4 places; null for a custom package."
    )
    min_tokens: Decimal | None = strawberry.field(
        default=None, description="Custom only: the fewest that can be bought; null for 1."
    )
    max_tokens: Decimal | None = strawberry.field(
        default=None, description="Custom only: the most that can be bought; null for 1,000,000."
    )
    price: MoneyInput | None = strawberry.field(
        default=None,
        description="Fixed only: its own price before tax, exact in its currency; null for the wallet's price.",
    )
    token_price: MoneyInput | None = strawberry.field(
        default=None,
        description="Custom only: its own price for one token before tax, at most 6 places; null for the wallet's.",
    )
    bonus_tokens: Decimal = strawberry.field(
        default=Decimal(0), description="Free tokens on top, whatever number is bought; 0 to 1,000,000."
    )
    validity_days: int | None = strawberry.field(
        default=None, description="Days of 24 hours until its tokens expire, 1 to 36,500; null for the wallet's rule."
    )
    display_order: int = strawberry.field(default=0, description="0 to 1,000,000; lower comes first.")


@strawberry.input(
    description="What is to be different about a package. What is left out stays; null takes away what may be missing."
)
class UpdateTokenPackageInput:
    package_id: strawberry.ID = strawberry.field(description="The package.")
    name: strawberry.Maybe[str | None] = strawberry.field(description="1 to 100 characters; never null.")
    description: strawberry.Maybe[str | None] = strawberry.field(description="Null for none.")
    tokens: strawberry.Maybe[Decimal | None] = strawberry.field(description="Fixed only, and never null there.")
    min_tokens: strawberry.Maybe[Decimal | None] = strawberry.field(description="Custom only; null for 1.")
    max_tokens: strawberry.Maybe[Decimal | None] = strawberry.field(description="Custom only; null for 1,000,000.")
    price: strawberry.Maybe[MoneyInput | None] = strawberry.field(
        description="Fixed only; null for tokens × the wallet's price."
    )
    token_price: strawberry.Maybe[MoneyInput | None] = strawberry.field(
        description="Custom only; null for the wallet's."
    )
    bonus_tokens: strawberry.Maybe[Decimal | None] = strawberry.field(description="0 to 1,000,000; never null.")
    validity_days: strawberry.Maybe[int | None] = strawberry.field(description="Null for the wallet's rule.")
    display_order: strawberry.Maybe[int | None] = strawberry.field(description="0 to 1,000,000; never null.")


@strawberry.input(description="Which package is to be sold no more.")
class DeactivateTokenPackageInput:
    package_id: strawberry.ID = strawberry.field(description="The package.")


@strawberry.input(description="One tier: up to a number of tokens, that number included.")
class VolumeTierInput:
    up_to: Decimal | None = strawberry.field(
        default=None, description="The last number of tokens in it; null in the last tier, and only there."
    )
    discount: Decimal = strawberry.field(
        description="A share of the price per token, from 0 to less than 1, at most 6 places: 0.1 is 10 % off."
    )


@strawberry.input(description="The volume tiers that are to be in force.")
class SetVolumeTiersInput:
    package_id: strawberry.ID | None = strawberry.field(
        default=None, description="The custom package; null for plain quantities."
    )
    mode: TierMode = strawberry.field(description="How the tiers are read.")
    tiers: list[VolumeTierInput] = strawberry.field(
        description="Up to 20, limits rising, discounts never falling; an empty list for no volume discount."
    )


@strawberry.type(description="The package is on sale.")
class CreateTokenPackageSuccess:
    package: TokenPackage = strawberry.field(description="The package as it stands now.")
    replayed: bool = strawberry.field(description="Whether the key had been used before; then nothing new was made.")


@strawberry.type(description="The package as it stands now. Purchases and quotes keep the price they were made at.")
class UpdateTokenPackageSuccess:
    package: TokenPackage = strawberry.field(description="The package.")


@strawberry.type(description="The package is sold no more. Quotes that hold its price can still be used.")
class DeactivateTokenPackageSuccess:
    package: TokenPackage = strawberry.field(description="The package.")


@strawberry.type(description="These tiers are in force.")
class SetVolumeTiersSuccess:
    volume_schedule: VolumeSchedule | None = strawberry.field(description="The schedule; null without tiers.")


CreateTokenPackageResult: TypeAlias = Annotated[
    CreateTokenPackageSuccess | InvalidPackage | IdempotencyConflict, strawberry.union("CreateTokenPackageResult")
]
UpdateTokenPackageResult: TypeAlias = Annotated[
    UpdateTokenPackageSuccess | PackageNotFound | InvalidPackage, strawberry.union("UpdateTokenPackageResult")
]
DeactivateTokenPackageResult: TypeAlias = Annotated[
    DeactivateTokenPackageSuccess | PackageNotFound, strawberry.union("DeactivateTokenPackageResult")
]
SetVolumeTiersResult: TypeAlias = Annotated[
    SetVolumeTiersSuccess | PackageNotFound | InvalidPackage | InvalidTiers, strawberry.union("SetVolumeTiersResult")
]


def keeper(info: Info) -> Keeper:
    return Keeper(info.context.caller().name, info.context.request_id)


def package_key(package_id: str) -> UUID:
    """Raises PackageNotFound for an id of anything else."""
    found = read_id(package_id, "TokenPackage")
    if found is None:
        raise errors.PackageNotFound
    return found


def draft_from(input: CreateTokenPackageInput) -> PackageDraft:
    """The package in the words of the models. Raises BAD_USER_INPUT, and InvalidPackage for two prices at once."""
    if input.price is not None and input.token_price is not None:
        raise errors.InvalidPackage(field="token_price", reason="A package has one price, of the whole or of a token.")
    price, currency = (None, None) if input.price is None else read_money(input.price, "price")
    token_price = None
    if input.token_price is not None:
        token_price, currency = read_money(input.token_price, "tokenPrice")
    made = Composition(
        is_custom=input.is_custom,
        tokens=input.tokens,
        bonus_tokens=input.bonus_tokens,
        price=price,
        currency=currency,
        validity_days=input.validity_days,
        display_order=input.display_order,
        min_tokens=input.min_tokens,
        max_tokens=input.max_tokens,
        token_price=token_price,
    )
    return PackageDraft(_name(input.name), _description(input.description), made)


def changes_from(input: UpdateTokenPackageInput) -> dict[str, Any]:
    """The fields that were given, by their names in the models. Raises BAD_USER_INPUT."""
    reads: dict[str, Callable[[Any], Any]] = {"name": _name, "description": _description}
    changes: dict[str, Any] = {}
    for field in CHANGEABLE:
        given = getattr(input, field)
        if given is None:
            continue
        if given.value is None and field in NEVER_NULL:
            raise public_error(
                f"{NEVER_NULL[field]} cannot be null.", ErrorCode.BAD_USER_INPUT, field=NEVER_NULL[field]
            )
        changes[field] = reads[field](given.value) if field in reads else given.value
    for field, shown in (("price", "price"), ("token_price", "tokenPrice")):
        given = getattr(input, field)
        if given is not None and given.value is None:
            changes[field] = None
        elif given is not None:
            changes[field], changes["currency"] = read_money(given.value, shown)
    return changes


def _name(text: str) -> str:
    return clean_text(text, "name", length_min=1, length_max=NAME_MAX)


def _description(text: str | None) -> str | None:
    return None if text is None else clean_text(text, "description")


@strawberry.type
class CatalogueMutations:
    @strawberry.mutation(
        description="Put a package on sale. The same key with the same input answers with the same package.",
        directives=requires(Permission.CATALOG_MANAGE),
    )
    async def create_token_package(
        self, info: Info, input: Annotated[CreateTokenPackageInput, strawberry.argument(description="The package.")]
    ) -> CreateTokenPackageResult:
        view, replayed = await create_package(read_key(input.idempotency_key), draft_from(input), keeper(info))
        return CreateTokenPackageSuccess(package=TokenPackage.of(view), replayed=replayed)

    @strawberry.mutation(
        description="Change what is given of a package, and nothing else. A package stays fixed or custom.",
        directives=requires(Permission.CATALOG_MANAGE),
    )
    async def update_token_package(
        self, info: Info, input: Annotated[UpdateTokenPackageInput, strawberry.argument(description="The changes.")]
    ) -> UpdateTokenPackageResult:
        view = await update_package(package_key(input.package_id), changes_from(input), keeper(info))
        return UpdateTokenPackageSuccess(package=TokenPackage.of(view))

    @strawberry.mutation(
        description="Sell a package no more. Doing so again is no error; there is no way back, but a new package.",
        directives=requires(Permission.CATALOG_MANAGE),
    )
    async def deactivate_token_package(
        self, info: Info, input: Annotated[DeactivateTokenPackageInput, strawberry.argument(description="Which.")]
    ) -> DeactivateTokenPackageResult:
        view = await withdraw_package(package_key(input.package_id), keeper(info))
        return DeactivateTokenPackageSuccess(package=TokenPackage.of(view))

    @strawberry.mutation(
        description="Set the volume tiers of plain quantities, or of a custom package, in place of those in force.",
        directives=[*requires(Permission.CATALOG_MANAGE), *sized("input.tiers")],
    )
    async def set_volume_tiers(
        self, info: Info, input: Annotated[SetVolumeTiersInput, strawberry.argument(description="The tiers.")]
    ) -> SetVolumeTiersResult:
        package_id = None if input.package_id is None else package_key(input.package_id)
        wanted = tuple(Tier(tier.up_to, tier.discount) for tier in input.tiers)
        view = await set_tiers(TiersWanted(package_id, input.mode, wanted), keeper(info), at=info.context.now)
        return SetVolumeTiersSuccess(volume_schedule=None if view is None else VolumeSchedule.of(view))
