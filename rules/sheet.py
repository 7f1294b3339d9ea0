"""The sheet on which a locked wallet is worked out: what each change does to its balances and to its lots.

Changes are written down one after the other and never taken back; each becomes one movement, that is one entry of the
history. The lots that may be used are put into burn order once, so that many requests cost little more than one.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from rules.entries import EntryKind
from rules.holding import Hold, HoldStatus
from rules.lots import Draw, Lot, NotEnough, burn_order

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class WalletState:
    """A wallet as it was locked: sums in tokens, `sequence` of its last entry, and every lot with tokens left.

    holds   those that matter to what is asked: the overdue ones, and the ones the requests name.
    """

    available: Decimal
    held: Decimal
    sequence: int
    is_active: bool
    lots: tuple[Lot, ...]
    holds: tuple[Hold, ...] = ()


@dataclass(frozen=True, slots=True)
class Movement:
    """One entry to be written, with the balances around it.

    change       of available + held tokens, signed; held_change is the part of it that is held.
    draws        tokens that leave each lot; reserved are those that become held in each lot, negative when they are no
                 longer.
    occurred_at  when it happened, which for an expiry is before it is written.
    about        the hold or the lot it is about, when there is one.
    """

    kind: EntryKind
    change: Decimal
    held_change: Decimal
    sequence: int
    available_before: Decimal
    available_after: Decimal
    held_after: Decimal
    draws: tuple[Draw, ...]
    reserved: tuple[Draw, ...]
    occurred_at: datetime
    about: UUID | None = None

    @property
    def tokens(self) -> Decimal:
        """How many tokens it is about, without a sign: what left, or else what was reserved or came back."""
        return abs(self.change or self.held_change)


class Sheet:
    """A wallet while it is worked out, at an instant. `movements` is what has been written down so far."""

    def __init__(self, wallet: WalletState, at: datetime) -> None:
        self.at = at
        self.available = wallet.available
        self.held = wallet.held
        self.sequence = wallet.sequence
        self.holds = {hold.id: hold for hold in wallet.holds}
        self.movements: list[Movement] = []
        # The holds that were overdue, as they ended when the sheet was settled.
        self.ended: list[Hold] = []
        self._wallet = wallet
        self._lots = {lot.id: lot for lot in wallet.lots}
        self._usable = sorted((lot for lot in wallet.lots if lot.counts(at)), key=burn_order)
        self._first = 0

    def state(self) -> WalletState:
        """The wallet as it is after everything that was written down."""
        lots = tuple(self._lots[lot.id] for lot in self._wallet.lots)
        holds = tuple(self.holds.values())
        return replace(
            self._wallet, available=self.available, held=self.held, sequence=self.sequence, lots=lots, holds=holds
        )

    def spendable(self) -> Decimal:
        """What may be spent or held now."""
        return sum((self._lots[lot.id].free for lot in self._usable[self._first :]), ZERO)

    def draw(self, tokens: Decimal) -> tuple[Draw, ...]:
        """Which lots pay for `tokens` (> 0), in burn order; nothing is written down. Raises NotEnough."""
        draws: list[Draw] = []
        wanted = tokens
        self._skip_empty()
        for place in range(self._first, len(self._usable)):
            lot = self._lots[self._usable[place].id]
            taken = min(lot.free, wanted)
            if taken > 0:
                draws.append(Draw(lot.id, taken))
                wanted -= taken
            if wanted == 0:
                return tuple(draws)
        raise NotEnough(needed=tokens, available=tokens - wanted)

    def spend(self, tokens: Decimal) -> Movement:
        """`tokens` leave the wallet. Raises NotEnough, having written nothing."""
        return self.write(EntryKind.SPEND, draws=self.draw(tokens))

    def write(
        self,
        kind: EntryKind,
        *,
        draws: Iterable[Draw] = (),
        reserved: Iterable[Draw] = (),
        occurred_at: datetime | None = None,
        about: UUID | None = None,
    ) -> Movement:
        """One movement is written down, and the lots and balances are as it leaves them."""
        draws, reserved = tuple(draws), tuple(reserved)
        left, held = _sum(draws), _sum(reserved)
        before = self.available
        self.available, self.held, self.sequence = before - left - held, self.held + held, self.sequence + 1
        for draw in draws:
            lot = self._lots[draw.lot_id]
            self._lots[draw.lot_id] = replace(lot, remaining=lot.remaining - draw.tokens)
        for draw in reserved:
            lot = self._lots[draw.lot_id]
            self._lots[draw.lot_id] = replace(lot, held=lot.held + draw.tokens)
        movement = Movement(
            kind, -left, held, self.sequence, before, self.available, self.held, draws, reserved,
            occurred_at or self.at, about,
        )  # fmt: skip
        self.movements.append(movement)
        return movement

    def put(self, kind: EntryKind, lot_id: UUID, tokens: Decimal) -> Movement:
        """A new lot of `tokens` comes in; it is not drawn from on this sheet."""
        before = self.available
        self.available, self.sequence = before + tokens, self.sequence + 1
        movement = Movement(
            kind, tokens, ZERO, self.sequence, before, self.available, self.held, (Draw(lot_id, -tokens),), (),
            self.at, lot_id,
        )  # fmt: skip
        self.movements.append(movement)
        return movement

    def give_back(self, hold: Hold, parts: tuple[Draw, ...], *, occurred_at: datetime) -> None:
        """Reserved tokens return to the lots they came from; where the lot's time is over, they expire at once."""
        back = [Draw(part.lot_id, -part.tokens) for part in parts]
        self.write(EntryKind.RELEASE, reserved=back, occurred_at=occurred_at, about=hold.id)
        self._first = 0
        for part in parts:
            if self._lots[part.lot_id].has_expired(occurred_at):
                self._expire(part.lot_id, occurred_at)

    def settle(self, *, at_most: int | None = None) -> int:
        """What was over before now is written down at its own instant: holds end, and lots expire.

        The earliest come first, `at_most` so many of them. Returns how many there were; each of them moves something.
        """
        due = self._due()[:at_most]
        for instant, is_lot, key in due:
            if is_lot:
                self._expire(key, instant)
                continue
            hold = self.holds[key]
            self.give_back(hold, hold.parts, occurred_at=instant)
            self.holds[key] = replace(hold, status=HoldStatus.EXPIRED, resolved_at=instant)
            self.ended.append(self.holds[key])
        return len(due)

    def _due(self) -> list[tuple[datetime, int, UUID]]:
        """The overdue holds and the lots to expire, by their instants; of one instant, holds come first."""
        holds = [hold for hold in self.holds.values() if hold.is_overdue(self.at)]
        returns: dict[UUID, set[datetime]] = {}
        for hold in holds:
            for part in hold.parts:
                returns.setdefault(part.lot_id, set()).add(hold.expires_at)
        lots = [
            (lot.expires_at, 1, lot.id)
            for lot in self._lots.values()
            if lot.expires_at is not None
            and lot.expires_at <= self.at
            and _expires_by_itself(lot, lot.expires_at, returns.get(lot.id, ()))
        ]
        return sorted([*((hold.expires_at, 0, hold.id) for hold in holds), *lots])

    def _expire(self, lot_id: UUID, instant: datetime) -> None:
        free = self._lots[lot_id].free
        if free > 0:
            self.write(EntryKind.EXPIRATION, draws=(Draw(lot_id, free),), occurred_at=instant, about=lot_id)

    def _skip_empty(self) -> None:
        """Lots that were used up are not looked at again, unless tokens come back to one of them."""
        while self._first < len(self._usable) and self._lots[self._usable[self._first].id].free == 0:
            self._first += 1


def _expires_by_itself(lot: Lot, instant: datetime, returns: Collection[datetime]) -> bool:
    """Whether the lot's expiry is something to do, given when holds return tokens to it.

    What a hold returns at that instant or later expires as it returns, with whatever else is free in the lot then. A
    lot that had nothing to do would be found again whenever somebody settles in steps, and they would never end.
    """
    return instant not in returns and (lot.free > 0 or any(before < instant for before in returns))


def _sum(draws: Iterable[Draw]) -> Decimal:
    return sum((draw.tokens for draw in draws), ZERO)
