"""The scheduled jobs: what each does, when it runs, and how one page of it is worked.

A job is a function that works one page: given the place behind which it goes on and the time, it says what came of the
page and where the next one begins. Pages are bounded, every effect in them happens once by its own nature or key, and
one thing that cannot be dealt with does not keep the others waiting: it is logged, counted and left to the next run.

To add a job, write its page and add a line to JOBS; its schedule, its place in `backgroundJobs` and its row in the
documentation follow.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.clock import Clock
from activities.messages import JobPage, JobStep
from models.database import DatabaseBusy, connection, patient
from models.expiring import (
    book_expiry,
    due_lots,
    wallets_expiring_soon,
    wallets_with_overdue_holds,
    warn_of_expiry,
)
from models.feed import LOST
from models.reconciliation import EXAMPLES_MAX, RULES, violation_of
from rules.timetable import Timetable

LOTS_A_PAGE = 200
WALLETS_A_PAGE = 50
# A rule reads all of the books, so it may take long; it holds no lock.
RULE_SECONDS_MAX = 600
BEAT_SECONDS = 5

PageOfWork = Callable[[str | None, datetime], Awaitable[JobPage]]

log = structlog.get_logger("jobs")


@dataclass(frozen=True, slots=True)
class Job:
    """A job by its name; `does` is one sentence for people, `work` its page."""

    name: str
    timetable: Timetable
    does: str
    work: PageOfWork


async def each_of(
    name: str, organizations: Sequence[UUID], work: Callable[[UUID], Awaitable[int]], *, after: str | None
) -> JobPage:
    """A page that works organization by organization; `work` says how much it changed.

    One that fails is logged and counted. A database that is away or busy fails the page, which is tried again.
    """
    changed = failed = 0
    for organization_id in organizations:
        try:
            changed += await work(organization_id)
        except (DatabaseBusy, *LOST):
            raise
        except Exception:
            log.exception("job.failed_for_one", job=name, organization_id=str(organization_id))
            failed += 1
    return JobPage(len(organizations), changed, failed, after=after)


async def expire_tokens(after: str | None, at: datetime) -> JobPage:
    """What has expired is booked in the wallets of the next 200 due lots. Changed: lots."""
    async with connection() as db:
        lots = await due_lots(db, at=at, limit=LOTS_A_PAGE, after=None if after is None else _place_of(after))
    last = f"{lots[-1].expires_at.isoformat()}|{lots[-1].id}" if len(lots) == LOTS_A_PAGE else None
    owners = list(dict.fromkeys(lot.organization_id for lot in lots))
    return await each_of("expire-tokens", owners, lambda owner: book_expiry(owner, at=at), after=last)


async def expire_holds(after: str | None, at: datetime) -> JobPage:
    """The end of overdue holds is booked in the next 50 wallets that have some. Changed: holds, and lots with them."""
    async with connection() as db:
        behind = None if after is None else UUID(after)
        owners = await wallets_with_overdue_holds(db, at=at, limit=WALLETS_A_PAGE, after=behind)
    last = str(owners[-1]) if len(owners) == WALLETS_A_PAGE else None
    return await each_of("expire-holds", owners, lambda owner: book_expiry(owner, at=at), after=last)


async def warn_expiring_tokens(after: str | None, at: datetime) -> JobPage:
    """The next 50 wallets with tokens that expire soon have their notices. Changed: notices."""
    async with connection() as db:
        behind = None if after is None else UUID(after)
        owners = await wallets_expiring_soon(db, at=at, limit=WALLETS_A_PAGE, after=behind)
    last = str(owners[-1]) if len(owners) == WALLETS_A_PAGE else None
    return await each_of("warn-expiring-tokens", owners, lambda owner: warn_of_expiry(owner, at=at), after=last)


async def reconcile(after: str | None, at: datetime) -> JobPage:
    """The next rule of the books was asked; what breaks it is a finding and an error in the log, not repaired."""
    rules = list(RULES)
    position = rules.index(after) + 1 if after in rules else 0
    rule = rules[position]
    async with patient(RULE_SECONDS_MAX) as db:
        violation = await violation_of(db, rule)
    findings: tuple[str, ...] = ()
    if violation is not None:
        log.error("books.violated", rule=rule, about=list(violation.about))
        many = "at least " if len(violation.about) == EXAMPLES_MAX else ""
        findings = (f"{rule}: broken by {many}{len(violation.about)}, such as {violation.about[0]}",)
    return JobPage(1, findings=findings, after=rule if position + 1 < len(rules) else None)


JOBS = (
    Job(
        "expire-tokens",
        Timetable(timedelta(minutes=5)),
        "Books the expiry of tokens whose time is over.",
        expire_tokens,
    ),
    Job(
        "expire-holds",
        Timetable(timedelta(minutes=1)),
        "Books the end of holds whose time is over.",
        expire_holds,
    ),
    Job(
        "warn-expiring-tokens",
        Timetable(timedelta(hours=1), timedelta(minutes=10)),
        "Records a notice for tokens that will probably be lost.",
        warn_expiring_tokens,
    ),
    Job(
        "reconcile",
        Timetable(timedelta(days=1), timedelta(hours=2, minutes=30)),
        "Asks whether everything that must be true of the books is.",
        reconcile,
    ),
)


def job_named(name: str) -> Job | None:
    return next((job for job in JOBS if job.name == name), None)


@dataclass(frozen=True, slots=True)
class JobActivities:
    """The one activity of all jobs."""

    clock: Clock
    jobs: Sequence[Job] = JOBS

    @activity.defn
    async def work_a_page(self, step: JobStep) -> JobPage:
        """One page of the job was worked, at the time it is now. Safe to repeat."""
        job = next((job for job in self.jobs if job.name == step.name), None)
        if job is None:
            raise ApplicationError(f"there is no job {step.name}", type="JobNotFound", non_retryable=True)
        async with _beating():
            return await job.work(step.after, self.clock())


@asynccontextmanager
async def _beating() -> AsyncIterator[None]:
    """Temporal hears that the work goes on, so that work whose process has died is taken up again at once."""

    async def beat() -> None:
        while True:
            activity.heartbeat()
            await asyncio.sleep(BEAT_SECONDS)

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()


def _place_of(after: str) -> tuple[datetime, UUID]:
    moment, _, lot_id = after.partition("|")
    return datetime.fromisoformat(moment), UUID(lot_id)
