"""The ledger on a real PostgreSQL against a wallet of whole numbers: any sequence of operations, the same answers.

Hypothesis invents what happens, in the test's own thread; the database is used by a loop in another one. What is
invented is the same in every run. A failure prints the shortest sequence of steps that shows it.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import inf
from typing import Any, TypeVar

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from models.adjusting import AdjustmentOrder, adjust
from models.database import connection, open_database
from models.errors import IdempotencyConflict, InsufficientTokens, WalletSuspended
from models.granting import GrantOrder, grant
from models.outcomes import Booked
from models.past import read_balance
from models.purchases import PurchaseView
from models.reconciliation import violations
from models.spending import SpendOrder, spend
from models.wallets import WalletView, read_wallet, wallet_id_of
from rules.lots import LotKind
from tests.builders import Organization, an_order, an_organization, defaults, is_paid
from tests.conftest import Database
from tests.models.token_model import Answer, WalletModel

START = datetime(2026, 1, 1, tzinfo=UTC)
SUSPEND = """
UPDATE organization_token_wallets SET is_active = NOT $2, suspended_at = CASE WHEN $2 THEN now() END,
    suspension_reason = 'for a test' WHERE organization_id = $1
"""
REMAINING = "SELECT remaining_tokens FROM token_lots WHERE organization_id = $1 ORDER BY created_at, kind = 'BONUS'"

Result = TypeVar("Result")
Run = Callable[[Coroutine[Any, Any, Any]], Any]

# Few keys, so that they are used again; many amounts, some equal, so that they are used again with the same input.
keys = st.integers(0, 7)
amounts = st.sampled_from([1, 10_000, 25_000]) | st.integers(1, 60_000)


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


async def answer_of(work: Coroutine[Any, Any, Booked]) -> Answer:
    try:
        booked = await work
    except InsufficientTokens as refusal:
        return ("short", plain(refusal.needed), plain(refusal.available))
    except WalletSuspended:
        return ("suspended",)
    except IdempotencyConflict:
        return ("conflict",)
    assert booked.held == 0
    return ("booked", booked.sequence, plain(booked.tokens), plain(booked.available))


class Ledger(RuleBasedStateMachine):
    """One organisation's wallet and its model, side by side; the clock is what the test says it is."""

    orders: Bundle[tuple[PurchaseView, int]] = Bundle("orders")

    run: Run

    def __init__(self) -> None:
        super().__init__()
        self.model = WalletModel()
        self.now = 0
        self.paid: set[str] = set()
        self.seen: dict[int, int] = {}
        self.organization: Organization = self.run(an_organization(wallet=defaults(expires_after_days=2)))

    @property
    def at(self) -> datetime:
        return START + timedelta(hours=self.now)

    @rule(key=keys, tokens=amounts, days=st.none() | st.integers(1, 3), priority=st.sampled_from([0, 50, 100]))
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

    @rule(key=keys, tokens=amounts)
    def spends(self, key: int, tokens: int) -> None:
        order = SpendOrder(self.organization.id, tokens_of(tokens), f"spend {key}", "user/test")
        expected = self.model.spend(self.now, key, tokens)
        assert self.run(answer_of(spend(order, at=self.at))) == expected

    @precondition(lambda self: self.asked_before("spend"))
    @rule(data=st.data())
    def spends_again(self, data: st.DataObject) -> None:
        key, tokens = data.draw(st.sampled_from(self.asked_before("spend")))
        assert isinstance(tokens, int)
        self.spends(key, tokens)

    @rule(key=keys, tokens=amounts, sign=st.sampled_from([1, -1, -1]))
    def adjusts(self, key: int, tokens: int, sign: int) -> None:
        order = AdjustmentOrder(self.organization.id, tokens_of(sign * tokens), "", f"adjust {key}", "user/test")
        expected = self.model.adjust(self.now, key, sign * tokens)
        assert self.run(answer_of(adjust(order, at=self.at))) == expected

    def asked_before(self, operation: str) -> list[tuple[int, object]]:
        """Keys that were used for an operation, with the input they were first used with."""
        return [(name[1], asked) for name, (asked, _) in self.model.answers.items() if name[0] == operation]

    @rule(hours=st.sampled_from([1, 23, 24, 25, 49]))
    def time_passes(self, hours: int) -> None:
        self.now += hours

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
        available = self.model.available(self.now)
        waiting = sum(lot.left for lot in self.model.lots) - available
        sums = self.model.sums
        assert plain(wallet.available) == available
        assert (wallet.held, wallet.entry_sequence) == (0, self.model.sequence)
        assert plain(wallet.total_purchased) == sums["purchased"]
        assert plain(wallet.total_granted) == sums["granted"]
        assert plain(wallet.total_consumed) == sums["consumed"]
        assert plain(wallet.total_expired) == sums["expired"] + waiting
        assert plain(wallet.total_adjusted) == sums["adjusted"] - sums["removed"]
        assert [plain(lot) for lot in lots] == [lot.left for lot in self.model.lots]
        self.seen[self.now] = available

    def teardown(self) -> None:
        assert {hour: self.run(self._available_at(hour)) for hour in self.seen} == self.seen
        assert self.run(self._broken_rules()) == []

    async def _read(self) -> tuple[WalletView, list[Decimal]]:
        async with connection() as db:
            wallet = await read_wallet(db, self.organization.id, at=self.at)
            assert wallet is not None
            return wallet, [row["remaining_tokens"] for row in await db.fetch(REMAINING, self.organization.id)]

    async def _available_at(self, hour: int) -> int:
        """What is answered at the end about an hour that was lived through."""
        async with connection() as db:
            kinds = await read_balance(db, wallet_id_of(self.organization.id), at=START + timedelta(hours=hour))
        return plain(sum((kind.available for kind in kinds), Decimal(0)))

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
                max_examples=60,
                stateful_step_count=25,
                derandomize=True,
                database=None,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            ),
        )
