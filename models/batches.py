"""Many spends in one call: each for itself, or all of them or none.

Each request has its own key, which remembers its own answer, whichever way the batch was sent. In an all-or-nothing
batch the wallets are locked in one order, everything is decided, and when one request is refused everything is undone
and every key remembers why: the refused ones their own refusal, the others that the batch was refused.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from models.database import Connection, retrying, transaction
from models.deciding import Answer, decide_orders
from models.errors import BatchRefused, Refusal, WalletNotFound
from models.intentions import Intention, answer_text, remember_all
from models.locking import LockedWallet, lock_wallet
from models.spending import SpendOrder

BATCH_MAX = 1_000


class _Undone(Exception):
    """Some of the requests were refused, so the transaction must not commit."""

    def __init__(self, answers: Mapping[int, Answer]) -> None:
        super().__init__()
        self.answers = answers


async def spend_all_or_nothing(
    orders: Sequence[SpendOrder], *, at: datetime, positions: Sequence[int] | None = None
) -> list[Answer]:
    """Either every order is spent, or none is and every answer is a refusal. The answers are in the orders' order.

    Orders whose keys were used before count as what they were answered then. `at` is now, UTC; `positions` are those
    that the caller knows the orders by, when there were others between them.
    """
    told = await retrying(lambda: _decide(orders, at, positions or range(len(orders))))
    return [told[place] for place in range(len(orders))]


async def _decide(orders: Sequence[SpendOrder], at: datetime, positions: Sequence[int]) -> dict[int, Answer]:
    places = _by_wallet(orders)
    async with transaction() as db:
        wallets: dict[UUID, LockedWallet] = {}
        # Wallets are locked in the order of their owners' ids, or two batches over the same ones would wait for
        # each other for ever. They stay locked when what follows is undone, so that nobody decides in between.
        for organization_id in sorted(places):
            intentions = [orders[place].intention() for place in places[organization_id]]
            with suppress(WalletNotFound):
                wallets[organization_id] = await lock_wallet(db, organization_id, at=at, intentions=intentions)
        try:
            return await _spend_all(orders, places, wallets, at)
        except _Undone as undone:
            before = {place for place, order in enumerate(orders) if _was_answered(order, wallets)}
            answers = _refused(undone.answers, before, positions)
            for organization_id, wallet in wallets.items():
                await _remember_refusals(db, wallet, orders, answers, places[organization_id])
            return answers


async def _spend_all(
    orders: Sequence[SpendOrder], places: Mapping[UUID, list[int]], wallets: Mapping[UUID, LockedWallet], at: datetime
) -> dict[int, Answer]:
    """Raises _Undone, with everything it had written undone, when one of them is refused."""
    answers: dict[int, Answer] = {
        place: WalletNotFound() for owner, mine in places.items() if owner not in wallets for place in mine
    }
    async with transaction() as db:
        for organization_id in wallets:
            mine = places[organization_id]
            found = await decide_orders(db, organization_id, [orders[place] for place in mine], at=at)
            answers |= dict(zip(mine, found, strict=True))
        if any(isinstance(answer, Refusal) for answer in answers.values()):
            raise _Undone(answers)
    return answers


def _by_wallet(orders: Sequence[SpendOrder]) -> dict[UUID, list[int]]:
    places: dict[UUID, list[int]] = {}
    for place, order in enumerate(orders):
        places.setdefault(order.organization_id, []).append(place)
    return places


def _was_answered(order: SpendOrder, wallets: Mapping[UUID, LockedWallet]) -> bool:
    """Whether the order's key had its answer before this batch."""
    wallet = wallets.get(order.organization_id)
    return wallet is not None and wallet.first_answer_to(order.intention()) is not None


def _refused(answers: Mapping[int, Answer], before: Collection[int], positions: Sequence[int]) -> dict[int, Answer]:
    """What each request is told when nothing was spent. What a key had done before stays done, and is told again.

    A key that stands twice in the batch was answered by the batch itself, and that was undone.
    """
    first = min(place for place, answer in answers.items() if isinstance(answer, Refusal))
    refusal = answers[first]
    assert isinstance(refusal, Refusal)
    because = BatchRefused(position=positions[first], because=refusal.code)
    standing = {place: each for place, each in answers.items() if place in before or isinstance(each, Refusal)}
    return {place: standing.get(place, because) for place in range(len(positions))}


async def _remember_refusals(
    db: Connection,
    wallet: LockedWallet,
    orders: Sequence[SpendOrder],
    answers: Mapping[int, Answer],
    places: Sequence[int],
) -> None:
    """Every key of this wallet that is new remembers its refusal."""
    fresh: dict[tuple[str, str], tuple[Intention, str]] = {}
    for place in places:
        intention, answer = orders[place].intention(), answers[place]
        if wallet.first_answer_to(intention) is None and isinstance(answer, Refusal):
            fresh.setdefault((intention.operation, intention.key), (intention, answer_text(answer)))
    await remember_all(db, wallet.organization_id, list(fresh.values()))
