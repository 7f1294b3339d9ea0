"""The pages of the jobs on real books: in bounded pages, each thing once, and one that fails does not stop the rest."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from activities import jobs
from activities.jobs import (
    LOTS_A_PAGE,
    WALLETS_A_PAGE,
    PageOfWork,
    expire_holds,
    expire_tokens,
    reconcile,
    warn_expiring_tokens,
)
from activities.messages import JobPage, JobReport
from models.database import Connection, DatabaseBusy, patient
from models.expiring import book_expiry
from models.reconciliation import RULES, violations
from models.spending import SpendOrder
from models.wallets import wallet_id_of
from tests.builders import Organization, an_organization, gives, holds, spend
from tests.models.test_expiry_booking import many_lots

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
A_DAY = timedelta(days=1)
AT_ONCE = 8


async def run(work: PageOfWork, at: datetime = NOW) -> tuple[JobReport, int]:
    """What came of a whole run, and how many pages it had."""
    after, report, pages = None, JobReport(), 0
    while True:
        page = await work(after, at)
        report, pages, after = report.with_page(page), pages + 1, page.after
        if after is None:
            return report, pages


async def organizations(count: int, fill: Callable[[Organization], Awaitable[None]]) -> list[Organization]:
    """So many organizations, filled some at a time."""
    made: list[Organization] = []

    async def one() -> None:
        organization = await an_organization()
        await fill(organization)
        made.append(organization)

    for start in range(0, count, AT_ONCE):
        await asyncio.gather(*(one() for _ in range(min(AT_ONCE, count - start))))
    return made


async def gets_a_token_for_a_day(organization: Organization) -> None:
    await gives(organization, "1", expires_at=NOW + A_DAY, at=NOW)


async def booked(db: Connection) -> int:
    row = await db.fetch_one("SELECT count(*) AS n FROM token_balance_history WHERE change_type = 'EXPIRATION'")
    assert row is not None
    return int(row["n"])


async def test_a_thousand_wallets_are_booked_in_pages_and_the_next_run_finds_nothing(db: Connection) -> None:
    # given
    await organizations(1000, gets_a_token_for_a_day)

    # when
    early, _ = await run(expire_tokens, NOW + A_DAY - timedelta(microseconds=1))
    report, pages = await run(expire_tokens, NOW + A_DAY)
    again, _ = await run(expire_tokens, NOW + A_DAY)

    # then: after five full pages a sixth says that there is no more
    assert (early, again) == (JobReport(), JobReport())
    assert report == JobReport(looked_at=1000, changed=1000)
    assert pages == 1000 // LOTS_A_PAGE + 1 == 6
    assert await booked(db) == 1000
    assert await violations(db) == []


async def test_a_wallet_of_a_thousand_lots_is_booked_at_its_first_page(db: Connection) -> None:
    aurora, boreal = await an_organization(), await an_organization()
    await many_lots(aurora, 1000, expires_at=NOW + A_DAY)
    await gives(boreal, "1", expires_at=NOW + A_DAY, at=NOW)

    report, pages = await run(expire_tokens, NOW + A_DAY)

    assert (report, pages) == (JobReport(looked_at=2, changed=1001), 2)
    assert await booked(db) == 1001
    assert await violations(db) == []


async def test_two_runs_at_once_beside_spends_book_each_lot_once(db: Connection) -> None:
    # given: each wallet has a token that expires and one that does not
    made = await organizations(40, gets_a_token_for_a_day)
    for organization in made:
        await gives(organization, "1", at=NOW)

    # when
    runs, _ = await asyncio.gather(
        asyncio.gather(run(expire_tokens, NOW + A_DAY), run(expire_tokens, NOW + A_DAY)),
        asyncio.gather(
            *(spend(SpendOrder(each.id, Decimal(1), "report", "user/ada"), at=NOW + A_DAY) for each in made)
        ),
    )

    # then
    assert [report.failed for report, _ in runs] == [0, 0]
    assert await booked(db) == 40
    row = await db.fetch_one("SELECT sum(current_balance) AS left FROM organization_token_wallets")
    assert row is not None
    assert row["left"] == 0
    assert await violations(db) == []


async def test_a_wallet_that_cannot_be_booked_is_counted_and_the_others_are_booked(
    db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    made = await organizations(3, gets_a_token_for_a_day)

    async def broken(organization_id: UUID, *, at: datetime) -> int:
        if organization_id == made[1].id:
            raise LookupError("this wallet is broken")
        return await book_expiry(organization_id, at=at)

    # when
    with capture_logs() as logs, monkeypatch.context() as patch:
        patch.setattr(jobs, "book_expiry", broken)
        report, _ = await run(expire_tokens, NOW + A_DAY)
    again, _ = await run(expire_tokens, NOW + A_DAY)

    # then
    assert report == JobReport(looked_at=3, changed=2, failed=1)
    (line,) = [line for line in logs if line["log_level"] == "error"]
    assert (line["event"], line["organization_id"]) == ("job.failed_for_one", str(made[1].id))
    assert again == JobReport(looked_at=1, changed=1)
    assert await violations(db) == []


async def test_a_page_fails_as_a_whole_when_the_database_cannot_take_it(
    db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await organizations(2, gets_a_token_for_a_day)

    async def busy(organization_id: UUID, *, at: datetime) -> int:
        raise DatabaseBusy("no connection became free")

    monkeypatch.setattr(jobs, "book_expiry", busy)
    with pytest.raises(DatabaseBusy):
        await run(expire_tokens, NOW + A_DAY)

    assert await booked(db) == 0


async def test_wallets_are_warned_in_pages_and_once(db: Connection) -> None:
    # given
    await organizations(2 * WALLETS_A_PAGE + 1, gets_a_token_for_a_day)

    # when
    report, pages = await run(warn_expiring_tokens)
    again, _ = await run(warn_expiring_tokens)

    # then
    assert (report, pages) == (JobReport(looked_at=101, changed=101), 3)
    assert again == JobReport(looked_at=101)
    rows = await db.fetch("SELECT DISTINCT level, tokens FROM notices")
    assert [tuple(row.values()) for row in rows] == [(1, 1)]
    assert await violations(db) == []


async def test_overdue_holds_are_ended_wallet_by_wallet_and_once(db: Connection) -> None:
    # given
    for _ in range(51):
        owner = await an_organization()
        await gives(owner, "5", at=NOW - A_DAY)
        await holds(owner, "2", seconds=3600, at=NOW - A_DAY)
        await holds(owner, "1", seconds=2 * 24 * 3600, at=NOW - A_DAY)

    # when
    report, pages = await run(expire_holds)
    again, _ = await run(expire_holds)

    # then
    assert (report, pages) == (JobReport(looked_at=51, changed=51), 2)
    assert again == JobReport()
    rows = await db.fetch("SELECT status, resolved_by, count(*) AS many FROM token_holds GROUP BY 1, 2 ORDER BY 1")
    assert [tuple(row.values()) for row in rows] == [("EXPIRED", "scrip", 51), ("HELD", None, 51)]
    assert await violations(db) == []


async def test_books_in_order_have_no_findings(db: Connection) -> None:
    await organizations(2, gets_a_token_for_a_day)

    with capture_logs() as logs:
        report, pages = await run(reconcile)

    assert (report, pages) == (JobReport(looked_at=len(RULES)), len(RULES))
    assert logs == []


async def test_a_broken_rule_is_a_finding_and_an_error_with_its_ids_and_nothing_is_repaired(db: Connection) -> None:
    # given
    aurora = await an_organization()
    await db.execute("UPDATE organization_token_wallets SET entry_sequence = 9")
    broken = wallet_id_of(aurora.id)

    # when
    with capture_logs() as logs:
        reports = [(await run(reconcile))[0] for _ in range(2)]

    # then
    finding = f"sequences are gapless: broken by 1, such as {broken}"
    assert reports == [JobReport(looked_at=len(RULES), findings=(finding,))] * 2
    assert (
        logs
        == [
            {
                "event": "books.violated",
                "log_level": "error",
                "rule": "sequences are gapless",
                "about": [str(broken)],
            }
        ]
        * 2
    )
    assert [violation.rule for violation in await violations(db)] == ["sequences are gapless"]


async def test_many_violations_are_said_to_be_at_least_twenty(db: Connection) -> None:
    await organizations(21, gets_a_token_for_a_day)
    await db.execute("UPDATE organization_token_wallets SET entry_sequence = 9")

    report, _ = await run(reconcile)

    (finding,) = report.findings
    assert finding.startswith("sequences are gapless: broken by at least 20, such as ")


async def test_a_run_goes_on_though_a_rule_is_known_no_more(books: object) -> None:
    page = await reconcile("a rule of an older version", NOW)

    assert page == JobPage(1, after=next(iter(RULES)))


async def test_a_patient_question_may_take_longer_than_others_and_only_reads(books: object) -> None:
    async with patient(600) as db:
        (row,) = await db.fetch(
            "SELECT current_setting('statement_timeout') AS timeout, current_setting('transaction_read_only') AS reads"
        )

    assert (row["timeout"], row["reads"]) == ("10min", "on")
