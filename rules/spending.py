"""What happens to a wallet when tokens are spent: one decision for any number of requests that meet at one wallet.

The requests are decided in the order given, each on what the ones before it left. A request that cannot be paid
changes nothing and does not stop the ones behind it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from rules.lots import Draw, Lot, NotEnough, after_draws, available_tokens, draw_down, expired_draws


@dataclass(frozen=True, slots=True)
class WalletState:
    """A wallet as it was locked: sums in tokens, `sequence` of its last entry, and every lot with tokens left."""

    available: Decimal
    held: Decimal
    sequence: int
    is_active: bool
    lots: tuple[Lot, ...]


@dataclass(frozen=True, slots=True)
class Movement:
    """One entry to be written: tokens that leave the wallet, from which lots, and the balances around it."""

    tokens: Decimal
    sequence: int
    available_before: Decimal
    available_after: Decimal
    draws: tuple[Draw, ...]


@dataclass(frozen=True, slots=True)
class Shortage:
    """A refused request: what it needed and what there was."""

    needed: Decimal
    available: Decimal


@dataclass(frozen=True, slots=True)
class Decision:
    """`expirations` come first: what has expired leaves before anything is spent."""

    expirations: tuple[Movement, ...]
    answers: tuple[Movement | Shortage, ...]

    @property
    def spent(self) -> tuple[Movement, ...]:
        return tuple(answer for answer in self.answers if isinstance(answer, Movement))


def settle_expired(wallet: WalletState, at: datetime) -> tuple[WalletState, tuple[Movement, ...]]:
    """The wallet after its expired tokens left, one movement for each lot that lost some."""
    movements: list[Movement] = []
    available, sequence = wallet.available, wallet.sequence
    draws = expired_draws(wallet.lots, at)
    for draw in draws:
        sequence += 1
        movements.append(Movement(draw.tokens, sequence, available, available - draw.tokens, (draw,)))
        available -= draw.tokens
    state = WalletState(available, wallet.held, sequence, wallet.is_active, after_draws(wallet.lots, draws))
    return state, tuple(movements)


def decide_spends(wallet: WalletState, amounts: Sequence[Decimal], at: datetime) -> Decision:
    """What each request (tokens > 0, at most 4 places) gets, in order."""
    state, expirations = settle_expired(wallet, at)
    answers: list[Movement | Shortage] = []
    lots, available, sequence = state.lots, state.available, state.sequence
    for tokens in amounts:
        try:
            draws = draw_down(lots, tokens, at)
        except NotEnough as refusal:
            answers.append(Shortage(needed=tokens, available=refusal.available))
            continue
        sequence += 1
        answers.append(Movement(tokens, sequence, available, available - tokens, draws))
        lots, available = after_draws(lots, draws), available - tokens
    return Decision(expirations, tuple(answers))


def spendable(wallet: WalletState, at: datetime) -> Decimal:
    """The available tokens at an instant, by the lots: what expired counts no more, booked or not."""
    return available_tokens(wallet.lots, at)
