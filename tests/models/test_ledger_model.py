"""The ledger on a real PostgreSQL against a wallet of whole numbers: any sequence of operations, the same answers.

Hypothesis invents what happens, in the test's own thread; the database is used by a loop in another one. What is
invented is the same in every run. A failure prints the shortest sequence of steps that shows it.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import inf
from typing import Any, TypeVar
from uuid import UUID

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from models.adjusting import AdjustmentOrder, adjust
from models.batches import spend_all_or_nothing
from models.database import connection, open_database, transaction
from models.deciding import Answer as Told
from models.deciding import Order, decide_orders
from models.errors import (
    BatchRefused,
    BudgetExceeded,
    CaptureExceedsHold,
    HoldNotFound,
    HoldResolved,
    HoldTooLong,
    IdempotencyConflict,
    InsufficientTokens,
    Refusal,
    WalletSuspended,
)
from models.granting import GrantOrder, grant
from models.holding import CaptureOrder, ExtendOrder, HoldOrder, ReleaseOrder
from models.outcomes import Booked, Held
from models.past import read_balances
from models.purchases import PurchaseView
from models.reconciliation import violations
from models.spending import SpendOrder
from models.wallets import WalletView, read_wallet, wallet_id_of
from rules.holding import CaptureExcess
from rules.identity import derived_id
from rules.lots import LotKind
from tests.builders import Organization, an_order, an_organization, defaults, is_paid, sets_a_budget
from tests.conftest import Database
from tests.models.token_model import Answer, WalletModel

START = datetime(2026, 1, 1, tzinfo=UTC)
SUSPEND = """
UPDATE organization_token_wallets SET is_active = NOT $2, suspended_at = CASE WHEN $2 THEN now() END,
    suspension_reason = 'for a test' WHERE organization_id = $1
"""
LOTS = """
SELECT remaining_tokens, held_tokens FROM token_lots WHERE organization_id = $1 ORDER BY created_at, kind = 'BONUS'
"""
ADA, EVE = "user/ada", "key/eve"
EVE_PER_DAY = 60_000
NEVER_HELD = 1_000

Result = TypeVar("Result")
Run = Callable[[Coroutine[Any, Any, Any]], Any]

# Mostly new keys, so that most of what is asked is decided; many amounts, some equal, so that a key that is used again
# is sometimes used with the same input.
keys = st.integers(0, 300)
amounts = st.sampled_from([1, 10_000, 25_000]) | st.integers(1, 40_000)
# More comes in than is asked for, so that most of what is asked is granted.
gifts = st.integers(10_000, 150_000)
actors = st.sampled_from([ADA, ADA, EVE])
hours_held = st.sampled_from([1, 24, 30, 72, 30 * 24])


@contextmanager
def in_another_thread(dsn: str) -> Iterator[Run]:
    """Runs coroutines on a loop that has the test's database open."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, loop).result(timeout=30)

    database = open_database(dsn, 2, application_name="scrip-model-test")
    try:
        run(database.__aenter__())
        try:
            yield run
        finally:
            run(database.__aexit__(None, None, None))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def plain(tokens: Decimal) -> int:
    """Tokens in ten-thousandths; fails on anything finer."""
    number = tokens.scaleb(4)
    assert number == int(number)
    return int(number)


def tokens_of(number: int) -> Decimal:
    return Decimal(number).scaleb(-4)


def hours_of(moment: datetime) -> int:
    return int((moment - START) / timedelta(hours=1))


def short_of(answer: Told) -> Answer:
    """An answer in the words of the model."""
    match answer:
        case Booked():
            balances = (plain(answer.available), plain(answer.held))
            return ("booked", answer.sequence, plain(answer.tokens), *balances)
        case Held():
            hold, balances = answer.hold, (plain(answer.available), plain(answer.held))
            ends = hours_of(hold.expires_at)
            return ("hold", hold.status.value, plain(hold.tokens), plain(hold.captured), ends, *balances)
        case InsufficientTokens():
            return ("short", plain(answer.needed), plain(answer.available))
        case BudgetExceeded():
            return ("over", plain(answer.needed), plain(answer.left))
        case HoldResolved():
            return ("resolved", answer.status, plain(answer.captured))
        case CaptureExceedsHold():
            return ("exceeds", plain(answer.asked), plain(answer.held))
        case BatchRefused():
            return ("batch", answer.position)
    names: dict[type[Refusal], str] = {
        WalletSuspended: "suspended",
        IdempotencyConflict: "conflict",
        HoldNotFound: "no hold",
        HoldTooLong: "too long",
    }
    return (names[type(answer)],)


async def answer_of(work: Coroutine[Any, Any, Booked]) -> Answer:
    try:
        return short_of(await work)
    except Refusal as refusal:
        return short_of(refusal)


async def together(organization_id: UUID, orders: Sequence[Order], at: datetime) -> list[Answer]:
    async with transaction() as db:
        return [short_of(answer) for answer in await decide_orders(db, organization_id, orders, at=at)]


class Ledger(RuleBasedStateMachine):
    """One organisation's wallet and its model, side by side; the clock is what the test says it is."""

    orders: Bundle[tuple[PurchaseView, int]] = Bundle("orders")

    run: Run

    def __init__(self) -> None:
        super().__init__()
        self.model = WalletModel(limits={EVE: EVE_PER_DAY})
        self.now = 0
        self.paid: set[str] = set()
        self.seen: dict[int, tuple[int, int]] = {}
        self.organization: Organization = self.run(an_organization(wallet=defaults(expires_after_days=2)))
        self.run(sets_a_budget(self.organization, EVE, str(tokens_of(EVE_PER_DAY)), at=START))

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

    @rule(asked=st.lists(amounts, min_size=1, max_size=4))
    def spends_all_or_nothing(self, asked: list[int]) -> None:
        spends = [(1_000 + len(self.model.answers) + place, tokens) for place, tokens in enumerate(asked)]
        fits = not self.model.is_suspended and sum(asked) <= self.model.available(self.now)
        before = self.model.sequence, dict(self.model.sums)
        orders = [self._spend(key, tokens, ADA) for key, tokens in spends]
        answers = [short_of(each) for each in self.run(spend_all_or_nothing(orders, at=self.at))]
        if fits:
            assert answers == [self.model.spend(self.now, key, tokens, ADA) for key, tokens in spends]
            return
        assert {answer[0] for answer in answers} <= {"short", "suspended", "batch"}
        for (key, tokens), answer in zip(spends, answers, strict=True):
            self.model.answers["spend", key] = (tokens, answer)
        assert before == (self.model.sequence, dict(self.model.sums))

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

    @precondition(lambda self: self.model.is_suspended or self.model.sequence > 12)
    @rule()
    def suspends_or_reactivates(self) -> None:
        self.model.is_suspended = not self.model.is_suspended
        self.run(self._execute(SUSPEND, self.organization.id, self.model.is_suspended))

    @precondition(lambda self: not self.model.is_suspended)
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

    async def _execute(self, sql: str, *args: object) -> None:
        async with connection() as db:
            await db.execute(sql, *args)

    async def _broken_rules(self) -> list[str]:
        async with connection() as db:
            return [violation.rule for violation in await violations(db)]


def test_any_sequence_of_operations_is_answered_as_by_the_model(database: Database) -> None:
    with in_another_thread(database.app_dsn) as running:

        class LedgerOfThisTest(Ledger):
            run = staticmethod(running)

        run_state_machine_as_test(
            LedgerOfThisTest,
            settings=settings(
                max_examples=120,
                stateful_step_count=40,
                derandomize=True,
                database=None,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            ),
        )
