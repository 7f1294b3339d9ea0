"""Correcting a wallet by hand."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, TypeAlias

import strawberry

from models import adjusting
from models.database import retrying
from models.wallets import ensure_wallet
from rules.permissions import Permission
from schema.context import Info
from schema.edge.masking import ErrorCode, public_error
from schema.edge.permissions import requires
from schema.problems import IdempotencyConflict, InsufficientTokens, InvalidExpiry, InvalidTokens, WalletNotFound
from schema.scalars import clean_text, read_key
from schema.scope import wallet_owner
from schema.spending import TokensMoved


@strawberry.input(description="A correction, once.")
class AdjustBalanceInput:
    organization_id: strawberry.ID = strawberry.field(description="Whose wallet.")
    tokens: Decimal = strawberry.field(
        description="More than 0 to put tokens in, less than 0 to take them out; at most 4 decimal places."
    )
    reason: str = strawberry.field(description="Why, 1 to 500 characters; it stands in the history.")
    idempotency_key: str = strawberry.field(
        description="Your own name for this correction, 1 to 255 characters. The same key never corrects twice."
    )
    expires_at: datetime | None = strawberry.field(
        default=None, description="When tokens that are put in expire; null for never. Not when they are taken out."
    )


@strawberry.type(description="The wallet is corrected: the tokens are in it, or out of it.")
class AdjustBalanceSuccess(TokensMoved):
    pass


AdjustBalanceResult: TypeAlias = Annotated[
    AdjustBalanceSuccess | InsufficientTokens | InvalidTokens | InvalidExpiry | WalletNotFound | IdempotencyConflict,
    strawberry.union("AdjustBalanceResult"),
]


def adjustment_order(info: Info, input: AdjustBalanceInput) -> adjusting.AdjustmentOrder:
    """The order in the words of the models. Raises WalletNotFound and BAD_USER_INPUT."""
    if input.tokens < 0 and input.expires_at is not None:
        raise public_error("Tokens that are taken out do not expire.", ErrorCode.BAD_USER_INPUT, field="expiresAt")
    return adjusting.AdjustmentOrder(
        organization_id=wallet_owner(info, input.organization_id),
        tokens=input.tokens,
        reason=clean_text(input.reason, "reason", length_min=1),
        key=read_key(input.idempotency_key),
        actor=info.context.caller().name,
        expires_at=input.expires_at,
        request_id=info.context.request_id,
    )


@strawberry.type
class AdjustingMutations:
    @strawberry.mutation(
        description="Correct a wallet by hand. What is put in costs nothing; what is taken out burns like spent "
        "tokens, never more than is available. A suspended wallet can be corrected too.",
        directives=requires(Permission.FINANCE_MANAGE),
    )
    async def adjust_balance(
        self, info: Info, input: Annotated[AdjustBalanceInput, strawberry.argument(description="The correction.")]
    ) -> AdjustBalanceResult:
        order = adjustment_order(info, input)
        adjusting.check_amount(order.tokens)
        await ensure_wallet(order.organization_id, info.context.product.options.wallet_defaults)
        booked = await retrying(lambda: adjusting.adjust(order, at=info.context.now))
        return AdjustBalanceSuccess.of(booked)
