"""A crowd of callers at two wallets, through two processes: everything that can be asked of a wallet, at once.

What is asked is drawn from a seed; what is answered depends on who comes first. Every caller brings their own instant,
a little before or behind the others', as clocks of processes are, and the instants advance from wave to wave. Whatever
was answered is kept, with what it was an answer to, so that a test can look at all of it afterwards.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, TypeAlias
from uuid import UUID

from models.adjusting import AdjustmentOrder, adjust
from models.administration import Decision, reactivate, suspend
from models.batches import spend_all_or_nothing
from models.errors import HoldResolved, Refusal
from models.expiring import book_expiry
from models.granting import GrantOrder, grant
from models.holding import CaptureOrder, ExtendOrder, HoldOrder, ReleaseOrder
from models.outcomes import Booked, Held
from models.spending import SpendOrder
from models.tills import Tills
from rules.holding import CaptureExcess
from rules.lots import LotKind
from tests.builders import Organization

# Two hours before a midnight, so that a day's budget begins anew during the run.
START = datetime(2026, 11, 23, 22, 0, tzinfo=UTC)
ADA, EVE = "user/ada", "key/eve"
APART_SECONDS = 40
CALLERS_A_WAVE = 24

Asked: TypeAlias = SpendOrder | HoldOrder | CaptureOrder | ReleaseOrder | ExtendOrder | GrantOrder | AdjustmentOrder
Answer: TypeAlias = Booked | Held | Refusal
Work: TypeAlias = Coroutine[Any, Any, None]


@dataclass(frozen=True, slots=True)
class Told:
    """What was asked, and what it was answered."""

    asked: Asked
    answer: Answer


@dataclass
class Crowd:
    """Two processes (`tills`) and the wallets they work for. `faults` is whatever was raised and is no refusal."""

    wallets: Sequence[Organization]
    chance: Random
    tills: Sequence[Tills] = field(default_factory=lambda: (Tills(), Tills()))
    now: datetime = START
    number: int = 0
    told: list[Told] = field(default_factory=list)
    faults: list[BaseException] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)

    async def comes(self) -> None:
        """A wave: some callers, each doing something, all of them at once."""
        self.now += timedelta(seconds=self.chance.randint(600, 1_200))
        ways: dict[Callable[[], list[Work]], int] = {
            self.spends: 8, self.holds: 8, self.races_for_a_hold: 12, self.spends_each: 4,
            self.spends_all_or_nothing: 6, self.grants: 4, self.adjusts: 2, self.asks_again: 6,
            self.asks_for_something_else: 2, self.books_expiry: 4, self.suspends_for_a_while: 1,
        }  # fmt: skip
        chosen = self.chance.choices(list(ways), weights=list(ways.values()), k=CALLERS_A_WAVE)
        work = [each for way in chosen for each in way()]
        self.chance.shuffle(work)
        outcomes = await asyncio.gather(*work, return_exceptions=True)
        self.faults += [outcome for outcome in outcomes if outcome is not None]

    # What callers do; each answers with what is to be done at once.

    def spends(self) -> list[Work]:
        return self._sent(self._a_spend(self._somebody()))

    def holds(self) -> list[Work]:
        seconds = self.chance.choice([60, 900, 1_800, 3_600])
        return self._sent(HoldOrder(**self._new(self._somebody()), tokens=self._tokens(), seconds=seconds))

    def races_for_a_hold(self) -> list[Work]:
        """Several callers want the same hold to end, or to last, each in their own way."""
        holds = self._open_holds()
        if not holds:
            return self.holds()
        hold = self.chance.choice(holds)
        return [work for _ in range(self.chance.randint(1, 3)) for work in self._sent(self._about(hold))]

    def spends_each(self) -> list[Work]:
        return [self._each(self._some_spends(), self._till(), self._about_now())]

    def spends_all_or_nothing(self) -> list[Work]:
        """Two batches over both wallets, one the other way round; sometimes one of them comes twice."""
        first, second = self._some_spends(), [self._a_spend(one) for one in reversed(self.wallets)]
        batches = [first, second, *([first] if self.chance.random() < 0.4 else [])]
        return [self._all_or_nothing(batch, self._about_now()) for batch in batches]

    def grants(self) -> list[Work]:
        end = self.now + timedelta(seconds=self.chance.randint(APART_SECONDS + 1, 3_000))
        key, one = self._key(), self._somebody()
        order = GrantOrder(
            one.id, self._tokens() * 3, LotKind.PROMO, "", key, ADA, self.chance.choice([end, end, None]),
            self.chance.choice([10, 50]),
        )  # fmt: skip
        return self._sent(order)

    def adjusts(self) -> list[Work]:
        tokens = self._tokens() * self.chance.choice([1, -1])
        return self._sent(AdjustmentOrder(self._somebody().id, tokens, "counted", self._key(), ADA))

    def asks_again(self) -> list[Work]:
        """Something that was asked before, or is asked in this wave as well."""
        return self._sent(self.chance.choice(self.asked)) if self.asked else self.spends()

    def asks_for_something_else(self) -> list[Work]:
        """A key that was used for a spend, used for another one."""
        spends = [order for order in self.asked if isinstance(order, SpendOrder)]
        return self._sent(replace(self.chance.choice(spends), tokens=self._tokens())) if spends else self.spends()

    def books_expiry(self) -> list[Work]:
        async def work(one: Organization, at: datetime) -> None:
            await book_expiry(one.id, at=at)

        return [work(self._somebody(), self._about_now())]

    def suspends_for_a_while(self) -> list[Work]:
        async def work(one: Organization, at: datetime) -> None:
            await suspend(Decision(one.id, ADA, "looked into"), at=at)
            await asyncio.sleep(0)
            await reactivate(Decision(one.id, ADA), at=at)

        return [work(self._somebody(), self._about_now())]

    # How it is sent, and how what is answered is kept.

    def _sent(self, order: Asked) -> list[Work]:
        """Once through one process, or through both at once."""
        self.asked.append(order)
        tills = self.tills if self.chance.random() < 0.4 else [self._till()]
        return [self._asks(order, till, self._about_now()) for till in tills]

    async def _asks(self, order: Asked, till: Tills, at: datetime) -> None:
        answer: Answer
        try:
            if isinstance(order, GrantOrder):
                answer = await grant(order, at=at)
            elif isinstance(order, AdjustmentOrder):
                answer = await adjust(order, at=at)
            else:
                answer = await till.ask(order, at=at)
        except Refusal as refusal:
            answer = refusal
        self.told.append(Told(order, answer))

    async def _each(self, orders: Sequence[SpendOrder], till: Tills, at: datetime) -> None:
        self._keep(orders, await till.ask_all(orders, at=at))

    async def _all_or_nothing(self, orders: Sequence[SpendOrder], at: datetime) -> None:
        self._keep(orders, await spend_all_or_nothing(orders, at=at))

    def _keep(self, orders: Sequence[SpendOrder], answers: Sequence[Answer]) -> None:
        self.told += [Told(order, answer) for order, answer in zip(orders, answers, strict=True)]

    # What is drawn.

    def _open_holds(self) -> list[HoldOrder]:
        """Those that nobody was told the end of, and those of this wave, which may come to nothing."""
        orders = [order for order in self.asked if isinstance(order, HoldOrder)]
        known = {each.asked.key for each in self.told if isinstance(each.asked, HoldOrder)}
        held = {each.answer.hold.id for each in self.told if isinstance(each.answer, Held)}
        ended = {
            each.asked.hold
            for each in self.told
            if isinstance(each.asked, CaptureOrder | ReleaseOrder) and isinstance(each.answer, Held | HoldResolved)
        }
        return [order for order in orders if order.key not in known or order.hold in held - ended]

    def _about(self, hold: HoldOrder) -> CaptureOrder | ReleaseOrder | ExtendOrder:
        name: dict[str, Any] = {**self._new_for(hold.organization_id), "hold_id": hold.hold}
        way = self.chance.random()
        if way < 0.25:
            return ReleaseOrder(**name)
        if way < 0.5:
            return ExtendOrder(**name, seconds=self.chance.choice([600, 1_800]))
        share = Decimal(self.chance.choice(["0.5", "1", "1.5", "4"]))
        tokens = None if way < 0.6 else (hold.tokens * share).quantize(Decimal("0.0001"))
        excess = self.chance.choice([*CaptureExcess, CaptureExcess.TAKE_AVAILABLE])
        return CaptureOrder(**name, tokens=tokens, excess=excess)

    def _some_spends(self) -> list[SpendOrder]:
        """For both wallets, in any order; one of them may have been asked before."""
        first, second = self.chance.sample(list(self.wallets), 2)
        batch = [self._a_spend(one) for one in (first, second, *self.chance.choices(self.wallets, k=2))]
        known = [order for order in self.asked if isinstance(order, SpendOrder)]
        self.asked += batch
        if known and self.chance.random() < 0.5:
            batch.insert(self.chance.randint(0, 4), self.chance.choice(known))
        return batch

    def _a_spend(self, organization: Organization) -> SpendOrder:
        return SpendOrder(organization.id, self._tokens(), self._key(), self._actor())

    def _new(self, organization: Organization) -> dict[str, Any]:
        return self._new_for(organization.id)

    def _new_for(self, organization_id: UUID) -> dict[str, Any]:
        return {"organization_id": organization_id, "key": self._key(), "actor": self._actor()}

    def _key(self) -> str:
        self.number += 1
        return f"key {self.number}"

    def _tokens(self) -> Decimal:
        return Decimal(self.chance.randint(1, 40_000)).scaleb(-4)

    def _somebody(self) -> Organization:
        return self.chance.choice(self.wallets)

    def _actor(self) -> str:
        return self.chance.choice([ADA, ADA, EVE])

    def _till(self) -> Tills:
        return self.chance.choice(self.tills)

    def _about_now(self) -> datetime:
        return self.now + timedelta(seconds=self.chance.randint(0, APART_SECONDS))
