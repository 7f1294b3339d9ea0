"""A wallet in forty lines of whole numbers: tokens in ten-thousandths, time in hours since the beginning.

It shares no code with the product. Whatever the real ledger answers must be what this one answers.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

Answer = tuple[object, ...]


@dataclass
class LotModel:
    """`place` is the burn order: priority, end, free before paid, beginning, number."""

    place: tuple[int, float, bool, int, int]
    left: int

    @property
    def end(self) -> float:
        return self.place[1]


@dataclass
class WalletModel:
    lots: list[LotModel] = field(default_factory=list)
    answers: dict[tuple[str, int], tuple[object, Answer]] = field(default_factory=dict)
    sums: Counter[str] = field(default_factory=Counter)
    sequence: int = 0
    is_suspended: bool = False

    def available(self, now: int) -> int:
        return sum(lot.left for lot in self.lots if lot.end > now)

    def grant(self, now: int, key: int, tokens: int, end: float, priority: int) -> Answer:
        return self._once(("grant", key), (tokens, end, priority), lambda: self.put(now, tokens, end, priority))

    def spend(self, now: int, key: int, tokens: int) -> Answer:
        return self._once(("spend", key), tokens, lambda: self._burn(now, tokens))

    def adjust(self, now: int, key: int, tokens: int) -> Answer:
        return self._once(("adjust", key), tokens, lambda: self._correct(now, tokens))

    def put(self, now: int, tokens: int, end: float, priority: int = 50, kind: str = "granted") -> Answer:
        self._tidy(now)
        self.lots.append(LotModel((priority, end, kind == "purchased", now, len(self.lots)), tokens))
        return self._move(now, kind, tokens)

    def _once(self, name: tuple[str, int], asked: object, decide: Callable[[], Answer]) -> Answer:
        if name not in self.answers:
            self.answers[name] = (asked, decide())
        return self.answers[name][1] if self.answers[name][0] == asked else ("conflict",)

    def _correct(self, now: int, tokens: int) -> Answer:
        return self.put(now, tokens, inf, kind="adjusted") if tokens > 0 else self._burn(now, -tokens, "removed")

    def _burn(self, now: int, tokens: int, kind: str = "consumed") -> Answer:
        if self.is_suspended and kind == "consumed":
            return ("suspended",)
        self._tidy(now)
        if tokens > self.available(now):
            return ("short", tokens, self.available(now))
        wanted = tokens
        for lot in sorted(self.lots, key=lambda lot: lot.place):
            taken = min(wanted, lot.left)
            lot.left, wanted = lot.left - taken, wanted - taken
        return self._move(now, kind, tokens)

    def _tidy(self, now: int) -> None:
        for lot in self.lots:
            if lot.end <= now and lot.left:
                self._move(now, "expired", lot.left)
                lot.left = 0

    def _move(self, now: int, kind: str, tokens: int) -> Answer:
        self.sequence, self.sums[kind] = self.sequence + 1, self.sums[kind] + tokens
        return ("booked", self.sequence, tokens, self.available(now))
