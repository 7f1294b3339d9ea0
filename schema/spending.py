"""Spending and granting tokens."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Self, TypeAlias

import strawberry

from models import granting, spending
from models.database import retrying
from models.outcomes import Booked
from models.rates import RateView
from models.wallets import ensure_wallet
from rules.permissions import Permission
from schema.context import Info
from schema.edge.masking import ErrorCode, public_error
from schema.edge.permissions import requires
from schema.enums import LotKind
from schema.ids import global_id
from schema.money import at_token_places
from schema.problems import (
    BatchRefused,
    BudgetExceeded,
    IdempotencyConflict,
    InsufficientTokens,
    InvalidExpiry,
    InvalidTokens,
    InvalidUnits,
    OperationNotFound,
    TokenSystemDisabled,
    WalletBusy,
    WalletNotFound,
    WalletSuspended,
)
from schema.rated import amount_of, rates_for
from schema.scalars import clean_text, read_key, read_reference
from schema.scope import refuse_when_disabled, wallet_owner

GRANTABLE = frozenset({LotKind.BONUS, LotKind.PROMO, LotKind.PLAN})


@strawberry.input(description="Tokens to be spent, once.")
class SpendTokensInput:
    idempotency_key: str = strawberry.field(
        description="Your own name for this spend, 1 to 255 characters. The same key never spends twice."
    )
    tokens: Decimal | None = strawberry.field(default=None, description="More than 0, at most 4 decimal places.")
    operation: str | None = strawberry.field(
        default=None, description="Or an operation of the rate card, at its price in tokens now, with `units`."
    )
    units: Decimal | None = strawberry.field(
        default=None, description="How many units of the operation: more than 0, at most 6 decimal places."
    )
    reference_type: str | None = strawberry.field(default=None, description='What they are spent on, such as "report".')
    reference_id: str | None = strawberry.field(default=None, description="Which one.")
    description: str = strawberry.field(default="", description="For people, up to 500 characters.")
    organization_id: strawberry.ID | None = strawberry.field(
        default=None, description="Whose; null for the caller's own."
    )


@strawberry.input(description="Tokens to be given, once.")
class GrantTokensInput:
    organization_id: strawberry.ID = strawberry.field(description="Who gets them.")
    tokens: Decimal = strawberry.field(description="More than 0, at most 4 decimal places.")
    idempotency_key: str = strawberry.field(description="Your own name for this grant. The same key never gives twice.")
    reason: str = strawberry.field(description="Why, 1 to 500 characters; it stands in the history.")
    kind: LotKind = strawberry.field(default=LotKind.PROMO, description="BONUS, PROMO or PLAN.")
    expires_at: datetime | None = strawberry.field(
        default=None, description="When what is left expires; null for never."
    )
    priority: int = strawberry.field(default=50, description="0 to 100; lower burns first.")


@strawberry.type(description="The entry that was written, and the balances right after it.")
class TokensMoved:
    entry_id: strawberry.ID = strawberry.field(description="The entry.")
    sequence: int = strawberry.field(description="Its place in the wallet's history.")
    tokens: Decimal = strawberry.field(description="How many tokens moved, without a sign.")
    available: Decimal = strawberry.field(description="Available tokens right after it.")
    held: Decimal = strawberry.field(description="Held tokens right after it.")
    occurred_at: datetime = strawberry.field(description="When it happened.")
    replayed: bool = strawberry.field(
        description="Whether this is the first answer told again; then nothing moved now."
    )

    @classmethod
    def of(cls, booked: Booked) -> Self:
        return cls(
            entry_id=global_id("WalletEntry", booked.entry_id),
            sequence=booked.sequence,
            tokens=at_token_places(booked.tokens),
            available=at_token_places(booked.available),
            held=at_token_places(booked.held),
            occurred_at=booked.occurred_at,
            replayed=booked.replayed,
        )


@strawberry.type(description="The tokens have left the wallet.")
class SpendTokensSuccess(TokensMoved):
    pass


@strawberry.type(description="The tokens are in the wallet.")
class GrantTokensSuccess(TokensMoved):
    pass


SpendTokensResult: TypeAlias = Annotated[
    SpendTokensSuccess
    | InsufficientTokens
    | InvalidTokens
    | OperationNotFound
    | InvalidUnits
    | BudgetExceeded
    | WalletSuspended
    | WalletNotFound
    | WalletBusy
    | BatchRefused
    | IdempotencyConflict
    | TokenSystemDisabled,
    strawberry.union("SpendTokensResult"),
]
GrantTokensResult: TypeAlias = Annotated[
    GrantTokensSuccess | InvalidTokens | InvalidExpiry | WalletNotFound | IdempotencyConflict,
    strawberry.union("GrantTokensResult"),
]


def spend_order(info: Info, input: SpendTokensInput, rates: Mapping[str, RateView]) -> spending.SpendOrder:
    """The order in the words of the models. Raises WalletNotFound, InvalidTokens, InvalidUnits, BAD_USER_INPUT."""
    tokens, rated = amount_of(rates, input.tokens, input.operation, input.units)
    return spending.SpendOrder(
        organization_id=wallet_owner(info, input.organization_id),
        tokens=tokens,
        key=read_key(input.idempotency_key),
        actor=info.context.caller().name,
        reference_type=read_reference(input.reference_type, "referenceType"),
        reference_id=read_reference(input.reference_id, "referenceId"),
        description=clean_text(input.description, "description"),
        request_id=info.context.request_id,
        rated=rated,
    )


def grant_order(info: Info, input: GrantTokensInput) -> granting.GrantOrder:
    """The order in the words of the models. Raises WalletNotFound and BAD_USER_INPUT."""
    if input.kind not in GRANTABLE:
        raise public_error("kind must be BONUS, PROMO or PLAN.", ErrorCode.BAD_USER_INPUT, field="kind")
    if not 0 <= input.priority <= 100:
        raise public_error("priority must be between 0 and 100.", ErrorCode.BAD_USER_INPUT, field="priority")
    return granting.GrantOrder(
        organization_id=wallet_owner(info, input.organization_id),
        tokens=input.tokens,
        kind=input.kind,
        reason=clean_text(input.reason, "reason", length_min=1),
        key=read_key(input.idempotency_key),
        actor=info.context.caller().name,
        expires_at=input.expires_at,
        priority=input.priority,
        request_id=info.context.request_id,
    )


@strawberry.type
class SpendingMutations:
    @strawberry.mutation(
        description="Spend tokens: lots burn by priority, then earliest expiry, free before paid, then oldest. The "
        "same key with the same input answers with the first answer, refusals included; other input is refused.",
        directives=requires(Permission.TOKENS_SPEND),
    )
    async def spend_tokens(
        self, info: Info, input: Annotated[SpendTokensInput, strawberry.argument(description="What is spent.")]
    ) -> SpendTokensResult:
        refuse_when_disabled(info)
        order = spend_order(info, input, await rates_for(info, [input.operation]))
        if order.tokens == 0:
            return SpendTokensSuccess.of(await spending.spent_before(order))
        booked = await info.context.product.tills.ask(order, at=info.context.now)
        assert isinstance(booked, Booked)
        return SpendTokensSuccess.of(booked)

    @strawberry.mutation(
        description="Give tokens that cost nothing. A suspended wallet can be given tokens too.",
        directives=requires(Permission.FINANCE_MANAGE),
    )
    async def grant_tokens(
        self, info: Info, input: Annotated[GrantTokensInput, strawberry.argument(description="What is given.")]
    ) -> GrantTokensResult:
        order = grant_order(info, input)
        granting.check_amount(order.tokens)
        await ensure_wallet(order.organization_id, info.context.product.options.wallet_defaults)
        booked = await retrying(lambda: granting.grant(order, at=info.context.now))
        return GrantTokensSuccess.of(booked)
