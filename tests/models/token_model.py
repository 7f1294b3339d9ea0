"""A wallet in whole numbers: tokens in ten-thousandths, time in hours since the beginning.

It shares no code with the product. Whatever the real ledger answers must be what this one answers.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from math import inf

Answer = tuple[object, ...]

HOURS_MAX = 30 * 24
# Which hours a window has, and how many of its first one have passed when time begins, which is on a Thursday.
WINDOWS = {"DAY": (24, 0), "WEEK": (7 * 24, 3 * 24)}


def begin_of(period: str, hour: int) -> int:
    """The first hour of the window that an hour lies in."""
    hours, passed = WINDOWS[period]
    return (hour + passed) // hours * hours - passed


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
    resolved: int = 0

    @property
    def tokens(self) -> int:
        return sum(part for _, part in self.parts)


@dataclass
class BudgetModel:
    """`used` is by the first hour of each window; what was used in windows before `since` comes back to nobody."""

    limit: int
    since: int
    used: Counter[int] = field(default_factory=Counter)


@dataclass
class WalletModel:
    """`removed` are budgets that no longer hold; `spends` is who spent how much when, for budgets that begin later."""

    lots: list[LotModel] = field(default_factory=list)
    holds: dict[int, HoldModel] = field(default_factory=dict)
    answers: dict[tuple[str, int], tuple[object, Answer]] = field(default_factory=dict)
    sums: Counter[str] = field(default_factory=Counter)
    budgets: dict[tuple[str, str], BudgetModel] = field(default_factory=dict)
    removed: dict[tuple[str, str], BudgetModel] = field(default_factory=dict)
    spends: list[tuple[str, int, int]] = field(default_factory=list)
    sequence: int = 0
    suspended: int | None = None

    # What counts at an instant, whether or not it has been booked.

    def overdue(self, now: int) -> list[HoldModel]:
        return [hold for hold in self.holds.values() if hold.status == "HELD" and hold.end <= now]

    def back(self, now: int) -> list[tuple[LotModel, int]]:
        """What overdue holds no longer reserve."""
        return [part for hold in self.overdue(now) for part in hold.parts]

    def ends(self) -> bool:
        """Whether something will be over some day, or is and has not been booked."""
        return any(hold.status == "HELD" for hold in self.holds.values()) or any(
            lot.free and lot.end < inf for lot in self.lots
        )

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

    def spend_all_or_nothing(self, now: int, asked: Sequence[tuple[int, int, str]]) -> list[Answer]:
        """What keys were answered before stays. When one is refused, everything else is as if nobody had asked, and
        every new key has its refusal: its own, or that the batch was refused, because of the first one and why."""
        known = {key for key, _, _ in asked if ("spend", key) in self.answers}
        before = deepcopy(self.__dict__)
        told = [self.spend(now, *each) for each in asked]
        refused = [place for place, answer in enumerate(told) if answer[0] != "booked"]
        if not refused:
            return told
        self.__dict__.update(before)
        batch: Answer = ("batch", refused[0], told[refused[0]][0])
        for place, (key, tokens, _) in enumerate(asked):
            if key not in known:
                told[place] = batch if told[place][0] == "booked" else told[place]
                self.answers.setdefault(("spend", key), (tokens, told[place]))
        return told

    def put(self, now: int, tokens: int, end: float, priority: int = 50, kind: str = "granted") -> Answer:
        self._tidy(now)
        self.lots.append(LotModel((priority, end, kind == "purchased", now, len(self.lots)), tokens))
        return self._entry(now, kind, tokens)

    # What is decided about it, and what is booked without anybody asking.

    def book_expiry(self, now: int) -> int:
        """How many holds ended by it, and how many lots lost something by it, other than by what a hold gave back."""
        return self._tidy(now)

    def set_budget(self, now: int, actor: str, period: str, limit: int) -> Answer:
        """It counts what was used in its present window already. One that was removed begins anew."""
        begin, name = begin_of(period, now), (actor, period)
        known = self.budgets.get(name)
        since = begin if known is None else known.since
        used = Counter[int]() if (earlier := known or self.removed.pop(name, None)) is None else earlier.used
        self.budgets[name] = BudgetModel(limit, since, used)
        used[begin] = self.used_since(actor, begin)
        return self.budget(now, actor, period)

    def remove_budget(self, actor: str, period: str) -> Answer:
        if (actor, period) not in self.budgets:
            return ("no budget",)
        self.removed[actor, period] = self.budgets.pop((actor, period))
        return ("removed",)

    def budget(self, now: int, actor: str, period: str) -> Answer:
        """Its limit, what is used of it now, and when it begins anew; overdue holds use nothing, booked or not."""
        begin = begin_of(period, now)
        over = sum(hold.tokens for hold in self.overdue(now) if hold.actor == actor and hold.begin >= begin)
        used = self.used_since(actor, begin) - over
        return ("budget", self.budgets[actor, period].limit, used, begin + WINDOWS[period][0])

    def used_since(self, actor: str, begin: int) -> int:
        """By the history: spends, what holds took in the end, and what they still reserve."""
        spent = sum(tokens for who, hour, tokens in self.spends if who == actor and hour >= begin)
        mine = [hold for hold in self.holds.values() if hold.actor == actor and hold.begin >= begin]
        return spent + sum(hold.tokens if hold.status == "HELD" else hold.captured for hold in mine)

    # How they are decided.

    def _once(self, name: tuple[str, int], asked: object, decide: Callable[[], Answer]) -> Answer:
        if name not in self.answers:
            self.answers[name] = (asked, decide())
            return self.answers[name][1]
        first, answer = self.answers[name]
        if first != asked:
            return ("conflict",)
        return (*answer, "again") if answer[0] in ("booked", "hold") else answer

    def _correct(self, now: int, tokens: int) -> Answer:
        if tokens > 0:
            return self.put(now, tokens, inf, kind="adjusted")
        self._tidy(now)
        if (parts := self._take(now, -tokens)) is None:
            return ("short", -tokens, self.available(now))
        for lot, part in parts:
            lot.left -= part
        return self._entry(now, "removed", -tokens)

    def _over(self, actor: str, tokens: int, hour: int) -> Answer | None:
        """The budget of whose window at an hour the least is left, when it is too little."""
        refused = []
        for period, (hours, _) in WINDOWS.items():
            budget, begin = self.budgets.get((actor, period)), begin_of(period, hour)
            if budget is not None and tokens > (left := budget.limit - budget.used[begin]):
                refused.append((max(left, 0), period, budget.limit, begin + hours))
        if not refused:
            return None
        left, period, limit, anew = min(refused)
        return ("over", period, limit, tokens, left, anew)

    def _use(self, actor: str, tokens: int, hour: int) -> None:
        for period in WINDOWS:
            budget, begin = self.budgets.get((actor, period)), begin_of(period, hour)
            if budget is not None and (tokens > 0 or begin >= budget.since):
                budget.used[begin] += tokens

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
        if self.suspended is not None:
            return ("suspended", self.suspended)
        self._tidy(now)
        if (over := self._over(actor, tokens, now)) is not None:
            return over
        if (parts := self._take(now, tokens)) is None:
            return ("short", tokens, self.available(now))
        for lot, part in parts:
            lot.left -= part
        self._use(actor, tokens, now)
        self.spends.append((actor, now, tokens))
        return self._entry(now, "consumed", tokens)

    def _hold(self, now: int, key: int, tokens: int, hours: int, actor: str) -> Answer:
        if self.suspended is not None:
            return ("suspended", self.suspended)
        self._tidy(now)
        if (over := self._over(actor, tokens, now)) is not None:
            return over
        if (parts := self._take(now, tokens)) is None:
            return ("short", tokens, self.available(now))
        for lot, part in parts:
            lot.held += part
        self._use(actor, tokens, now)
        self.holds[key] = HoldModel(actor, now, now + hours, parts)
        self.sequence += 1
        return self._told(now, key)

    def _capture(self, now: int, key: int, tokens: int | None, excess: str) -> Answer:
        if self.suspended is not None:
            return ("suspended", self.suspended)
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
        self._use(hold.actor, tokens - hold.tokens, hold.begin)
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
        hold.status, hold.captured, hold.resolved = "CAPTURED", tokens, now

    def _release(self, now: int, key: int) -> Answer:
        self._tidy(now)
        if (gone := self._gone(key)) is not None:
            return gone
        hold = self.holds[key]
        self._use(hold.actor, -hold.tokens, hold.begin)
        self._give_back(now, hold.parts)
        hold.status, hold.resolved = "RELEASED", now
        return self._told(now, key)

    def _extend(self, now: int, key: int, hours: int) -> Answer:
        if self.suspended is not None:
            return ("suspended", self.suspended)
        self._tidy(now)
        if (gone := self._gone(key)) is not None:
            return gone
        hold = self.holds[key]
        if now + hours > hold.begin + HOURS_MAX:
            return ("too long", hold.begin + HOURS_MAX)
        hold.end = max(hold.end, now + hours)
        return self._told(now, key)

    def _gone(self, key: int) -> Answer | None:
        if key not in self.holds:
            return ("no hold",)
        hold = self.holds[key]
        return None if hold.status == "HELD" else ("resolved", hold.status, hold.captured, hold.resolved)

    # How it is written down.

    def _tidy(self, now: int) -> int:
        """What is over is booked in the order in which it happened; of one instant, holds come first. How many."""
        booked = 0
        over: list[tuple[float, int, HoldModel | LotModel]] = [(hold.end, 0, hold) for hold in self.overdue(now)]
        over += [(lot.end, 1, lot) for lot in self.lots if lot.end <= now]
        for instant, _, thing in sorted(over, key=lambda each: each[:2]):
            booked += isinstance(thing, HoldModel) or thing.free > 0
            if isinstance(thing, HoldModel):
                self._give_back(instant, thing.parts)
                thing.status, thing.resolved = "EXPIRED", thing.end
                self._use(thing.actor, -thing.tokens, thing.begin)
            else:
                self._expire(thing)
        return booked

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
