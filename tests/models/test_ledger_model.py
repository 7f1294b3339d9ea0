"""The ledger on a real PostgreSQL against a wallet of whole numbers: any sequence of operations, the same answers.

Hypothesis invents what happens, in the test's own thread; the database is used by a loop in another one. What is
invented is the same in every run. A failure prints the shortest sequence of steps that shows it.
"""

from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from math import inf
from typing import Any
from uuid import UUID

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from models.adjusting import AdjustmentOrder, adjust
from models.administration import Decision, reactivate, suspend
from models.batches import spend_all_or_nothing
from models.budgets import read_budgets, remove_budget
from models.database import connection, transaction
from models.deciding import Order, decide_orders
from models.errors import Refusal
from models.expiring import book_expiry
from models.granting import GrantOrder, grant
from models.holding import CaptureOrder, ExtendOrder, HoldOrder, ReleaseOrder
from models.locking import lock_wallet
from models.outcomes import Booked
from models.past import read_balances
from models.purchases import PurchaseView
from models.reconciliation import violations
from models.spending import SpendOrder
from models.wallets import WalletView, read_wallet, wallet_id_of
from rules.budgets import BudgetPeriod
from rules.holding import CaptureExcess
from rules.identity import derived_id
from rules.lots import LotKind
from tests.builders import Organization, an_order, an_organization, defaults, is_paid, sets_a_budget
from tests.conftest import Database
from tests.models.another_thread import Run, in_another_thread
from tests.models.ledger_words import START, plain, short_of, tokens_of
from tests.models.token_model import Answer, WalletModel

LOTS = """
SELECT remaining_tokens, held_tokens FROM token_lots WHERE organization_id = $1 ORDER BY created_at, kind = 'BONUS'
"""
ADA, EVE = "user/ada", "key/eve"
EVE_PER_DAY = 60_000
NEVER_HELD = 1_000

# Mostly new keys, so that most of what is asked is decided; many amounts, some equal, so that a key that is used again
# is sometimes used with the same input.
keys = st.integers(0, 300)
amounts = st.sampled_from([1, 10_000, 25_000]) | st.integers(1, 40_000)
shares = st.sampled_from([1, 2_500, 10_000]) | st.integers(1, 20_000)
# More comes in than is asked for, so that most of what is asked is granted.
gifts = st.integers(10_000, 150_000)
actors = st.sampled_from([ADA, ADA, EVE])
hours_held = st.sampled_from([1, 24, 30, 72, 30 * 24])
budgeted = st.sampled_from([EVE, EVE, EVE, ADA])
periods = st.sampled_from([BudgetPeriod.DAY, BudgetPeriod.WEEK])


async def answer_of(work: Coroutine[Any, Any, Booked]) -> Answer:
    try:
        return short_of(await work)
    except Refusal as refusal:
        return short_of(refusal)


async def together(organization_id: UUID, orders: Sequence[Order], at: datetime) -> list[Answer]:
    async with transaction() as db:
        return [short_of(answer) for answer in await decide_orders(db, organization_id, orders, at=at)]


class Ledger(RuleBasedStateMachine):
    """One organization's wallet and its model, side by side; the clock is what the test says it is."""

    orders: Bundle[tuple[PurchaseView, int]] = Bundle("orders")

    run: Run

    def __init__(self) -> None:
        super().__init__()
        self.model = WalletModel()
        self.now = 0
        # How often a budget was set or removed: not too often, for it is using it that matters.
        self.changes = 0
        self.paid: set[str] = set()
        self.seen: dict[int, tuple[int, int]] = {}
        self.organization: Organization = self.run(an_organization(wallet=defaults(expires_after_days=2)))
        self.sets_a_budget(EVE, BudgetPeriod.DAY, EVE_PER_DAY)

    @property
    def at(self) -> datetime:
        return START + timedelta(hours=self.now)

    @rule(key=keys, tokens=gifts, days=st.none() | st.integers(1, 3), priority=st.sampled_from([0, 50, 100]))
    def grants(self, key: int, tokens: int, days: int | None, priority: int) -> None:
        self._grant(key, tokens, inf if days is None else self.now + 24 * days, priority)

    @precondition(lambda self: self.asked_before("grant"))
    @rule(data=st.data())
    def grants_again(self, data: st.DataObject) -> None:
        key, asked = data.draw(st.sampled_from(self.asked_before("grant")))
        assert isinstance(asked, tuple)
        self._grant(key, *asked)

    def _grant(self, key: int, tokens: int, end: float, priority: int) -> None:
        expires_at = None if end == inf else START + timedelta(hours=end)
        order = GrantOrder(
            self.organization.id,
            tokens_of(tokens),
            LotKind.PROMO,
            "",
            f"grant {key}",
            "user/test",
            expires_at,
            priority,
        )
        expected = self.model.grant(self.now, key, tokens, end, priority)
        assert self.run(answer_of(grant(order, at=self.at))) == expected

    @rule(key=keys, tokens=amounts, actor=actors)
    def spends(self, key: int, tokens: int, actor: str) -> None:
        expected = self.model.spend(self.now, key, tokens, actor)
        assert self._ask(self._spend(key, tokens, actor)) == [expected]

    @precondition(lambda self: self.asked_before("spend"))
    @rule(data=st.data())
    def spends_again(self, data: st.DataObject) -> None:
        key, tokens = data.draw(st.sampled_from(self.asked_before("spend")))
        assert isinstance(tokens, int)
        self.spends(key, tokens, ADA)

    @rule(asked=st.lists(st.tuples(keys, amounts, actors), min_size=2, max_size=6))
    def spends_together(self, asked: list[tuple[int, int, str]]) -> None:
        expected = [self.model.spend(self.now, *each) for each in asked]
        assert self._ask(*(self._spend(*each) for each in asked)) == expected

    @rule(key=keys, tokens=amounts, hours=hours_held, actor=actors)
    def holds(self, key: int, tokens: int, hours: int, actor: str) -> None:
        order = HoldOrder(
            **self._named("hold", key, actor), tokens=tokens_of(tokens), seconds=hours * 3600
        )  # fmt: skip
        expected = self.model.hold(self.now, key, tokens, hours, actor)
        assert self._ask(order) == [expected]

    @precondition(lambda self: self.model.holds)
    @rule(key=keys, data=st.data(), tokens=st.none() | amounts, excess=st.sampled_from(CaptureExcess))
    def captures(self, key: int, data: st.DataObject, tokens: int | None, excess: CaptureExcess) -> None:
        self._capture(key, self.some_hold(data), tokens, excess)

    def _capture(self, key: int, hold: int, tokens: int | None, excess: CaptureExcess) -> None:
        order = CaptureOrder(
            **self._named("capture", key, ADA),
            hold_id=self._hold_id(hold),
            tokens=None if tokens is None else tokens_of(tokens),
            excess=excess,
        )
        expected = self.model.capture(self.now, key, hold, tokens, excess)
        assert self._ask(order) == [expected]

    @precondition(lambda self: self.model.holds)
    @rule(key=keys, data=st.data())
    def releases(self, key: int, data: st.DataObject) -> None:
        self._release(key, self.some_hold(data))

    def _release(self, key: int, hold: int) -> None:
        order = ReleaseOrder(**self._named("release", key, ADA), hold_id=self._hold_id(hold))
        expected = self.model.release(self.now, key, hold)
        assert self._ask(order) == [expected]

    @precondition(lambda self: self.model.holds)
    @rule(key=keys, data=st.data(), hours=hours_held)
    def extends(self, key: int, data: st.DataObject, hours: int) -> None:
        self._extend(key, self.some_hold(data), hours)

    def _extend(self, key: int, hold: int, hours: int) -> None:
        order = ExtendOrder(**self._named("extend", key, ADA), hold_id=self._hold_id(hold), seconds=hours * 3600)
        expected = self.model.extend(self.now, key, hold, hours)
        assert self._ask(order) == [expected]

    def some_hold(self, data: st.DataObject) -> int:
        """Mostly one that is held; sometimes one that has ended, or was never there."""
        holds = self.model.holds
        still = [key for key, hold in holds.items() if hold.status == "HELD"]
        anywhere = data.draw(st.integers(0, 3)) == 0 or not still
        return data.draw(st.sampled_from([*holds, NEVER_HELD] if anywhere else still))

    @precondition(lambda self: self.model.available(self.now) > 0)
    @rule(data=st.data(), asked=st.lists(st.tuples(keys, shares, actors), min_size=1, max_size=4))
    def spends_all_or_nothing(self, data: st.DataObject, asked: list[tuple[int, int, str]]) -> None:
        """New keys, and sometimes ones that were used before or stand in the batch already, mostly for the same."""
        known = [each[:2] for each in asked] + self._spent_before()
        for key, first in data.draw(st.lists(st.sampled_from(known), max_size=2)):
            tokens = data.draw(st.sampled_from([first, first, first, first + 1]))
            asked.insert(data.draw(st.integers(0, len(asked))), (key, tokens, data.draw(actors)))
        self._spend_all_or_nothing(asked)

    def _spend_all_or_nothing(self, asked: Sequence[tuple[int, int, str]]) -> None:
        expected = self.model.spend_all_or_nothing(self.now, asked)
        answers = self.run(spend_all_or_nothing([self._spend(*each) for each in asked], at=self.at))
        assert [short_of(each) for each in answers] == expected

    def _spent_before(self) -> list[tuple[int, int]]:
        """Keys of spends and their tokens; those that were granted stand there more often."""
        answers = self.model.answers.items()
        spends = [(key, asked, answer[0]) for (what, key), (asked, answer) in answers if what == "spend"]
        return [
            (key, asked)
            for key, asked, how in spends
            if isinstance(asked, int)
            for _ in range(4 if how == "booked" else 1)
        ]

    def _spend(self, key: int, tokens: int, actor: str) -> SpendOrder:
        return SpendOrder(self.organization.id, tokens_of(tokens), f"spend {key}", actor)

    def _named(self, what: str, key: int, actor: str) -> dict[str, Any]:
        return {"organization_id": self.organization.id, "key": f"{what} {key}", "actor": actor}

    def _hold_id(self, key: int) -> UUID:
        return derived_id("hold", self.organization.id, f"hold {key}")

    def _ask(self, *orders: Order) -> list[Answer]:
        answers: list[Answer] = self.run(together(self.organization.id, orders, self.at))
        return answers

    @rule(key=keys, tokens=amounts, sign=st.sampled_from([1, -1, -1]))
    def adjusts(self, key: int, tokens: int, sign: int) -> None:
        order = AdjustmentOrder(self.organization.id, tokens_of(sign * tokens), "", f"adjust {key}", "user/test")
        expected = self.model.adjust(self.now, key, sign * tokens)
        assert self.run(answer_of(adjust(order, at=self.at))) == expected

    def asked_before(self, operation: str) -> list[tuple[int, object]]:
        """Keys that were used for an operation, with the input they were first used with."""
        return [(name[1], asked) for name, (asked, _) in self.model.answers.items() if name[0] == operation]

    @rule(hours=st.sampled_from([1, 4, 23, 24, 25, 49]))
    def time_passes(self, hours: int) -> None:
        self.now += hours

    @precondition(lambda self: self.model.ends())
    @rule(hours=st.sampled_from([0, 1, 24, 25, 49, 73]))
    def books_expiry(self, hours: int) -> None:
        """Some time later, and once: the second time there is nothing left to book."""
        self.now += hours
        for _ in range(2):
            assert self.run(book_expiry(self.organization.id, at=self.at)) == self.model.book_expiry(self.now)
        assert (self.model.overdue(self.now), self.model.waiting_to_expire(self.now)) == ([], 0)

    @precondition(lambda self: self.model.sequence > 3 * self.changes)
    @rule(actor=budgeted, period=periods, limit=st.sampled_from([20_000, 60_000, 120_000, 0]))
    def sets_a_budget(self, actor: str, period: BudgetPeriod, limit: int) -> None:
        """Also one that there is already, and one that was removed."""
        tokens = str(tokens_of(limit))
        self.run(sets_a_budget(self.organization, actor, tokens, period=period, at=self.at))
        self.model.set_budget(self.now, actor, period, limit)
        self.changes += 1

    @precondition(lambda self: self.model.sequence > 3 * self.changes)
    @rule(actor=budgeted, period=periods)
    def removes_a_budget(self, actor: str, period: BudgetPeriod) -> None:
        assert self.run(self._removed_budget(actor, period)) == self.model.remove_budget(actor, period)
        self.changes += 1

    @precondition(lambda self: self.model.suspended is not None or self.model.sequence > 12)
    @rule()
    def suspends_or_reactivates(self) -> None:
        decision = Decision(self.organization.id, "user/test", "for a test")
        is_to_be = self.model.suspended is None
        self.model.suspended = self.now if is_to_be else None
        assert self.run((suspend if is_to_be else reactivate)(decision, at=self.at))

    @precondition(lambda self: self.model.suspended is None)
    @rule(target=orders, whole=st.integers(1, 6))
    def orders_tokens(self, whole: int) -> tuple[PurchaseView, int]:
        return self.run(an_order(self.organization, str(whole), at=self.at)), whole * 10_000

    @rule(order=orders)
    def pays(self, order: tuple[PurchaseView, int]) -> None:
        purchase, tokens = order
        if purchase.reference not in self.paid:
            self.paid.add(purchase.reference)
            self.model.put(self.now, tokens, self.now + 48, kind="purchased")
        self.run(is_paid(purchase, at=self.at))

    @invariant()
    def wallet_and_lots_are_those_of_the_model(self) -> None:
        wallet, lots = self.run(self._read())
        sums = self.model.sums
        assert plain(wallet.available) == self.model.available(self.now)
        assert plain(wallet.held) == self.model.held(self.now)
        assert wallet.entry_sequence == self.model.sequence
        assert plain(wallet.total_purchased) == sums["purchased"]
        assert plain(wallet.total_granted) == sums["granted"]
        assert plain(wallet.total_consumed) == sums["consumed"]
        assert plain(wallet.total_expired) == sums["expired"] + self.model.waiting_to_expire(self.now)
        assert lots == [(lot.left, lot.held) for lot in self.model.lots]
        assert plain(wallet.total_adjusted) == sums["adjusted"] - sums["removed"]
        assert self.run(self._budgets()) == {name: self.model.budget(self.now, *name) for name in self.model.budgets}
        self.seen[self.now] = (plain(wallet.available), plain(wallet.held))

    def teardown(self) -> None:
        assert {hour: self.run(self._balance_at(hour)) for hour in self.seen} == self.seen
        assert self.run(self._broken_rules()) == []

    async def _read(self) -> tuple[WalletView, list[tuple[int, int]]]:
        async with connection() as db:
            wallet = await read_wallet(db, self.organization.id, at=self.at)
            assert wallet is not None
            rows = await db.fetch(LOTS, self.organization.id)
            return wallet, [(plain(row["remaining_tokens"]), plain(row["held_tokens"])) for row in rows]

    async def _balance_at(self, hour: int) -> tuple[int, int]:
        """What is answered at the end about an hour that was lived through: available and held."""
        async with connection() as db:
            wallet_id = wallet_id_of(self.organization.id)
            kinds = (await read_balances(db, [wallet_id], at=START + timedelta(hours=hour)))[wallet_id]
        return sum(plain(kind.available) for kind in kinds), sum(plain(kind.held) for kind in kinds)

    async def _budgets(self) -> dict[tuple[str, str], Answer]:
        async with connection() as db:
            views = await read_budgets(db, self.organization.id, at=self.at, limit=10, after=None)
        return {(view.actor, view.period): short_of(view) for view in views}

    async def _removed_budget(self, actor: str, period: BudgetPeriod) -> Answer:
        key = derived_id("budget", self.organization.id, actor, period)
        try:
            async with transaction() as db:
                wallet = await lock_wallet(db, self.organization.id, at=self.at)
                await remove_budget(db, wallet, key, actor="user/test", request_id=None)
        except Refusal as refusal:
            return short_of(refusal)
        return ("removed",)

    async def _broken_rules(self) -> list[str]:
        async with connection() as db:
            return [violation.rule for violation in await violations(db)]


@contextmanager
def ledgers_of(database: Database) -> Iterator[type[Ledger]]:
    """Ledgers whose wallets are in the database of a test."""
    with in_another_thread(database.app_dsn) as running:

        class LedgerOfThisTest(Ledger):
            run = staticmethod(running)

        yield LedgerOfThisTest


@contextmanager
def a_ledger(database: Database) -> Iterator[Ledger]:
    """One ledger, whose books are looked through at the end."""
    with ledgers_of(database) as ledgers:
        ledger = ledgers()
        yield ledger
        ledger.teardown()


def test_any_sequence_of_operations_is_answered_as_by_the_model(database: Database) -> None:
    with ledgers_of(database) as ledgers:
        run_state_machine_as_test(
            ledgers,
            settings=settings(
                max_examples=120,
                stateful_step_count=40,
                derandomize=True,
                database=None,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            ),
        )
