"""The transaction in which requests to use a wallet's tokens are decided: any number of them, together.

The wallet is locked, what is remembered of the requests' keys is read, `rules.spending` decides the new ones in order,
and everything that follows is written by a handful of statements, however many requests there are. Refusals are
remembered like successes, so that whoever was told "no" is never debited later by a slow first try.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias
from uuid import UUID

from models import audit, budgets, ledger
from models.actors import SCRIP_ITSELF
from models.database import Connection
from models.errors import (
    BudgetExceeded,
    CaptureExceedsHold,
    HoldNotFound,
    HoldResolved,
    HoldTooLong,
    InsufficientTokens,
    Refusal,
    WalletSuspended,
)
from models.hold_rows import write_holds
from models.intentions import FirstAnswer, Intention, answer_text
from models.locking import LockedWallet, lock_wallet
from models.outcomes import Booked, Held
from rules import spending
from rules.budgets import OverBudget, Usage
from rules.holding import Hold
from rules.sheet import Movement
from rules.spending import Decision, Moved, Request

# How much the clocks of two hosts may differ. Somebody who spends what another host has just sold them must not be
# refused, for that refusal would be remembered.
CLOCKS_APART_MAX = timedelta(seconds=2)

Outcome: TypeAlias = Booked | Held
Answer: TypeAlias = Outcome | Refusal


class Order(Protocol):
    """What somebody asks of a wallet, once by its key. `needs_active` is whether a suspended wallet refuses it."""

    @property
    def organization_id(self) -> UUID: ...

    @property
    def actor(self) -> str: ...

    @property
    def request_id(self) -> str | None: ...

    @property
    def needs_active(self) -> bool: ...

    @property
    def named_hold(self) -> UUID | None: ...

    def intention(self) -> Intention: ...

    def request(self, at: datetime) -> Request: ...

    def posting(self, movement: Movement) -> ledger.Posting: ...

    def outcome(self, wallet: LockedWallet, moved: Moved) -> Outcome: ...

    def told_again(self, first: FirstAnswer) -> Outcome: ...


@dataclass(slots=True)
class Page:
    """What is written at the end: entries in order, first answers, and the holds that changed, each as it is left."""

    postings: list[ledger.Posting] = field(default_factory=list)
    answers: list[tuple[Intention, str]] = field(default_factory=list)
    holds: dict[UUID, Hold] = field(default_factory=dict)
    resolved_by: dict[UUID, str] = field(default_factory=dict)
    keys: dict[UUID, str] = field(default_factory=dict)
    extended: list[tuple[Hold, Order]] = field(default_factory=list)


async def decide_orders(
    db: Connection, organization_id: UUID, orders: Sequence[Order], *, at: datetime
) -> list[Answer]:
    """What each order gets, in order, written in the caller's transaction. Raises WalletNotFound."""
    intentions = [order.intention() for order in orders]
    named = [order.named_hold for order in orders if order.named_hold is not None]
    wallet = await lock_wallet(db, organization_id, at=at, intentions=intentions, hold_ids=named)
    fresh = _fresh(wallet, orders, intentions)
    allowed = [place for place in fresh if not _is_suspended_for(wallet, orders[place])]
    at = _instant(wallet, at)
    usage = await _usage(db, wallet, orders, at)
    # When there is nothing to decide nothing is tidied up either: a repeated request writes nothing at all.
    decision = _decide(wallet, [orders[place].request(at) for place in allowed], at, usage)
    page = _page(wallet, decision, [orders[place] for place in allowed])
    answers = _answers(wallet, orders, fresh, dict(zip(allowed, decision.answers, strict=True)))
    for place in fresh:
        answer = answers[place]
        plain = answer if isinstance(answer, Refusal) else answer.as_answer()
        page.answers.append((intentions[place], answer_text(plain)))
    await _write(db, wallet, page, usage)
    return [_told(order, wallet, place, answers, intentions) for place, order in enumerate(orders)]


def _instant(wallet: LockedWallet, at: datetime) -> datetime:
    """`at`, or a moment later: what the host that put in a lot has called now is over, however late our clock is."""
    begun = [lot.effective_at for lot in wallet.state.lots if at < lot.effective_at <= at + CLOCKS_APART_MAX]
    return max((at, *begun))


def _decide(wallet: LockedWallet, requests: Sequence[Request], at: datetime, usage: Usage) -> Decision:
    return spending.decide(wallet.state, requests, at, usage) if requests else Decision((), (), (), ())


def _fresh(wallet: LockedWallet, orders: Sequence[Order], intentions: Sequence[Intention]) -> list[int]:
    """The places of the orders that are new: not remembered, and the first of their key among those that came now."""
    seen: set[tuple[str, str]] = set()
    places = []
    for place, intention in enumerate(intentions):
        name = (intention.operation, intention.key)
        if name not in wallet.first_answers and name not in seen:
            seen.add(name)
            places.append(place)
    return places


def _is_suspended_for(wallet: LockedWallet, order: Order) -> bool:
    return wallet.suspended_at is not None and order.needs_active


async def _usage(db: Connection, wallet: LockedWallet, orders: Sequence[Order], at: datetime) -> Usage:
    actors = {order.actor for order in orders} | {hold.actor for hold in wallet.state.holds}
    instants = {at} | {hold.held_at for hold in wallet.state.holds}
    return await budgets.usage_of(db, wallet, actors, instants)


def _answers(
    wallet: LockedWallet, orders: Sequence[Order], fresh: Sequence[int], decided: Mapping[int, spending.Answer]
) -> dict[int, Answer]:
    """The first answers to the new orders, by their places."""
    answers: dict[int, Answer] = {}
    for place in fresh:
        found = decided.get(place)
        if found is None:
            assert wallet.suspended_at is not None
            answers[place] = WalletSuspended(reason=wallet.suspension_reason, since=wallet.suspended_at)
        elif isinstance(found, Moved):
            answers[place] = orders[place].outcome(wallet, found)
        else:
            answers[place] = refusal_of(found)
    return answers


def refusal_of(answer: spending.Answer) -> Refusal:
    """What the rules refused, as the refusal that callers are told."""
    match answer:
        case spending.Shortage(needed, available):
            return InsufficientTokens(needed=needed, available=available)
        case OverBudget(period, limit, needed, left, resets_at):
            return BudgetExceeded(period=period.value, limit=limit, needed=needed, left=left, resets_at=resets_at)
        case spending.MoreThanHeld(asked, held):
            return CaptureExceedsHold(asked=asked, held=held)
        case spending.TooLong(latest):
            return HoldTooLong(latest=latest)
        case spending.Unheld(None):
            return HoldNotFound()
        case spending.Unheld(Hold(resolved_at=datetime() as resolved_at) as hold):
            return HoldResolved(status=hold.status.value, captured=hold.captured, resolved_at=resolved_at)
    raise TypeError(f"{answer!r} is not a refusal")


def _page(wallet: LockedWallet, decision: Decision, orders: Sequence[Order]) -> Page:
    page = Page(postings=list(ledger.settled_postings(decision.settled)))
    for hold in decision.ended:
        page.holds[hold.id] = hold
        page.resolved_by[hold.id] = SCRIP_ITSELF
    for order, answer in zip(orders, decision.answers, strict=True):
        if not isinstance(answer, Moved):
            continue
        page.postings += [order.posting(movement) for movement in answer.movements]
        if answer.hold is not None:
            page.holds[answer.hold.id] = answer.hold
            page.resolved_by[answer.hold.id] = order.actor
            page.keys.setdefault(answer.hold.id, order.intention().key)
        if answer.hold is not None and not answer.movements:
            page.extended.append((answer.hold, order))
    return page


async def _write(db: Connection, wallet: LockedWallet, page: Page, usage: Usage) -> None:
    # The holds come first: an entry that is about one can be followed to it from the moment it is seen.
    known = {hold.id for hold in wallet.state.holds}
    await write_holds(db, wallet, page.holds.values(), known=known, resolved_by=page.resolved_by, keys=page.keys)
    await budgets.count(db, usage)
    for hold, order in page.extended:
        await audit.record(
            db,
            wallet.organization_id,
            action="hold.extended",
            resource="hold",
            resource_id=hold.id,
            actor=order.actor,
            details={"expires_at": hold.expires_at.isoformat()},
            request_id=order.request_id,
        )
    await ledger.post(db, wallet, ledger.Books(tuple(page.postings), tuple(page.answers)))


def _told(
    order: Order, wallet: LockedWallet, place: int, answers: Mapping[int, Answer], intentions: Sequence[Intention]
) -> Answer:
    """The answer to one order: decided now, or the first answer to its key, told again."""
    if place in answers:
        return answers[place]
    first = wallet.first_answer_to(intentions[place]) or _first_among(place, answers, intentions)
    try:
        return order.told_again(first)
    except Refusal as refusal:
        return refusal


def _first_among(place: int, answers: Mapping[int, Answer], intentions: Sequence[Intention]) -> FirstAnswer:
    """What was just decided for the first of several orders with one key."""
    mine = intentions[place]
    (first,) = [
        each for each in answers if (intentions[each].operation, intentions[each].key) == (mine.operation, mine.key)
    ]
    answer = answers[first]
    plain = answer if isinstance(answer, Refusal) else answer.as_answer()
    return FirstAnswer(intentions[first].fingerprint, answer_text(plain))
