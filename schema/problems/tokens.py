"""Refusals of tokens and wallets as the API tells them."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import strawberry

from models import errors
from schema.money import at_token_places
from schema.problems.problem import Problem, Shown, same


@strawberry.type(description="The wallet holds fewer available tokens than are needed.")
class InsufficientTokens(Problem):
    needed: Decimal = strawberry.field(description="Tokens that were asked for.")
    available: Decimal = strawberry.field(description="Tokens that could be used at that instant.")


@strawberry.type(description="Not a number of tokens that this operation takes.")
class InvalidTokens(Problem):
    minimum: Decimal = strawberry.field(description="The fewest tokens it takes.")
    maximum: Decimal = strawberry.field(description="The most tokens it takes.")
    decimal_places: int = strawberry.field(description="The most decimal places it takes.")


@strawberry.type(description="Tokens would expire before they are granted.")
class InvalidExpiry(Problem):
    expires_at: datetime = strawberry.field(description="The expiry that was asked for.")


@strawberry.type(description="The wallet is suspended: it can be read, but nothing may be spent or bought.")
class WalletSuspended(Problem):
    reason: str = strawberry.field(description="Why it was suspended.")
    since: datetime = strawberry.field(description="Since when.")


@strawberry.type(description="No such wallet, or not within the caller's organization.")
class WalletNotFound(Problem):
    pass


@strawberry.type(description="The idempotency key was used before with other input. The first answer stands.")
class IdempotencyConflict(Problem):
    pass


@strawberry.type(description="Spending and buying are switched off by the operators; reading goes on.")
class TokenSystemDisabled(Problem):
    pass


def _insufficient(refusal: errors.InsufficientTokens) -> dict[str, Any]:
    return {"needed": at_token_places(refusal.needed), "available": at_token_places(refusal.available)}


PROBLEMS: Shown = {
    errors.InsufficientTokens: (InsufficientTokens, _insufficient),
    errors.InvalidTokens: (InvalidTokens, same("minimum", "maximum", "decimal_places")),
    errors.InvalidExpiry: (InvalidExpiry, same("expires_at")),
    errors.WalletSuspended: (WalletSuspended, same("reason", "since")),
    errors.WalletNotFound: (WalletNotFound, same()),
    errors.IdempotencyConflict: (IdempotencyConflict, same()),
    errors.TokenSystemDisabled: (TokenSystemDisabled, same()),
}
