"""Notices: each told once, with its event and its audit row, and what will probably be lost told at each warning."""

import asyncio
from contextvars import Context
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import asyncpg
import pytest

from models.database import Connection, retrying, transaction
from models.errors import NoticeNotFound
from models.expiring import NOTICES_AT_ONCE, foresee_losses, wallets_expiring_soon, warn_of_expiry
from models.notices import NewNotice, count_unread, mark_read, read_notices, record
from models.reconciliation import violations
from models.spending import SpendOrder
from rules.identity import derived_id
from rules.notices import NoticeKind
from tests.builders import Organization, an_organization, gives, spend
from tests.models.test_expiry_booking import many_lots
from tests.patience import PATIENCE_SECONDS

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
A_DAY = timedelta(days=1)
AN_HOUR = timedelta(hours=1)


def a_notice(organization: Organization, number: int = 1, *, level: int = 7) -> NewNotice:
    return NewNotice(
        organization.id,
        NoticeKind.TOKENS_EXPIRING,
        "lot",
        derived_id("lot", number),
        level=level,
        tokens=Decimal(12),
        expires_at=NOW + A_DAY,
    )


async def recorded(*new: NewNotice) -> list[bool]:
    async with transaction() as db:
        return [await record(db, one) for one in new]


async def told(db: Connection, organization: Organization) -> list[tuple[int, Decimal | None]]:
    """Warning and tokens of every notice, the nearest expiry first."""
    views = await read_notices(db, organization.id, limit=1000, before=None, unread_only=False)
    return [(view.level, view.tokens) for view in sorted(views, key=lambda view: (view.expires_at, -view.level))]


async def traces(db: Connection) -> tuple[int, int, int]:
    """How many notices there are, events of them, and audit rows."""
    row = await db.fetch_one(
        "SELECT (SELECT count(*) FROM notices) AS notices,"
        " (SELECT count(*) FROM outbox WHERE topic = 'notice.recorded') AS events,"
        " (SELECT count(*) FROM token_audit_logs WHERE action = 'notice.recorded') AS audited"
    )
    assert row is not None
    return row["notices"], row["events"], row["audited"]


async def test_a_notice_is_recorded_once_with_its_event_and_its_audit_row(db: Connection) -> None:
    # given
    aurora = await an_organization()

    # when
    answers = [await recorded(a_notice(aurora)), await recorded(a_notice(aurora), a_notice(aurora, level=1))]

    # then
    assert answers == [[True], [False, True]]
    assert await traces(db) == (2, 2, 2)
    event = await db.fetch_one("SELECT organization_id, body FROM outbox WHERE topic = 'notice.recorded' LIMIT 1")
    assert event is not None
    assert event["organization_id"] == aurora.id
    assert event["body"] == {"notice_id": str(a_notice(aurora).id), "kind": "tokens.expiring"}
    assert await violations(db) == []


async def test_a_notice_told_by_many_at_once_is_told_once(db: Connection) -> None:
    aurora = await an_organization()

    answers = await asyncio.gather(*(recorded(a_notice(aurora)) for _ in range(10)))

    assert sorted(answers) == [[False]] * 9 + [[True]]
    assert await traces(db) == (1, 1, 1)


@pytest.mark.parametrize(
    "damage",
    [
        "kind = 'rumour'",
        "tokens = 0",
        "tokens = 'NaN'",
        "tokens = NULL",
        "expires_at = NULL",
        "level = -1",
    ],
)
async def test_the_database_refuses_a_notice_that_says_nothing(db: Connection, damage: str) -> None:
    await recorded(a_notice(await an_organization()))

    with pytest.raises(asyncpg.CheckViolationError):
        await db.execute(f"UPDATE notices SET {damage}")


async def test_the_database_refuses_to_tell_the_same_twice_under_another_id(db: Connection) -> None:
    await recorded(a_notice(await an_organization()))

    with pytest.raises(asyncpg.UniqueViolationError):
        await db.execute(
            "INSERT INTO notices (id, organization_id, kind, about_type, about_id, level, tokens, expires_at)"
            " SELECT gen_random_uuid(), organization_id, kind, about_type, about_id, level, tokens, expires_at"
            " FROM notices"
        )


async def test_notices_are_marked_once_by_whoever_reads_them_first(db: Connection) -> None:
    # given
    aurora = await an_organization()
    first, second, third = (a_notice(aurora, number) for number in range(3))
    await recorded(first, second, third)

    # when
    marked = [
        await mark_read(aurora.id, [first.id, second.id, first.id], actor="user/ada", at=NOW, request_id="request-1"),
        await mark_read(aurora.id, [second.id], actor="user/vera", at=NOW + AN_HOUR),
    ]

    # then
    assert marked == [2, 0]
    assert await count_unread(db, aurora.id) == 1
    unread = await read_notices(db, aurora.id, limit=9, before=None, unread_only=True)
    assert [(view.id, view.read_at) for view in unread] == [(third.id, None)]
    every = await read_notices(db, aurora.id, limit=9, before=None, unread_only=False)
    assert {view.read_at for view in every} == {NOW, None}
    rows = await db.fetch("SELECT actor, request_id, details FROM token_audit_logs WHERE action = 'notice.read'")
    assert [tuple(row.values()) for row in rows] == [
        ("user/ada", "request-1", {"notices": sorted([str(first.id), str(second.id)])})
    ]
    assert await violations(db) == []


async def test_a_foreign_notice_is_not_found_and_then_none_is_marked(db: Connection) -> None:
    # given
    aurora, boreal = await an_organization(), await an_organization()
    own, foreign = a_notice(aurora, 1), a_notice(boreal, 2)
    await recorded(own, foreign)

    # when
    with pytest.raises(NoticeNotFound):
        await mark_read(aurora.id, [own.id, foreign.id], actor="user/ada", at=NOW)

    # then
    assert [await count_unread(db, one.id) for one in (aurora, boreal)] == [1, 1]
    assert await db.fetch("SELECT 1 FROM token_audit_logs WHERE action = 'notice.read'") == []


async def test_a_wallet_is_warned_of_each_lot_at_each_of_its_warnings_once(db: Connection) -> None:
    # given: tokens that nobody uses
    aurora = await an_organization()
    await gives(aurora, "3", expires_at=NOW + 6 * A_DAY, at=NOW)
    await gives(aurora, "8", expires_at=NOW + 20 * A_DAY, at=NOW)
    await gives(aurora, "100", expires_at=NOW + 40 * A_DAY, at=NOW)
    await gives(aurora, "1000", at=NOW)

    # when
    days = [0, 0, 5.5, 11, 15, 19.5, 19.9, 20, 39.5]
    new = [await warn_of_expiry(aurora.id, at=NOW + day * A_DAY) for day in days]

    # then
    assert new == [2, 0, 1, 1, 1, 1, 0, 0, 1]
    assert await told(db, aurora) == [
        (level, Decimal(tokens)) for level, tokens in ((7, 3), (1, 3), (30, 8), (7, 8), (1, 8), (30, 100), (1, 100))
    ]
    assert await violations(db) == []


async def test_only_what_nobody_will_have_used_is_foreseen_as_lost(db: Connection) -> None:
    # given: a wallet of today that has spent 10, so 10 a day are expected; seen a minute later
    aurora, now = await an_organization(), datetime.now(UTC)
    await gives(aurora, "59.9", expires_at=now + 5 * A_DAY, at=now)
    await gives(aurora, "75", expires_at=now + 12 * A_DAY, at=now)
    await spend(SpendOrder(aurora.id, Decimal(10), "report", "user/ada"), at=now)
    seen = now + timedelta(minutes=1)

    # when
    (loss,) = await foresee_losses(db, aurora.id, at=seen)
    recorded = await warn_of_expiry(aurora.id, at=seen)

    # then: of 124.9 tokens 120 are used in twelve days, less what a minute takes
    assert (loss.tokens, loss.expires_at) == (Decimal("4.9069"), now + 12 * A_DAY)
    assert recorded == 1
    assert await told(db, aurora) == [(30, Decimal("4.9069"))]


async def test_a_wallet_of_many_lots_is_warned_of_all_of_them(db: Connection) -> None:
    aurora = await an_organization()
    await many_lots(aurora, 2 * NOTICES_AT_ONCE + 1, expires_at=NOW + 3 * A_DAY)

    assert await warn_of_expiry(aurora.id, at=NOW) == 101
    assert await warn_of_expiry(aurora.id, at=NOW) == 0
    assert await traces(db) == (101, 101, 101)


async def somebody_waits(owner: asyncpg.Connection) -> None:
    """Comes back when a transaction of the application waits for what another one holds."""
    waiting = "SELECT 1 FROM pg_locks WHERE NOT granted"
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await owner.fetchval(waiting) is None:
            await asyncio.sleep(0.01)


async def test_two_who_warn_in_different_orders_both_come_to_an_end_and_tell_each_lot_once(
    db: Connection, owner: asyncpg.Connection
) -> None:
    # given: somebody who has told of the second lot and is about to tell of the first
    aurora = await an_organization()
    for day in (2, 3):
        await gives(aurora, "3", expires_at=NOW + day * A_DAY, at=NOW)
    losses = await foresee_losses(db, aurora.id, at=NOW)
    first, second = [
        NewNotice(
            aurora.id, NoticeKind.TOKENS_EXPIRING, "lot", loss.lot_id, level=7, tokens=loss.tokens,
            expires_at=loss.expires_at,
        )
        for loss in losses
    ]  # fmt: skip

    async def tells_in_the_other_order() -> list[bool]:
        async with transaction() as own:
            told = [await record(own, second)]
            if not warning:
                warning.append(asyncio.create_task(warn_of_expiry(aurora.id, at=NOW), context=Context()))
                await somebody_waits(owner)
            return [*told, await record(own, first)]

    # when: the database ends one of the two, whichever it is
    warning: list[asyncio.Task[int]] = []
    others = await retrying(tells_in_the_other_order)
    new = await warning[0]

    # then
    assert sum(others) + new == 2
    assert await traces(db) == (2, 2, 2)
    assert await violations(db) == []


async def test_an_empty_wallet_has_nothing_to_lose(db: Connection) -> None:
    aurora = await an_organization()

    assert await foresee_losses(db, aurora.id, at=NOW) == ()
    assert await warn_of_expiry(aurora.id, at=NOW) == 0


async def test_wallets_with_tokens_that_expire_soon_are_listed_by_id_page_after_page(db: Connection) -> None:
    # given: four with tokens of the month to come, and others
    soon = [await an_organization() for _ in range(4)]
    for organization in soon:
        await gives(organization, "1", expires_at=NOW + 29 * A_DAY, at=NOW)
    for expires_at in (NOW + 31 * A_DAY, None):
        await gives(await an_organization(), "1", expires_at=expires_at, at=NOW)
    spent = await an_organization()
    await gives(spent, "1", expires_at=NOW + A_DAY, at=NOW)
    await spend(SpendOrder(spent.id, Decimal(1), "report", "user/ada"), at=NOW)

    # when
    pages: list[list[UUID]] = []
    while len(pages) < 9 and (not pages or len(pages[-1]) == 3):
        after = pages[-1][-1] if pages else None
        pages.append(await wallets_expiring_soon(db, at=NOW, limit=3, after=after))

    # then
    assert [len(page) for page in pages] == [3, 1]
    assert [owner for page in pages for owner in page] == sorted(organization.id for organization in soon)
