"""Lots as they are told at an instant: what is over is over, whether or not anybody has booked it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from embedded.postgres import PostgresCluster
from models.database import Connection
from models.lots import LotFilter, lots_by_id, read_lots
from models.wallets import read_wallet, wallet_id_of
from rules.lots import LotKind
from tests.builders import Organization, an_organization, gives, holds
from tests.models.damage import Laboratory, laboratory
from tests.models.plans import Explaining, blocks, nodes

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
A_DAY = timedelta(days=1)
OFTEN = 60_000
# A page of 21 lots and, for each, the overdue holds and whether they reserved something in it.
BLOCKS_MAX = 250

# Holds that were captured long ago, each out of the one or the other of two lots.
OLD_HOLDS = """
WITH held AS (
    INSERT INTO token_holds (id, organization_id, wallet_id, tokens, captured_tokens, status, actor, idempotency_key,
        held_at, expires_at, resolved_at, resolved_by)
    SELECT gen_random_uuid(), $1, $2, 1, 1, 'CAPTURED', 'user/test', 'old ' || n, $3::timestamptz,
        $3 + interval '1 hour', $3 + interval '1 minute', 'user/test'
    FROM generate_series(1, $4::int) n
    RETURNING id)
INSERT INTO token_hold_lots (hold_id, lot_id, tokens)
SELECT held.id, lot.id, 1 FROM (SELECT id, row_number() OVER () AS n FROM held) held
JOIN (SELECT id, row_number() OVER (ORDER BY created_at) AS n FROM token_lots WHERE wallet_id = $2 LIMIT 2) lot
    ON lot.n = held.n % 2 + 1
"""


async def test_lots_are_found_by_kind_by_what_is_left_and_by_expiry(db: Connection) -> None:
    # given: lots that never expire, expire soon, and have expired without anybody having booked it
    aurora, boreal = await an_organization(), await an_organization()
    wallet_id = wallet_id_of(aurora.id)
    now = START + 10 * A_DAY
    for tokens, expires_at in (("1", None), ("2", START + 20 * A_DAY), ("3", START + 5 * A_DAY)):
        await gives(aurora, tokens, expires_at=expires_at, at=START)
    await gives(boreal, "9", at=START)

    async def found(**wanted: Any) -> list[int]:
        lots = await read_lots(db, [wallet_id], limit=9, before=None, at=now, wanted=LotFilter(**wanted))
        return [int(lot.granted_tokens) for lot in lots[wallet_id]]

    # then
    assert await found() == [3, 2, 1]
    assert await found(kinds=(LotKind.PROMO, LotKind.PROMO)) == [3, 2, 1]
    assert await found(kinds=(LotKind.PAID,)) == []
    assert await found(with_tokens=True) == [2, 1]
    assert await found(with_tokens=False) == [3]
    assert await found(expires_before=START + 5 * A_DAY) == []
    assert await found(expires_before=START + 6 * A_DAY) == [3]
    assert await found(expires_before=START + 30 * A_DAY, with_tokens=True) == [2]


async def told(db: Connection, aurora: Organization, at: datetime, **wanted: Any) -> list[tuple[str, str]]:
    """What remains in each lot and how much of that is held, oldest first, the same however the lots are asked for."""
    wallet_id, boreal = wallet_id_of(aurora.id), wallet_id_of((await an_organization()).id)
    chosen = LotFilter(**wanted)
    alone = (await read_lots(db, [wallet_id], limit=9, before=None, at=at, wanted=chosen))[wallet_id]
    beside = await read_lots(db, [wallet_id, boreal], limit=9, before=None, at=at, wanted=chosen)
    assert beside == {wallet_id: alone, boreal: []}
    assert await lots_by_id(db, [lot.id for lot in alone], at=at) == {lot.id: lot for lot in alone}
    return [(f"{lot.remaining_tokens:f}", f"{lot.held_tokens:f}") for lot in reversed(alone)]


async def test_what_an_overdue_hold_reserved_is_held_no_more(db: Connection) -> None:
    # given: 5 are held until noon and 3 for longer, out of two lots
    aurora = await an_organization()
    await gives(aurora, "6", at=START)
    await gives(aurora, "10", at=START)
    await holds(aurora, "5", seconds=3 * 3600, at=START)
    await holds(aurora, "3", seconds=30 * 3600, at=START)
    noon = START + timedelta(hours=3)
    a_moment = timedelta(microseconds=1)

    # then
    assert await told(db, aurora, noon - a_moment) == [("6.0000", "6.0000"), ("10.0000", "2.0000")]
    assert await told(db, aurora, noon) == [("6.0000", "1.0000"), ("10.0000", "2.0000")]
    assert await told(db, aurora, START + timedelta(hours=30)) == [("6.0000", "0.0000"), ("10.0000", "0.0000")]
    wallet = await read_wallet(db, aurora.id, at=noon)
    assert wallet is not None
    assert (wallet.available, wallet.held) == (Decimal(13), Decimal(3))


async def test_what_an_overdue_hold_reserved_in_an_expired_lot_has_expired_with_it(db: Connection) -> None:
    # given: the lot expires after an hour, one hold of it ends after two hours and the other after three
    aurora, an_hour = await an_organization(), timedelta(hours=1)
    await gives(aurora, "10", expires_at=START + an_hour, at=START)
    await holds(aurora, "4", seconds=2 * 3600, at=START)
    await holds(aurora, "1", seconds=3 * 3600, at=START)

    # then: what is held outlives the lot, and no longer than its hold
    assert await told(db, aurora, START) == [("10.0000", "5.0000")]
    assert await told(db, aurora, START + an_hour) == [("5.0000", "5.0000")]
    assert await told(db, aurora, START + 2 * an_hour) == [("1.0000", "1.0000")]
    assert await told(db, aurora, START + 2 * an_hour, with_tokens=True) == [("1.0000", "1.0000")]
    assert await told(db, aurora, START + 3 * an_hour) == [("0.0000", "0.0000")]
    assert await told(db, aurora, START + 3 * an_hour, with_tokens=True) == []
    assert await told(db, aurora, START + 3 * an_hour, with_tokens=False) == [("0.0000", "0.0000")]


async def a_wallet_that_held() -> Organization:
    """Thirty lots, of which three holds reserve tokens: two that are overdue, and one that is not."""
    aurora = await an_organization()
    for number in range(30):
        await gives(aurora, "10", at=START + timedelta(seconds=number))
    for seconds in (60, 120, 7200):
        await holds(aurora, "90", seconds=seconds, at=START + timedelta(minutes=1))
    return aurora


@pytest.fixture(scope="module")
async def often_held(cluster: PostgresCluster, template: str) -> AsyncIterator[Laboratory[Organization]]:
    async with laboratory(cluster, template, a_wallet_that_held) as filled:
        owner = filled.contents.id
        await filled.superuser.execute(OLD_HOLDS, owner, wallet_id_of(owner), START, OFTEN)
        await filled.superuser.execute("ANALYZE token_holds, token_hold_lots, token_lots")
        yield filled


@pytest.mark.parametrize("with_tokens", [None, True, False])
async def test_a_page_of_lots_costs_the_same_however_often_they_were_held(
    often_held: Laboratory[Organization], with_tokens: bool | None
) -> None:
    explaining, wallet_id = Explaining(often_held.superuser), wallet_id_of(often_held.contents.id)
    now = START + timedelta(hours=1)

    await read_lots(explaining, [wallet_id], limit=21, before=None, at=now, wanted=LotFilter(with_tokens=with_tokens))

    assert "token_hold_lots" in str(explaining.plans)
    assert [kind for plan in explaining.plans for kind in nodes(plan) if kind == "Bitmap Heap Scan"] == []
    assert max(map(blocks, explaining.plans)) <= BLOCKS_MAX
