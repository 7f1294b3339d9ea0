"""The packages on offer, and how quantities become cheaper."""

from decimal import Decimal
from typing import Annotated, Self

import strawberry

from models.database import connection
from models.packages import PackageView, packages_on_sale, read_package
from models.volume import ScheduleView, read_schedule
from rules.permissions import Permission
from schema.context import Info
from schema.edge.costs import costs
from schema.edge.permissions import Need, forbidden, public
from schema.enums import TierMode
from schema.ids import global_id, read_id
from schema.money import Money, UnitPrice, at_token_places, money
from schema.nodes import Node
from schema.tolls import LIST_UNITS


@strawberry.type(description="One tier: up to a number of tokens, that number included.")
class VolumeTier:
    up_to: Decimal | None = strawberry.field(description="The last number of tokens in it; null for no end.")
    discount: Decimal = strawberry.field(description="A share of the price per token: 0.1 is 10 % off.")


@strawberry.type(description="How quantities become cheaper. Amounts are rounded once, over the whole quantity.")
class VolumeSchedule(Node):
    mode: TierMode = strawberry.field(description="How the tiers are read.")
    tiers: list[VolumeTier] = strawberry.field(description="In rising order; the last one has no end.")
    package_id: strawberry.ID | None = strawberry.field(
        description="The custom package it belongs to; null for plain quantities."
    )

    @classmethod
    def of(cls, view: ScheduleView) -> Self:
        return cls(
            key=view.id,
            mode=TierMode(view.schedule.mode),
            tiers=[VolumeTier(up_to=tier.up_to, discount=tier.discount) for tier in view.schedule.tiers],
            package_id=None if view.package_id is None else global_id("TokenPackage", view.package_id),
        )


@strawberry.type(description="Tokens on offer: a fixed number, or a custom one that the buyer names.")
class TokenPackage(Node):
    name: str = strawberry.field(description="Its name.")
    description: str | None = strawberry.field(description="What it is for.")
    is_custom: bool = strawberry.field(description="Whether the buyer names the number, from minTokens to maxTokens.")
    tokens: Decimal | None = strawberry.field(description="Tokens that are paid for; null for a custom package.")
    min_tokens: Decimal = strawberry.field(description="The fewest tokens that can be bought of it.")
    max_tokens: Decimal = strawberry.field(description="The most tokens that can be bought of it.")
    bonus_tokens: Decimal = strawberry.field(description="Tokens on top of them, free.")
    price: Money | None = strawberry.field(
        description="Its own price before tax; null when it costs tokens × the wallet's price per token."
    )
    token_price: UnitPrice | None = strawberry.field(
        description="A custom package's own price for one token before tax; null for the wallet's price per token."
    )
    validity_days: int | None = strawberry.field(
        description="Days of 24 hours until its tokens expire; null for the wallet's rule."
    )
    display_order: int = strawberry.field(description="Its place in the shop; lower comes first.")
    is_active: bool = strawberry.field(description="Whether it is sold.")

    @classmethod
    def of(cls, view: PackageView) -> Self:
        fewest, most = view.ends()
        return cls(
            key=view.id,
            name=view.name,
            description=view.description,
            is_custom=view.is_custom,
            tokens=view.tokens,
            min_tokens=at_token_places(fewest),
            max_tokens=at_token_places(most),
            bonus_tokens=at_token_places(view.bonus_tokens),
            price=None if view.price is None or view.currency is None else money(view.price, view.currency),
            token_price=None
            if view.token_price is None or view.currency is None
            else UnitPrice(amount=view.token_price, currency_code=view.currency),
            validity_days=view.validity_days,
            display_order=view.display_order,
            is_active=view.is_active,
        )

    @strawberry.field(description="Its volume tiers; null when it has none, as every fixed package.")
    async def volume_schedule(self, info: Info) -> VolumeSchedule | None:
        if not self.is_custom:
            return None
        view = await info.context.loaders.schedules.load(self.key)
        return None if view is None else VolumeSchedule.of(view)


def demand(info: Info, permission: Permission, field: str) -> None:
    """What an argument, and not the field, demands of the caller. Raises UNAUTHENTICATED, FORBIDDEN, as guards do."""
    if permission not in info.context.caller().permissions:
        raise forbidden(Need(permission, field))


@strawberry.type
class PackageQueries:
    @strawberry.field(
        description="The packages on sale, in the shop's order, at most 200. With the withdrawn ones at most 500, for "
        "those with CATALOG_MANAGE.",
        directives=[*public(), *costs(LIST_UNITS)],
    )
    async def token_packages(
        self,
        info: Info,
        include_withdrawn: Annotated[
            bool, strawberry.argument(description="Also those that are sold no more.")
        ] = False,
    ) -> list[TokenPackage]:
        if include_withdrawn:
            demand(info, Permission.CATALOG_MANAGE, "Query.tokenPackages")
        async with connection() as db:
            views = await packages_on_sale(db, include_withdrawn=include_withdrawn)
        return [TokenPackage.of(view) for view in views]

    @strawberry.field(description="One package, also one that is sold no more. Null when unknown.", directives=public())
    async def token_package(
        self, id: Annotated[strawberry.ID, strawberry.argument(description="The package.")]
    ) -> TokenPackage | None:
        key = read_id(id, "TokenPackage")
        if key is None:
            return None
        async with connection() as db:
            view = await read_package(db, key)
        return None if view is None else TokenPackage.of(view)

    @strawberry.field(
        description="The volume tiers of plain quantities, or of a custom package. Null when there are none.",
        directives=public(),
    )
    async def volume_schedule(
        self,
        package_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="The custom package; null for plain quantities.")
        ] = None,
    ) -> VolumeSchedule | None:
        key = None if package_id is None else read_id(package_id, "TokenPackage")
        if package_id is not None and key is None:
            return None
        async with connection() as db:
            view = await read_schedule(db, key)
        return None if view is None else VolumeSchedule.of(view)
