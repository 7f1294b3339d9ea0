"""The words in which the wallet's model is spoken to: whole numbers, and short answers instead of the product's own.

Tokens are ten-thousandths, instants are hours since the beginning. Nothing may be finer than that.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from models.budgets import BudgetView
from models.deciding import Answer as Told
from models.errors import (
    BatchRefused,
    BudgetExceeded,
    BudgetNotFound,
    CaptureExceedsHold,
    HoldNotFound,
    HoldResolved,
    HoldTooLong,
    IdempotencyConflict,
    InsufficientTokens,
    Refusal,
    WalletSuspended,
)
from models.outcomes import Booked, Held
from tests.models.token_model import Answer

START = datetime(2026, 1, 1, tzinfo=UTC)
REFUSED: dict[type[Refusal], str] = {
    BatchRefused: "batch",
    BudgetExceeded: "over",
    BudgetNotFound: "no budget",
    CaptureExceedsHold: "exceeds",
    HoldNotFound: "no hold",
    HoldResolved: "resolved",
    HoldTooLong: "too long",
    IdempotencyConflict: "conflict",
    InsufficientTokens: "short",
    WalletSuspended: "suspended",
}
BECAUSE = {kind.code: word for kind, word in REFUSED.items()}


def plain(tokens: Decimal) -> int:
    """Tokens in ten-thousandths."""
    number = tokens.scaleb(4)
    assert number == int(number)
    return int(number)


def tokens_of(number: int) -> Decimal:
    return Decimal(number).scaleb(-4)


def hours_of(moment: datetime) -> int:
    hours, rest = divmod(moment - START, timedelta(hours=1))
    assert not rest
    return hours


def short_of(answer: Told | BudgetView) -> Answer:
    """An answer in the words of the model; one that was told before says "again" at its end."""
    match answer:
        case Booked():
            told: Answer = (
                "booked",
                answer.sequence,
                plain(answer.tokens),
                plain(answer.available),
                plain(answer.held),
            )
            return (*told, "again") if answer.replayed else told
        case Held():
            hold, balances = answer.hold, (plain(answer.available), plain(answer.held))
            ends = hours_of(hold.expires_at)
            told = ("hold", hold.status.value, plain(hold.tokens), plain(hold.captured), ends, *balances)
            return (*told, "again") if answer.replayed else told
        case BudgetView():
            return ("budget", plain(answer.limit), plain(answer.used), hours_of(answer.resets_at))
    return (REFUSED[type(answer)], *_numbers(answer))


def _numbers(refusal: Refusal) -> Answer:
    """What a refusal says besides its name."""
    match refusal:
        case InsufficientTokens():
            return (plain(refusal.needed), plain(refusal.available))
        case BudgetExceeded():
            limit, needed, left = (plain(each) for each in (refusal.limit, refusal.needed, refusal.left))
            return (refusal.period, limit, needed, left, hours_of(refusal.resets_at))
        case HoldResolved():
            return (refusal.status, plain(refusal.captured), hours_of(refusal.resolved_at))
        case CaptureExceedsHold():
            return (plain(refusal.asked), plain(refusal.held))
        case HoldTooLong():
            return (hours_of(refusal.latest),)
        case WalletSuspended():
            return (hours_of(refusal.since),)
        case BatchRefused():
            return (refusal.position, BECAUSE[refusal.because])
    return ()
