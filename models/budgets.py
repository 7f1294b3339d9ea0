"""Budgets: caps on what a member or an API key uses, checked and counted under the wallet's lock.

Because whoever uses tokens of a wallet holds its lock, a cap is hard however many calls come at once. What was used
before a budget was set counts too: its first windows are worked out from the history.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from models import audit
from models.database import Connection
from models.errors import BudgetNotFound
from models.locking import LockedWallet
from rules.budgets import Budget, BudgetPeriod, Usage, window_of
from rules.holding import Hold
from rules.identity import derived_id

BUDGETS_OF = """
SELECT b.id, b.actor, b.period, b.limit_tokens, u.window_start, u.used_tokens FROM spend_budgets b
LEFT JOIN spend_budget_usage u ON u.budget_id = b.id AND u.window_start = ANY ($3)
WHERE b.organization_id = $1 AND b.is_active AND b.actor = ANY ($2)
"""

# Only windows that are counted can get something back; one that began before its budget was set is not.
COUNT = """
INSERT INTO spend_budget_usage AS u (budget_id, window_start, used_tokens)
SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::numeric[])
ON CONFLICT (budget_id, window_start) DO UPDATE SET used_tokens = u.used_tokens + excluded.used_tokens
"""

# A usage counter must never be able to block the books. Were it ever to say too little, it stops at zero, and what is
# written beside it (a hold's end, somebody's purchase) is written; `models.reconciliation` finds a wrong counter.
GIVE_BACK = """
UPDATE spend_budget_usage u SET used_tokens = greatest(u.used_tokens + back.tokens, 0)
FROM unnest($1::uuid[], $2::timestamptz[], $3::numeric[]) AS back(budget_id, window_start, tokens)
JOIN spend_budgets b ON b.id = back.budget_id AND back.window_start >= b.counted_from
WHERE u.budget_id = back.budget_id AND u.window_start = back.window_start
"""

SET = """
INSERT INTO spend_budgets AS b (id, organization_id, actor, period, limit_tokens, counted_from)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (organization_id, actor, period)
DO UPDATE SET limit_tokens = excluded.limit_tokens, is_active = true, updated_at = now(),
    counted_from = CASE WHEN b.is_active THEN b.counted_from ELSE excluded.counted_from END
"""

# The latest instant at which an actor is known to have used tokens, or $3 when that is later.
LATEST_USE = """
SELECT greatest($3::timestamptz,
    (SELECT max(occurred_at) FROM token_balance_history
     WHERE wallet_id = $1 AND actor = $2 AND change_type = 'SPEND' AND occurred_at > $3),
    (SELECT max(held_at) FROM token_holds WHERE wallet_id = $1 AND actor = $2 AND held_at > $3)) AS latest
"""

# What the history says of one actor in each window: spends, what holds took in the end, and what they still reserve.
START_WINDOWS = """
INSERT INTO spend_budget_usage (budget_id, window_start, used_tokens)
SELECT $1, w.start,
       coalesce((SELECT -sum(change_amount) FROM token_balance_history
                 WHERE wallet_id = $2 AND actor = $3 AND change_type = 'SPEND'
                     AND occurred_at >= w.start AND occurred_at < w.finish), 0)
     + coalesce((SELECT sum(CASE status WHEN 'HELD' THEN tokens ELSE captured_tokens END) FROM token_holds
                 WHERE wallet_id = $2 AND actor = $3 AND held_at >= w.start AND held_at < w.finish), 0)
FROM unnest($4::timestamptz[], $5::timestamptz[]) AS w(start, finish)
ON CONFLICT (budget_id, window_start) DO UPDATE SET used_tokens = excluded.used_tokens
RETURNING window_start, used_tokens
"""

REMOVE = """
UPDATE spend_budgets SET is_active = false, updated_at = now()
WHERE id = $1 AND organization_id = $2 AND is_active RETURNING actor, period
"""

FLAG = """
UPDATE organization_token_wallets w SET has_budgets = EXISTS (
    SELECT 1 FROM spend_budgets b WHERE b.organization_id = w.organization_id AND b.is_active)
WHERE w.id = $1
"""

# Whose tokens an actor may be given a budget of.
SUBJECTS = {
    "user": "SELECT 1 FROM users WHERE id = $2 AND organization_id = $1 AND is_active",
    "key": "SELECT 1 FROM api_keys WHERE id = $2 AND organization_id = $1 AND revoked_at IS NULL",
}

# $2 to $4 are the beginnings of the present windows, $5 the instant: a hold whose time is over uses nothing any more,
# whether or not that was booked.
BUDGET_NOW = """
SELECT b.id, b.actor, b.period, b.limit_tokens, coalesce(u.used_tokens, 0) - coalesce(over.tokens, 0) AS used
FROM spend_budgets b
CROSS JOIN LATERAL (SELECT CASE b.period
    WHEN 'DAY' THEN $2::timestamptz WHEN 'WEEK' THEN $3::timestamptz ELSE $4::timestamptz END AS start) present
LEFT JOIN spend_budget_usage u ON u.budget_id = b.id AND u.window_start = present.start
LEFT JOIN LATERAL (
    SELECT sum(h.tokens) AS tokens FROM token_holds h
    JOIN organization_token_wallets w ON w.id = h.wallet_id AND w.organization_id = b.organization_id
    WHERE h.status = 'HELD' AND h.expires_at <= $5 AND h.actor = b.actor AND h.held_at >= present.start
) over ON true
WHERE b.is_active AND
"""

BY_IDS = BUDGET_NOW + "b.id = ANY ($1)"
LIST = BUDGET_NOW + "b.organization_id = $1 AND ($6::uuid IS NULL OR b.id > $6) ORDER BY b.id LIMIT $7"


@dataclass(frozen=True, slots=True)
class BudgetOrder:
    """A cap for one actor (`user/<id>` or `key/<id>`) of an organization; `limit` in tokens, ≥ 0."""

    organization_id: UUID
    actor: str
    period: BudgetPeriod
    limit: Decimal
    set_by: str
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class BudgetView:
    """A budget in its present window; `used` includes what is held, but not what an overdue hold still reserves."""

    id: UUID
    actor: str
    period: BudgetPeriod
    limit: Decimal
    used: Decimal
    resets_at: datetime


async def usage_of(
    db: Connection, wallet: LockedWallet, actors: Collection[str], instants: Collection[datetime]
) -> Usage:
    """The budgets of these actors, and what is used of them in the windows of these instants."""
    if not wallet.has_budgets:
        return Usage((), {})
    windows = sorted({window_of(period, instant)[0] for period in BudgetPeriod for instant in instants})
    rows = await db.fetch(BUDGETS_OF, wallet.organization_id, sorted(actors), windows)
    budgets = {
        row["id"]: Budget(row["id"], row["actor"], BudgetPeriod(row["period"]), row["limit_tokens"]) for row in rows
    }
    known = {(row["id"], row["window_start"]): row["used_tokens"] for row in rows if row["window_start"] is not None}
    return Usage(budgets.values(), known)


async def count(db: Connection, usage: Usage) -> None:
    """What was decided is counted in the windows it belongs to."""
    changes = usage.changes
    for statement, chosen in (
        (COUNT, {place: tokens for place, tokens in changes.items() if tokens > 0}),
        (GIVE_BACK, {place: tokens for place, tokens in changes.items() if tokens < 0}),
    ):
        if chosen:
            ids, windows = [place[0] for place in chosen], [place[1] for place in chosen]
            await db.execute(statement, ids, windows, list(chosen.values()))


async def give_back(db: Connection, wallet: LockedWallet, ended: Sequence[Hold]) -> None:
    """Holds that ended by themselves no longer use anybody's budget."""
    if not ended or not wallet.has_budgets:
        return
    usage = await usage_of(db, wallet, {hold.actor for hold in ended}, {hold.held_at for hold in ended})
    for hold in ended:
        usage.add(hold.actor, -hold.tokens, hold.held_at)
    await count(db, usage)


async def is_of(db: Connection, organization_id: UUID, actor: str) -> bool:
    """Whether an actor's name stands for somebody of the organization."""
    kind, _, key = actor.partition("/")
    return await db.fetch_one(SUBJECTS[kind], organization_id, UUID(key)) is not None


async def set_budget(db: Connection, wallet: LockedWallet, order: BudgetOrder, *, at: datetime) -> BudgetView:
    """The cap holds from now on, and counts what was used in its present window already. The wallet is locked.

    The clock was read before the lock was given, and hosts' clocks differ. So the present window is the one of the
    actor's latest use when that is later: it would otherwise be begun by a spend that knows nothing of what is held.
    """
    key = derived_id("budget", order.organization_id, order.actor, order.period)
    row = await db.fetch_one(LATEST_USE, wallet.id, order.actor, at)
    start, end = window_of(order.period, at if row is None else row["latest"])
    await db.execute(SET, key, order.organization_id, order.actor, order.period.value, order.limit, start)
    # The window that this clock is still in is counted as well, for others whose clocks are behind.
    windows = sorted({window_of(order.period, at), (start, end)})
    rows = await db.fetch(START_WINDOWS, key, wallet.id, order.actor, *map(list, zip(*windows, strict=True)))
    counted: Decimal = {row["window_start"]: row["used_tokens"] for row in rows}[start]
    await db.execute(FLAG, wallet.id)
    details = {"actor": order.actor, "period": order.period.value, "limit": f"{order.limit:f}"}
    await _record(db, order.organization_id, "budget.set", key, order.set_by, order.request_id, details)
    # What overdue holds have used is given back when they are booked; for whoever looks now it is back already.
    mine = [hold for hold in wallet.state.holds if hold.actor == order.actor and hold.held_at >= start]
    over = sum((hold.tokens for hold in mine if hold.is_overdue(at)), Decimal(0))
    return BudgetView(key, order.actor, order.period, order.limit, counted - over, end)


async def remove_budget(
    db: Connection, wallet: LockedWallet, budget_id: UUID, *, actor: str, request_id: str | None
) -> None:
    """The cap is no more; the wallet is locked. Raises BudgetNotFound."""
    row = await db.fetch_one(REMOVE, budget_id, wallet.organization_id)
    if row is None:
        raise BudgetNotFound
    await db.execute(FLAG, wallet.id)
    details = {"actor": row["actor"], "period": row["period"]}
    await _record(db, wallet.organization_id, "budget.removed", budget_id, actor, request_id, details)


async def read_budgets(
    db: Connection, organization_id: UUID, *, at: datetime, limit: int, after: UUID | None
) -> list[BudgetView]:
    """The active budgets by id, those behind the given one; what is used is that of the present windows."""
    rows = await db.fetch(LIST, organization_id, *_present_windows(at), at, after, limit)
    return [_view(row, at) for row in rows]


async def budgets_by_id(db: Connection, budget_ids: Sequence[UUID], *, at: datetime) -> dict[UUID, BudgetView]:
    """Active budgets in their present windows, by their ids, whosever they are; what does not exist is left out."""
    rows = await db.fetch(BY_IDS, list(budget_ids), *_present_windows(at), at)
    return {row["id"]: _view(row, at) for row in rows}


def _present_windows(at: datetime) -> list[datetime]:
    """Where the day, the week and the month of an instant begin."""
    return [window_of(period, at)[0] for period in BudgetPeriod]


def _view(row: Any, at: datetime) -> BudgetView:
    period = BudgetPeriod(row["period"])
    return BudgetView(row["id"], row["actor"], period, row["limit_tokens"], row["used"], window_of(period, at)[1])


async def _record(
    db: Connection,
    organization_id: UUID,
    action: str,
    budget_id: UUID,
    actor: str,
    request_id: str | None,
    details: Mapping[str, object],
) -> None:
    await audit.record(
        db,
        organization_id,
        action=action,
        resource="budget",
        resource_id=budget_id,
        actor=actor,
        details=details,
        request_id=request_id,
    )
