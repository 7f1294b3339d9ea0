"""What happens to a wallet when tokens are used: one decision for any number of requests that meet at one wallet.

The requests are decided in the order given, each on what the ones before it left. A request that cannot be granted
changes nothing and does not stop the ones behind it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias
from uuid import UUID

from rules.budgets import OverBudget, Usage
from rules.entries import EntryKind
from rules.holding import CaptureExcess, Hold, HoldStatus, Purpose, latest_expiry, split
from rules.lots import Draw, NotEnough, available_tokens
from rules.sheet import Movement, Sheet, WalletState

__all__ = ["Movement", "WalletState"]


@dataclass(frozen=True, slots=True)
class Spend:
    """Tokens (> 0, at most 4 places) that leave the wallet now."""

    tokens: Decimal
    actor: str


@dataclass(frozen=True, slots=True)
class Reserve:
    """Tokens (> 0, at most 4 places) that nobody else may use until the hold is resolved or expires."""

    hold_id: UUID
    tokens: Decimal
    actor: str
    expires_at: datetime
    purpose: Purpose = field(default_factory=Purpose)


@dataclass(frozen=True, slots=True)
class Capture:
    """A hold ends by being spent. `tokens` None is all that is held."""

    hold_id: UUID
    tokens: Decimal | None
    excess: CaptureExcess


@dataclass(frozen=True, slots=True)
class Release:
    """A hold ends without being spent."""

    hold_id: UUID


@dataclass(frozen=True, slots=True)
class Extend:
    """A hold lasts until a later instant; an earlier one changes nothing."""

    hold_id: UUID
    expires_at: datetime


Request: TypeAlias = Spend | Reserve | Capture | Release | Extend


@dataclass(frozen=True, slots=True)
class Moved:
    """A granted request: its movements, first the one it is about; the balances after them, and the hold as it is left.

    An extension moves nothing; `at` is the instant it was all decided at.
    """

    movements: tuple[Movement, ...]
    available: Decimal
    held: Decimal
    at: datetime
    hold: Hold | None = None


@dataclass(frozen=True, slots=True)
class Shortage:
    """Refused: what was needed and what there was."""

    needed: Decimal
    available: Decimal


@dataclass(frozen=True, slots=True)
class Unheld:
    """Refused: there is no such hold, or it has ended and says how."""

    hold: Hold | None


@dataclass(frozen=True, slots=True)
class MoreThanHeld:
    """Refused: more was to be captured than is held, and the caller wanted that refused."""

    asked: Decimal
    held: Decimal


@dataclass(frozen=True, slots=True)
class TooLong:
    """Refused: a hold may not last so long; `latest` is the last instant it may be extended to."""

    latest: datetime


Answer: TypeAlias = Moved | Shortage | OverBudget | Unheld | MoreThanHeld | TooLong


@dataclass(frozen=True, slots=True)
class Decision:
    """`settled` comes first: what was over leaves before anything is used.

    movements   all of them in order, the settled ones included.
    ended       the holds that were found overdue, as they ended.
    """

    settled: tuple[Movement, ...]
    answers: tuple[Answer, ...]
    movements: tuple[Movement, ...]
    ended: tuple[Hold, ...]


def settle_expired(wallet: WalletState, at: datetime) -> tuple[WalletState, tuple[Movement, ...]]:
    """The wallet after everything that is over was written down: overdue holds end, expired tokens leave."""
    sheet = Sheet(wallet, at)
    sheet.settle()
    return sheet.state(), tuple(sheet.movements)


def spendable(wallet: WalletState, at: datetime) -> Decimal:
    """The available tokens at an instant, by the lots: what expired counts no more, booked or not."""
    return available_tokens(wallet.lots, at)


def decide(wallet: WalletState, requests: Sequence[Request], at: datetime, usage: Usage | None = None) -> Decision:
    """What each request gets, in order. `usage` is added to by what is used; without it there are no budgets."""
    sheet, usage = Sheet(wallet, at), usage or Usage((), {})
    sheet.settle()
    ended = tuple(sheet.ended)
    for hold in ended:
        usage.add(hold.actor, -hold.tokens, hold.held_at)
    settled = tuple(sheet.movements)
    answers = tuple(_answer(sheet, request, usage) for request in requests)
    return Decision(settled, answers, tuple(sheet.movements), ended)


def _answer(sheet: Sheet, request: Request, usage: Usage) -> Answer:
    try:
        match request:
            case Spend():
                return _spend(sheet, request, usage)
            case Reserve():
                return _reserve(sheet, request, usage)
            case Capture():
                return _capture(sheet, request, usage)
            case Release():
                return _release(sheet, request, usage)
            case Extend():
                return _extend(sheet, request)
    except NotEnough as short:
        return Shortage(needed=short.needed, available=short.available)


def _spend(sheet: Sheet, request: Spend, usage: Usage) -> Answer:
    over = usage.refusal(request.actor, request.tokens, sheet.at)
    if over is not None:
        return over
    movement = sheet.spend(request.tokens)
    usage.add(request.actor, request.tokens, sheet.at)
    return _moved(sheet, (movement,))


def _reserve(sheet: Sheet, request: Reserve, usage: Usage) -> Answer:
    over = usage.refusal(request.actor, request.tokens, sheet.at)
    if over is not None:
        return over
    parts = sheet.draw(request.tokens)
    movement = sheet.write(EntryKind.HOLD, reserved=parts, about=request.hold_id)
    usage.add(request.actor, request.tokens, sheet.at)
    hold = Hold(
        request.hold_id, request.tokens, HoldStatus.HELD, request.actor, sheet.at, request.expires_at, parts,
        purpose=request.purpose,
    )  # fmt: skip
    sheet.holds[hold.id] = hold
    return _moved(sheet, (movement,), hold)


def _capture(sheet: Sheet, request: Capture, usage: Usage) -> Answer:
    hold = sheet.holds.get(request.hold_id)
    if hold is None or hold.status is not HoldStatus.HELD:
        return Unheld(hold)
    tokens = hold.tokens if request.tokens is None else request.tokens
    if tokens > hold.tokens and request.excess is CaptureExcess.REJECT:
        return MoreThanHeld(tokens, hold.tokens)
    if tokens > hold.tokens and request.excess is CaptureExcess.CAP:
        tokens = hold.tokens
    more = tokens - hold.tokens
    over = usage.refusal(hold.actor, more, hold.held_at) if more > 0 else None
    if over is not None:
        return over
    extra = sheet.draw(more) if more > 0 else ()
    usage.add(hold.actor, more, hold.held_at)
    return _spend_held(sheet, hold, tokens, extra)


def _spend_held(sheet: Sheet, hold: Hold, tokens: Decimal, extra: tuple[Draw, ...]) -> Moved:
    """The hold pays for what it can, `extra` for the rest; what it does not need returns to its lots."""
    begun = len(sheet.movements)
    paying, left = split(hold.parts, tokens)
    no_longer_held = tuple(Draw(part.lot_id, -part.tokens) for part in paying)
    sheet.write(EntryKind.CAPTURE, draws=_together(paying, extra), reserved=no_longer_held, about=hold.id)
    if left:
        sheet.give_back(hold, left, occurred_at=sheet.at)
    ended = replace(hold, status=HoldStatus.CAPTURED, captured=tokens, resolved_at=sheet.at)
    sheet.holds[hold.id] = ended
    return _moved(sheet, sheet.movements[begun:], ended)


def _release(sheet: Sheet, request: Release, usage: Usage) -> Answer:
    hold = sheet.holds.get(request.hold_id)
    if hold is None or hold.status is not HoldStatus.HELD:
        return Unheld(hold)
    begun = len(sheet.movements)
    sheet.give_back(hold, hold.parts, occurred_at=sheet.at)
    usage.add(hold.actor, -hold.tokens, hold.held_at)
    ended = replace(hold, status=HoldStatus.RELEASED, resolved_at=sheet.at)
    sheet.holds[hold.id] = ended
    return _moved(sheet, sheet.movements[begun:], ended)


def _extend(sheet: Sheet, request: Extend) -> Answer:
    hold = sheet.holds.get(request.hold_id)
    if hold is None or hold.status is not HoldStatus.HELD:
        return Unheld(hold)
    latest = latest_expiry(hold.held_at)
    if request.expires_at > latest:
        return TooLong(latest)
    extended = replace(hold, expires_at=max(hold.expires_at, request.expires_at))
    sheet.holds[hold.id] = extended
    return _moved(sheet, (), extended)


def _moved(sheet: Sheet, movements: Sequence[Movement], hold: Hold | None = None) -> Moved:
    return Moved(tuple(movements), sheet.available, sheet.held, sheet.at, hold)


def _together(first: tuple[Draw, ...], second: tuple[Draw, ...]) -> tuple[Draw, ...]:
    """Both, with one draw for each lot."""
    if not second:
        return first
    tokens: dict[UUID, Decimal] = {}
    for draw in (*first, *second):
        tokens[draw.lot_id] = tokens.get(draw.lot_id, Decimal(0)) + draw.tokens
    return tuple(Draw(lot_id, each) for lot_id, each in tokens.items())
