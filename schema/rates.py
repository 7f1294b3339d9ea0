"""The rate card: what operations cost in tokens, and what a list of them would cost."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Self, TypeAlias

import strawberry

from models.database import connection
from models.rates import RatedCost, RateDraft, RateView, price_operations, rate_card, remove_rate, set_rate
from models.wallets import ensure_wallet, read_wallet
from rules.permissions import Permission
from rules.rates import OPERATION_LENGTH_MAX, is_operation
from schema.catalogue import keeper
from schema.context import Info
from schema.edge.costs import costs, sized
from schema.edge.masking import ErrorCode, public_error
from schema.edge.permissions import requires
from schema.money import at_token_places
from schema.nodes import Node
from schema.problems import InvalidRate, InvalidUnits, OperationNotFound, WalletNotFound
from schema.scalars import clean_text
from schema.scope import wallet_owner
from schema.tolls import LIST_UNITS

ITEMS_MAX = 100
UNIT_MAX = 50


@strawberry.type(
    description="What one unit of an operation costs in tokens. A rate never changes: another replaces it."
)
class TokenRate(Node):
    operation: str = strawberry.field(description="Its name, such as `claim.submission`.")
    tokens_per_unit: Decimal = strawberry.field(description="Tokens for one unit, at most 6 places.")
    unit: str = strawberry.field(description='What is counted, such as "page".')
    description: str = strawberry.field(description="For people.")
    version: int = strawberry.field(description="1, 2, 3 … for each operation.")
    valid_from: datetime = strawberry.field(description="Since when it counts.")
    ended_at: datetime | None = strawberry.field(description="When it stopped counting; null while it does.")

    @classmethod
    def of(cls, view: RateView) -> Self:
        return cls(
            key=view.id,
            operation=view.operation,
            tokens_per_unit=view.tokens_per_unit,
            unit=view.unit,
            description=view.description,
            version=view.version,
            valid_from=view.valid_from,
            ended_at=view.ended_at,
        )


@strawberry.type(description="What some units of an operation cost.")
class OperationCost:
    operation: str = strawberry.field(description="The operation.")
    units: Decimal = strawberry.field(description="How many units.")
    tokens: Decimal = strawberry.field(description="Units × tokens per unit, rounded up to 4 places; at least 0.0001.")
    rate: TokenRate = strawberry.field(description="The rate it was priced by.")

    @classmethod
    def of(cls, rated: RatedCost) -> Self:
        return cls(operation=rated.operation, units=rated.units, tokens=rated.tokens, rate=TokenRate.of(rated.rate))


@strawberry.type(description="What operations would cost now, and whether the wallet has it. Nothing is reserved.")
class CostEstimate:
    items: list[OperationCost] = strawberry.field(
        description="In the order they were asked for, each priced by itself."
    )
    total: Decimal = strawberry.field(description="Tokens for all items together.")
    available: Decimal = strawberry.field(description="Tokens that the wallet has available now.")
    would_overdraw: bool = strawberry.field(description="Whether the total is more than is available.")


@strawberry.input(description="Some units of an operation.")
class OperationUnitsInput:
    operation: str = strawberry.field(description="Its name on the rate card.")
    units: Decimal = strawberry.field(description="0.000001 to 1,000,000,000 with at most 6 places.")


@strawberry.input(description="What an operation is to cost from now on.")
class SetTokenRateInput:
    operation: str = strawberry.field(
        description="Lower-case words joined by `.`, `_` or `-`, such as `claim.submission`; up to 100 characters."
    )
    tokens_per_unit: Decimal = strawberry.field(description="0.000001 to 1,000,000 with at most 6 places.")
    unit: str = strawberry.field(description='What is counted, such as "page"; 1 to 50 characters.')
    description: str = strawberry.field(default="", description="For people, up to 500 characters.")


@strawberry.input(description="Which operation is to be on the rate card no more.")
class RemoveTokenRateInput:
    operation: str = strawberry.field(description="Its name.")


@strawberry.type(description="The operation costs this from now on.")
class SetTokenRateSuccess:
    rate: TokenRate = strawberry.field(description="The rate in force.")


@strawberry.type(description="The operation is on the rate card no more.")
class RemoveTokenRateSuccess:
    rate: TokenRate = strawberry.field(description="The rate that was in force.")


EstimateCostResult: TypeAlias = Annotated[
    CostEstimate | OperationNotFound | InvalidUnits | WalletNotFound, strawberry.union("EstimateCostResult")
]
SetTokenRateResult: TypeAlias = Annotated[SetTokenRateSuccess | InvalidRate, strawberry.union("SetTokenRateResult")]
RemoveTokenRateResult: TypeAlias = Annotated[
    RemoveTokenRateSuccess | OperationNotFound, strawberry.union("RemoveTokenRateResult")
]


def operation_name(text: str) -> str:
    """A name as the rate card may have it. Raises BAD_USER_INPUT."""
    name = clean_text(text, "operation", length_min=1, length_max=OPERATION_LENGTH_MAX)
    if not is_operation(name):
        raise public_error(
            "operation must be lower-case words joined by '.', '_' or '-'.", ErrorCode.BAD_USER_INPUT, field="operation"
        )
    return name


@strawberry.type
class RateQueries:
    @strawberry.field(
        description="What operations cost in tokens now, by name; at most 1,000.",
        directives=[*requires(Permission.TOKENS_VIEW), *costs(LIST_UNITS)],
    )
    async def rate_card(self) -> list[TokenRate]:
        async with connection() as db:
            return [TokenRate.of(view) for view in await rate_card(db)]

    @strawberry.field(
        description="What operations would cost now, each and together, and whether the wallet has it.",
        directives=[*requires(Permission.TOKENS_VIEW), *sized("items")],
    )
    async def estimate_cost(
        self,
        info: Info,
        items: Annotated[list[OperationUnitsInput], strawberry.argument(description="1 to 100 operations.")],
        organization_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Whose wallet; null for the caller's own.")
        ] = None,
    ) -> EstimateCostResult:
        owner, now = wallet_owner(info, organization_id), info.context.now
        if not 1 <= len(items) <= ITEMS_MAX:
            raise public_error(f"items takes 1 to {ITEMS_MAX}.", ErrorCode.BAD_USER_INPUT, field="items")
        wanted = [(operation_name(item.operation), item.units) for item in items]
        await ensure_wallet(owner, info.context.product.options.wallet_defaults)
        async with connection() as db:
            rated = await price_operations(db, wanted, at=now)
            wallet = await read_wallet(db, owner, at=now)
        total = sum((one.tokens for one in rated), Decimal(0))
        available = Decimal(0) if wallet is None else wallet.available
        return CostEstimate(
            items=[OperationCost.of(one) for one in rated],
            total=at_token_places(total),
            available=at_token_places(available),
            would_overdraw=total > available,
        )


@strawberry.type
class RateMutations:
    @strawberry.mutation(
        description="Let an operation cost something else from now on, or put it on the rate card. What was spent "
        "before is not touched, and the same again changes nothing.",
        directives=requires(Permission.CATALOG_MANAGE),
    )
    async def set_token_rate(
        self, info: Info, input: Annotated[SetTokenRateInput, strawberry.argument(description="The rate.")]
    ) -> SetTokenRateResult:
        draft = RateDraft(
            operation_name(input.operation),
            input.tokens_per_unit,
            clean_text(input.unit, "unit", length_min=1, length_max=UNIT_MAX),
            clean_text(input.description, "description"),
        )
        return SetTokenRateSuccess(rate=TokenRate.of(await set_rate(draft, keeper(info), at=info.context.now)))

    @strawberry.mutation(
        description="Take an operation off the rate card. Its rates so far are kept.",
        directives=requires(Permission.CATALOG_MANAGE),
    )
    async def remove_token_rate(
        self, info: Info, input: Annotated[RemoveTokenRateInput, strawberry.argument(description="Which.")]
    ) -> RemoveTokenRateResult:
        view = await remove_rate(operation_name(input.operation), keeper(info), at=info.context.now)
        return RemoveTokenRateSuccess(rate=TokenRate.of(view))
