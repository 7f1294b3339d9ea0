"""A run of a job: page after page, one history after another, and what becomes of pages that fail."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.jobs import JOBS, Job, JobActivities
from activities.messages import JobPage, JobReport, JobRequest
from rules.timetable import Timetable
from tests.patience import PATIENCE_SECONDS
from tests.simulators.replaying import replayer
from worker import workflow_runner
from workflows.jobs import JobWorkflow

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
numbers = count(1)


@dataclass
class Pages:
    """A job of five pages that remembers who asked for what, and fails as often as it is told."""

    failures: int = 0
    asked: list[tuple[str | None, datetime]] = field(default_factory=list)

    async def work(self, after: str | None, at: datetime) -> JobPage:
        self.asked.append((after, at))
        if self.failures:
            self.failures -= 1
            raise OSError("the database is away")
        place = int(after or "0") + 1
        findings = (f"finding {place}",) if place % 2 else ()
        return JobPage(10, place, 1, findings, after=str(place) if place < 5 else None)

    def job(self) -> Job:
        return Job("five-pages", Timetable(timedelta(hours=1)), "Turns five pages.", self.work)


@asynccontextmanager
async def serving(environment: WorkflowEnvironment, jobs: Sequence[Job]) -> AsyncIterator[str]:
    """A worker for these jobs, on a queue of its own; the queue's name."""
    queue = f"jobs-{next(numbers)}"
    activities = JobActivities(lambda: NOW, jobs)
    async with Worker(
        environment.client,
        task_queue=queue,
        workflows=[JobWorkflow],
        activities=[activities.work_a_page],
        workflow_runner=workflow_runner(),
    ):
        yield queue


async def start(
    environment: WorkflowEnvironment, queue: str, request: JobRequest
) -> WorkflowHandle[JobWorkflow, JobReport]:
    return await environment.client.start_workflow(
        JobWorkflow.run, request, id=f"job/test-{next(numbers)}", task_queue=queue
    )


async def histories(handle: WorkflowHandle[Any, Any]) -> int:
    """How many histories a run has written, each replayed, which proves it deterministic."""
    run_id, written = handle.result_run_id, 0
    while run_id:
        history = await handle._client.get_workflow_handle(handle.id, run_id=run_id).fetch_history()
        await replayer([JobWorkflow]).replay_workflow(history)
        written += 1
        last = history.events[-1]
        continued = last.HasField("workflow_execution_continued_as_new_event_attributes")
        run_id = last.workflow_execution_continued_as_new_event_attributes.new_execution_run_id if continued else ""
    return written


REPORT = JobReport(50, 15, 5, ("finding 1", "finding 3", "finding 5"))


@pytest.mark.parametrize(("pages_per_history", "written"), [(100, 1), (5, 1), (4, 2), (2, 3), (1, 5)])
async def test_a_run_adds_up_its_pages_however_many_histories_it_takes(
    temporal: WorkflowEnvironment, pages_per_history: int, written: int
) -> None:
    pages = Pages()
    async with serving(temporal, [pages.job()]) as queue:
        handle = await start(temporal, queue, JobRequest("five-pages", pages_per_history=pages_per_history))
        report = await handle.result()

    assert report == REPORT
    assert pages.asked == [(None, NOW), ("1", NOW), ("2", NOW), ("3", NOW), ("4", NOW)]
    assert await histories(handle) == written


async def test_a_page_that_fails_is_tried_again_where_it_was(temporal: WorkflowEnvironment) -> None:
    pages = Pages(failures=2)
    async with serving(temporal, [pages.job()]) as queue:
        handle = await start(temporal, queue, JobRequest("five-pages"))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(pages.asked) < 3:
                await temporal.fast_forward(handle, timedelta(seconds=1))
        report = await handle.result()

    assert report == REPORT
    assert [after for after, _ in pages.asked] == [None, None, None, "1", "2", "3", "4"]


async def test_a_page_that_goes_on_failing_ends_the_run_after_half_an_hour(temporal: WorkflowEnvironment) -> None:
    pages = Pages(failures=10**6)
    async with serving(temporal, [pages.job()]) as queue:
        handle = await start(temporal, queue, JobRequest("five-pages"))
        await temporal.fast_forward(handle, timedelta(minutes=31))
        with pytest.raises(WorkflowFailureError) as failure:
            await handle.result()

    assert isinstance(failure.value.cause, ActivityError)
    assert {after for after, _ in pages.asked} == {None}


async def test_a_job_that_is_known_no_more_fails_at_once(temporal: WorkflowEnvironment) -> None:
    async with serving(temporal, JOBS) as queue:
        handle = await start(temporal, queue, JobRequest("of-an-older-version"))
        with pytest.raises(WorkflowFailureError) as failure:
            await handle.result()

    assert isinstance(failure.value.cause, ActivityError)
    refused = failure.value.cause.cause
    assert isinstance(refused, ApplicationError)
    assert (refused.type, refused.non_retryable) == ("JobNotFound", True)


def test_a_report_keeps_a_hundred_findings() -> None:
    report = JobReport()
    for number in range(70):
        report = report.with_page(JobPage(findings=(f"{number}", f"{number} again")))

    assert len(report.findings) == 100
    assert report.findings[-1] == "49 again"


@pytest.mark.parametrize("said", [lambda job: job.name, lambda job: job.does], ids=["name", "sentence"])
def test_no_two_jobs_say_the_same(said: Callable[[Job], str]) -> None:
    assert len({said(job) for job in JOBS}) == len(JOBS)
