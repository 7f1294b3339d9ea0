"""Refusals of holds and budgets as the API tells them, and of a wallet that is too busy."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import strawberry

from models import errors
from schema.enums import BudgetPeriod, HoldStatus
from schema.money import at_token_places
from schema.problems.problem import Problem, Shown, same


@strawberry.type(description="No such hold, or not within the caller's organization.")
class HoldNotFound(Problem):
    pass


@strawberry.type(description="A hold is resolved once, and this one was. How it ended stands.")
class HoldResolved(Problem):
    status: HoldStatus = strawberry.field(description="How it ended.")
    captured_tokens: Decimal = strawberry.field(description="Tokens that were spent by it.")
    resolved_at: datetime = strawberry.field(description="When it ended.")


@strawberry.type(description="More was to be captured than is held, and `whenMore` is REJECT.")
class CaptureExceedsHold(Problem):
    asked: Decimal = strawberry.field(description="Tokens that were to be captured.")
    held: Decimal = strawberry.field(description="Tokens that are held.")


@strawberry.type(description="A hold lasts 30 days in all at most, however often it is extended.")
class HoldTooLong(Problem):
    latest: datetime = strawberry.field(description="The last instant it may last until.")


@strawberry.type(description="Not a time that a hold can be asked to last.")
class InvalidHoldTime(Problem):
    minimum_seconds: int = strawberry.field(description="The fewest seconds.")
    maximum_seconds: int = strawberry.field(description="The most seconds.")


@strawberry.type(description="The caller's own budget has no room for it, whatever the wallet holds.")
class BudgetExceeded(Problem):
    period: BudgetPeriod = strawberry.field(description="Which of the caller's budgets: the one with the least left.")
    limit: Decimal = strawberry.field(description="Tokens it allows in each window.")
    needed: Decimal = strawberry.field(description="Tokens that were asked for.")
    left: Decimal = strawberry.field(description="Tokens left in the present window.")
    resets_at: datetime = strawberry.field(description="When the next window begins.")


@strawberry.type(description="No such budget, or not within the caller's organization.")
class BudgetNotFound(Problem):
    pass


@strawberry.type(description="No such member or API key within the organization.")
class BudgetSubjectNotFound(Problem):
    pass


@strawberry.type(
    description="More callers wait for this wallet than are kept waiting. Nothing was decided; use the same key again."
)
class WalletBusy(Problem):
    retry_after_ms: int = strawberry.field(description="Milliseconds after which it will probably be answered.")


@strawberry.type(description="Another request of an all-or-nothing batch was refused, so nothing of it was spent.")
class BatchRefused(Problem):
    position: int = strawberry.field(description="The first request that was refused, from 0.")
    because: str = strawberry.field(description="The code of its refusal.")


@strawberry.type(description="A batch holds too many requests, or none.")
class InvalidBatch(Problem):
    minimum: int = strawberry.field(description="The fewest requests.")
    maximum: int = strawberry.field(description="The most requests.")


def _resolved(refusal: errors.HoldResolved) -> dict[str, Any]:
    return {
        "status": HoldStatus(refusal.status),
        "captured_tokens": at_token_places(refusal.captured),
        "resolved_at": refusal.resolved_at,
    }


def _exceeds(refusal: errors.CaptureExceedsHold) -> dict[str, Any]:
    return {"asked": at_token_places(refusal.asked), "held": at_token_places(refusal.held)}


def _over_budget(refusal: errors.BudgetExceeded) -> dict[str, Any]:
    return {
        "period": BudgetPeriod(refusal.period),
        "limit": at_token_places(refusal.limit),
        "needed": at_token_places(refusal.needed),
        "left": at_token_places(refusal.left),
        "resets_at": refusal.resets_at,
    }


PROBLEMS: Shown = {
    errors.HoldNotFound: (HoldNotFound, same()),
    errors.HoldResolved: (HoldResolved, _resolved),
    errors.CaptureExceedsHold: (CaptureExceedsHold, _exceeds),
    errors.HoldTooLong: (HoldTooLong, same("latest")),
    errors.InvalidHoldTime: (InvalidHoldTime, same("minimum_seconds", "maximum_seconds")),
    errors.BudgetExceeded: (BudgetExceeded, _over_budget),
    errors.BudgetNotFound: (BudgetNotFound, same()),
    errors.BudgetSubjectNotFound: (BudgetSubjectNotFound, same()),
    errors.WalletBusy: (WalletBusy, same("retry_after_ms")),
    errors.BatchRefused: (BatchRefused, same("position", "because")),
    errors.InvalidBatch: (InvalidBatch, same("minimum", "maximum")),
}
