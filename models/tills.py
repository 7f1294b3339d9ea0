"""Where concurrent requests to use one wallet's tokens meet: they are decided together, in one transaction.

A wallet has one writer at a time, so callers who come while a transaction of this process is under way would only
queue for the wallet's lock. Instead they wait here, and the next transaction decides all of them. Whoever comes alone
is served at once, and nobody ever waits in order to be gathered.

Waiting is bounded: beyond a number of waiting callers a wallet answers "busy", with the time after which it will
probably not be. Nothing is decided then, so the same key may come again. Other processes have tills of their own and
meet these at the wallet's lock; being together changes nobody's answer, only the number of commits.

Batches that are spent together or not at all have a transaction of their own each. Only a few of them are decided at
once, so that those who wait for a crowded wallet never take the connections of everybody else, and few may wait.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from models.batches import spend_all_or_nothing
from models.database import DatabaseBusy, retrying, transaction
from models.deciding import Answer, Order, decide_orders
from models.errors import Refusal, WalletBusy
from models.feed import LOST
from models.outcomes import Booked, Held
from models.spending import SpendOrder

# How many are decided in one transaction: enough to make the commit cheap, few enough to keep it short.
TOGETHER_MAX = 256
WAITING_MAX = 2_000
WAITING_IN_ALL_MAX = 20_000
BATCHES_AT_ONCE = 3
BATCHES_WAITING_MAX = 100
# Before anything was measured, and the least that is ever told.
RETRY_MS_MIN = 50


@dataclass(slots=True)
class _Waiting:
    order: Order
    at: datetime
    answer: "asyncio.Future[Answer]"


@dataclass(slots=True)
class _Till:
    """One wallet's queue. `seconds_each` is how long a request has lately taken of a transaction."""

    waiting: deque[_Waiting] = field(default_factory=deque)
    serving: "asyncio.Task[None] | None" = None
    seconds_each: float = 0.0


class Tills:
    """The tills of this process. `transactions` counts what was written together, `answered` who was answered."""

    def __init__(
        self,
        *,
        waiting_max: int = WAITING_MAX,
        waiting_in_all_max: int = WAITING_IN_ALL_MAX,
        batches_waiting_max: int = BATCHES_WAITING_MAX,
    ) -> None:
        self.transactions = 0
        self.answered = 0
        self.waiting = 0
        self.batches = 0
        self._waiting_max = waiting_max
        self._waiting_in_all_max = waiting_in_all_max
        self._batches_waiting_max = batches_waiting_max
        self._batches_at_once = asyncio.Semaphore(BATCHES_AT_ONCE)
        # How long a request, and a batch, has lately taken, whosever it was.
        self._seconds_each = 0.0
        self._seconds_a_batch = 0.0
        self._tills: dict[UUID, _Till] = {}

    async def ask(self, order: Order, *, at: datetime) -> Booked | Held:
        """The order's answer, decided with whatever else waits. `at` is now, UTC.

        Raises WalletBusy, WalletNotFound, and every refusal of the order itself; nothing moved then. A caller who goes
        away does not take the others' transaction along: what was asked is decided, and its key tells.
        """
        answer = await self._queue(order, at)
        if isinstance(answer, Refusal):
            raise answer
        return answer

    async def ask_all(self, orders: Sequence[Order], *, at: datetime) -> list[Answer]:
        """The answer of each order, in order; being busy is an answer too. Raises what is not a refusal."""
        return list(await asyncio.gather(*(self._answer(order, at) for order in orders)))

    async def ask_together(
        self, orders: Sequence[SpendOrder], *, at: datetime, positions: Sequence[int] | None = None
    ) -> list[Answer]:
        """As `spend_all_or_nothing`; when too many such batches wait, every answer is that the wallet is busy."""
        if self.batches >= self._batches_waiting_max:
            busy = WalletBusy(retry_after_ms=_retry_ms(self._seconds_a_batch, self.batches // BATCHES_AT_ONCE))
            return [busy] * len(orders)
        clock = asyncio.get_running_loop().time
        self.batches += 1
        try:
            async with self._batches_at_once:
                began = clock()
                answers = await spend_all_or_nothing(orders, at=at, positions=positions)
                self._seconds_a_batch = clock() - began
        finally:
            self.batches -= 1
        return answers

    async def _answer(self, order: Order, at: datetime) -> Answer:
        try:
            return await self._queue(order, at)
        except Refusal as refusal:
            return refusal

    def _queue(self, order: Order, at: datetime) -> "asyncio.Future[Answer]":
        till = self._tills.setdefault(order.organization_id, _Till())
        if len(till.waiting) >= self._waiting_max:
            raise WalletBusy(retry_after_ms=_retry_ms(till.seconds_each, len(till.waiting)))
        if self.waiting >= self._waiting_in_all_max:
            if till.serving is None:
                del self._tills[order.organization_id]
            raise WalletBusy(retry_after_ms=_retry_ms(self._seconds_each, self.waiting))
        waiting = _Waiting(order, at, asyncio.get_running_loop().create_future())
        till.waiting.append(waiting)
        self.waiting += 1
        if till.serving is None:
            # In a context of its own: whose request came first is neither whose transaction nor whose log line this is.
            till.serving = asyncio.create_task(self._serve(order.organization_id, till), context=Context())
        return waiting.answer

    async def _serve(self, organization_id: UUID, till: _Till) -> None:
        """Everybody who waits is answered, and whoever comes meanwhile; then the till is closed."""
        clock = asyncio.get_running_loop().time
        together: list[_Waiting] = []
        try:
            while till.waiting:
                together = [till.waiting.popleft() for _ in range(min(len(till.waiting), TOGETHER_MAX))]
                began = clock()
                try:
                    await self._decide(organization_id, together)
                finally:
                    self.waiting -= len(together)
                self._seconds_each = till.seconds_each = (clock() - began) / len(together)
        finally:
            # Whoever ends this from outside ends nobody's waiting for ever: their keys tell them what was decided.
            self.waiting -= len(till.waiting)
            for each in (*together, *till.waiting):
                _fail(each, DatabaseBusy("the till was closed"))
            del self._tills[organization_id]

    async def _decide(self, organization_id: UUID, together: list[_Waiting]) -> None:
        try:
            answers = await self._write(organization_id, together)
        except Exception as fault:
            await self._decide_apart(organization_id, together, fault)
            return
        for each, answer in zip(together, answers, strict=True):
            _tell(each, answer)

    async def _decide_apart(self, organization_id: UUID, together: list[_Waiting], fault: Exception) -> None:
        """What failed together is tried one by one, so that one order that cannot be written does not fail the rest."""
        alone = len(together) == 1 or isinstance(fault, (DatabaseBusy, Refusal, *LOST))
        for each in together:
            if alone:
                _fail(each, fault)
            else:
                await self._decide(organization_id, [each])

    async def _write(self, organization_id: UUID, together: Sequence[_Waiting]) -> list[Answer]:
        orders = [each.order for each in together]
        at = max(each.at for each in together)

        async def write() -> list[Answer]:
            async with transaction() as db:
                return await decide_orders(db, organization_id, orders, at=at)

        answers = await retrying(write)
        self.transactions += 1
        self.answered += len(answers)
        return answers


def _tell(waiting: _Waiting, answer: Answer) -> None:
    if not waiting.answer.done():
        waiting.answer.set_result(answer)


def _fail(waiting: _Waiting, fault: Exception) -> None:
    if not waiting.answer.done():
        waiting.answer.set_exception(fault)


def _retry_ms(seconds_each: float, waiting: int) -> int:
    """When so many who wait now will probably have been served."""
    return max(RETRY_MS_MIN, int(seconds_each * waiting * 1000))
