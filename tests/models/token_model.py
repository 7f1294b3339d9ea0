"""A wallet in whole numbers: tokens in ten-thousandths, time in hours since the beginning.

It shares no code with the product. Whatever the real ledger answers must be what this one answers.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

Answer = tuple[object, ...]

HOURS_MAX = 30 * 24


@dataclass
class LotModel:
    """`place` is the burn order: priority, end, free before paid, beginning, number. `held` is part of `left`."""

    place: tuple[int, float, bool, int, int]
    left: int
    held: int = 0

    @property
    def end(self) -> float:
        return self.place[1]

    @property
    def free(self) -> int:
        return self.left - self.held


@dataclass
class HoldModel:
    """`parts` are pairs of a lot and how many tokens are reserved in it, in the order in which they were taken."""

    actor: str
    begin: int
    end: int
    parts: list[tuple[LotModel, int]]
    status: str = "HELD"
    captured: int = 0

    @property
    def tokens(self) -> int:
        return sum(part for _, part in self.parts)


@dataclass
class WalletModel:
    lots: list[LotModel] = field(default_factory=list)
    holds: dict[int, HoldModel] = field(default_factory=dict)
    answers: dict[tuple[str, int], tuple[object, Answer]] = field(default_factory=dict)
    sums: Counter[str] = field(default_factory=Counter)
    used: Counter[tuple[str, int]] = field(default_factory=Counter)
    limits: dict[str, int] = field(default_factory=dict)
    sequence: int = 0
    is_suspended: bool = False

    # What counts at an instant, whether or not it has been booked.

    def overdue(self, now: int) -> list[HoldModel]:
        return [hold for hold in self.holds.values() if hold.status == "HELD" and hold.end <= now]

    def back(self, now: int) -> list[tuple[LotModel, int]]:
        """What overdue holds no longer reserve."""
        return [part for hold in self.overdue(now) for part in hold.parts]

    def available(self, now: int) -> int:
        free = sum(lot.free for lot in self.lots if lot.end > now)
        return free + sum(part for lot, part in self.back(now) if lot.end > now)

    def held(self, now: int) -> int:
        return sum(lot.held for lot in self.lots) - sum(part for _, part in self.back(now))

    def waiting_to_expire(self, now: int) -> int:
        lost = sum(part for lot, part in self.back(now) if lot.end <= now)
        return lost + sum(lot.free for lot in self.lots if lot.end <= now)

    # What callers ask, each once by its key.

    def grant(self, now: int, key: int, tokens: int, end: float, priority: int) -> Answer:
        return self._once(("grant", key), (tokens, end, priority), lambda: self.put(now, tokens, end, priority))

    def spend(self, now: int, key: int, tokens: int, actor: str) -> Answer:
        return self._once(("spend", key), tokens, lambda: self._spend(now, tokens, actor))

    def hold(self, now: int, key: int, tokens: int, hours: int, actor: str) -> Answer:
        return self._once(("hold", key), (tokens, hours), lambda: self._hold(now, key, tokens, hours, actor))

    def capture(self, now: int, key: int, hold: int, tokens: int | None, excess: str) -> Answer:
        asked = (hold, tokens, excess)
        return self._once(("capture", key), asked, lambda: self._capture(now, hold, tokens, excess))

    def release(self, now: int, key: int, hold: int) -> Answer:
        return self._once(("release", key), hold, lambda: self._release(now, hold))

    def extend(self, now: int, key: int, hold: int, hours: int) -> Answer:
        return self._once(("extend", key), (hold, hours), lambda: self._extend(now, hold, hours))

    def adjust(self, now: int, key: int, tokens: int) -> Answer:
        return self._once(("adjust", key), tokens, lambda: self._correct(now, tokens))

    def put(self, now: int, tokens: int, end: float, priority: int = 50, kind: str = "granted") -> Answer:
        self._tidy(now)
        self.lots.append(LotModel((priority, end, kind == "purchased", now, len(self.lots)), tokens))
        return self._entry(now, kind, tokens)

    # How they are decided.

    def _once(self, name: tuple[str, int], asked: object, decide: Callable[[], Answer]) -> Answer:
        if name not in self.answers:
            self.answers[name] = (asked, decide())
        return self.answers[name][1] if self.answers[name][0] == asked else ("conflict",)

    def _correct(self, now: int, tokens: int) -> Answer:
        if tokens > 0:
            return self.put(now, tokens, inf, kind="adjusted")
        self._tidy(now)
        if (parts := self._take(now, -tokens)) is None:
            return ("short", -tokens, self.available(now))
        for lot, part in parts:
            lot.left -= part
        return self._entry(now, "removed", -tokens)

    def _over(self, actor: str, tokens: int, begin: int) -> Answer | None:
        left = self.limits.get(actor, inf) - self.used[actor, begin // 24]
        return ("over", tokens, max(left, 0)) if tokens > left else None

    def _take(self, now: int, tokens: int) -> list[tuple[LotModel, int]] | None:
        """Which lots pay, in burn order; None when they cannot."""
        if tokens > self.available(now):
            return None
        parts = []
        for lot in sorted((lot for lot in self.lots if lot.end > now), key=lambda lot: lot.place):
            if (part := min(tokens, lot.free)) > 0:
                parts.append((lot, part))
                tokens -= part
        return parts

    def _spend(self, now: int, tokens: int, actor: str) -> Answer:
        if self.is_suspended:
            return ("suspended",)
        self._tidy(now)
        if (over := self._over(actor, tokens, now)) is not None:
            return over
        if (parts := self._take(now, tokens)) is None:
            return ("short", tokens, self.available(now))
        for lot, part in parts:
            lot.left -= part
        self.used[actor, now // 24] += tokens
        return self._entry(now, "consumed", tokens)

    def _hold(self, now: int, key: int, tokens: int, hours: int, actor: str) -> Answer:
        if self.is_suspended:
            return ("suspended",)
        self._tidy(now)
        if (over := self._over(actor, tokens, now)) is not None:
            return over
        if (parts := self._take(now, tokens)) is None:
            return ("short", tokens, self.available(now))
        for lot, part in parts:
            lot.held += part
        self.used[actor, now // 24] += tokens
        self.holds[key] = HoldModel(actor, now, now + hours, parts)
        self.sequence += 1
        return self._told(now, key)

    def _capture(self, now: int, key: int, tokens: int | None, excess: str) -> Answer:
        if self.is_suspended:
            return ("suspended",)
        self._tidy(now)
        if (gone := self._gone(key)) is not None:
            return gone
        hold = self.holds[key]
        tokens = hold.tokens if tokens is None else tokens
        if tokens > hold.tokens and excess == "REJECT":
            return ("exceeds", tokens, hold.tokens)
        tokens = min(tokens, hold.tokens) if excess == "CAP" else tokens
        more = max(tokens - hold.tokens, 0)
        if more and (over := self._over(hold.actor, more, hold.begin)) is not None:
            return over
        if (extra := self._take(now, more)) is None:
            return ("short", more, self.available(now))
        for lot, part in extra:
            lot.left -= part
        self.used[hold.actor, hold.begin // 24] += tokens - hold.tokens
        self._spend_held(now, hold, tokens)
        return self._told(now, key)

    def _spend_held(self, now: int, hold: HoldModel, tokens: int) -> None:
        self.sequence += 1
        self.sums["consumed"] += tokens
        rest, wanted = [], tokens
        for lot, part in hold.parts:
            paid = min(part, wanted)
            wanted -= paid
            lot.left, lot.held = lot.left - paid, lot.held - paid
            if part > paid:
                rest.append((lot, part - paid))
        if rest:
            self._give_back(now, rest)
        hold.status, hold.captured = "CAPTURED", tokens

    def _release(self, now: int, key: int) -> Answer:
        self._tidy(now)
        if (gone := self._gone(key)) is not None:
            return gone
        hold = self.holds[key]
        self.used[hold.actor, hold.begin // 24] -= hold.tokens
        self._give_back(now, hold.parts)
        hold.status = "RELEASED"
        return self._told(now, key)

    def _extend(self, now: int, key: int, hours: int) -> Answer:
        if self.is_suspended:
            return ("suspended",)
        self._tidy(now)
        if (gone := self._gone(key)) is not None:
            return gone
        hold = self.holds[key]
        if now + hours > hold.begin + HOURS_MAX:
            return ("too long",)
        hold.end = max(hold.end, now + hours)
        return self._told(now, key)

    def _gone(self, key: int) -> Answer | None:
        if key not in self.holds:
            return ("no hold",)
        hold = self.holds[key]
        return None if hold.status == "HELD" else ("resolved", hold.status, hold.captured)

    # How it is written down.

    def _tidy(self, now: int) -> None:
        """What is over is booked in the order in which it happened; of one instant, holds come first."""
        over: list[tuple[float, int, HoldModel | LotModel]] = [(hold.end, 0, hold) for hold in self.overdue(now)]
        over += [(lot.end, 1, lot) for lot in self.lots if lot.end <= now]
        for instant, _, thing in sorted(over, key=lambda each: each[:2]):
            if isinstance(thing, HoldModel):
                self._give_back(instant, thing.parts)
                thing.status = "EXPIRED"
                self.used[thing.actor, thing.begin // 24] -= thing.tokens
            else:
                self._expire(thing)

    def _give_back(self, instant: float, parts: list[tuple[LotModel, int]]) -> None:
        self.sequence += 1
        for lot, part in parts:
            lot.held -= part
        for lot, _ in parts:
            if lot.end <= instant:
                self._expire(lot)

    def _expire(self, lot: LotModel) -> None:
        if lot.free:
            self.sequence, self.sums["expired"] = self.sequence + 1, self.sums["expired"] + lot.free
            lot.left = lot.held

    def _entry(self, now: int, kind: str, tokens: int) -> Answer:
        self.sequence, self.sums[kind] = self.sequence + 1, self.sums[kind] + tokens
        return ("booked", self.sequence, tokens, self.available(now), self.held(now))

    def _told(self, now: int, key: int) -> Answer:
        hold = self.holds[key]
        return ("hold", hold.status, hold.tokens, hold.captured, hold.end, self.available(now), self.held(now))
