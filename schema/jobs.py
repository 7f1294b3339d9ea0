"""Background jobs, as operators see and start them: what Temporal knows of their schedules and last runs."""

import asyncio
from datetime import datetime, timedelta
from typing import Annotated, Self, TypeAlias
from urllib.parse import quote

import strawberry
from temporalio.client import (
    ScheduleActionExecutionStartWorkflow,
    ScheduleDescription,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowHandle,
)
from temporalio.service import RPCError, RPCStatusCode

from activities.jobs import JOBS, Job, job_named
from activities.messages import JobReport
from models import audit, errors
from models.database import transaction
from rules.permissions import Permission
from schema.context import Info
from schema.edge.masking import ErrorCode, public_error
from schema.edge.permissions import requires
from schema.operations import AWAY, WorkflowLink, describe_workflow
from schema.problems import JobNotFound, JobsDisabled
from schema.scalars import clean_text
from workflows.jobs import JobWorkflow
from workflows.schedules import schedule_id

ANSWER_TIMEOUT = timedelta(seconds=2)
NAME_MAX = 100


@strawberry.type(description="What came of a run of a job.")
class JobResult:
    looked_at: int = strawberry.field(description="How many things it looked at: wallets, or rules of the books.")
    changed: int = strawberry.field(description="How many it changed, recorded or booked.")
    failed: int = strawberry.field(description="How many it could not deal with; the log says why.")
    findings: list[str] = strawberry.field(description="What a person has to look at, a line each; at most 100.")

    @classmethod
    def of(cls, report: JobReport) -> Self:
        return cls(
            looked_at=report.looked_at,
            changed=report.changed,
            failed=report.failed,
            findings=list(report.findings),
        )


@strawberry.type(description="One run of a job.")
class JobRun:
    workflow_id: strawberry.Private[str]
    started_at: datetime = strawberry.field(description="When it was started.")
    ended_at: datetime | None = strawberry.field(description="When it ended; null while it runs, or is long gone.")
    status: str = strawberry.field(description="RUNNING, COMPLETED, FAILED …; UNKNOWN when Temporal has forgotten it.")
    result: JobResult | None = strawberry.field(description="What came of it; null unless it is COMPLETED.")

    @strawberry.field(description="Its workflow, as operators see it; null when it is long gone.")
    async def workflow(self, info: Info) -> WorkflowLink | None:
        return await describe_workflow(info, self.workflow_id)


@strawberry.type(description="Work that is done by the clock.")
class BackgroundJob:
    name: str = strawberry.field(description="Its name, for `runBackgroundJob`.")
    description: str = strawberry.field(description="What it does.")
    schedule: str = strawberry.field(description='When it runs, such as "daily at 02:30 UTC".')
    is_scheduled: bool = strawberry.field(description="Whether a worker has made its schedule yet.")
    is_paused: bool = strawberry.field(description="Whether it is paused; a paused job can be run by hand.")
    pause_note: str | None = strawberry.field(description="Why it is paused; null while it is not.")
    next_run_at: datetime | None = strawberry.field(description="When it runs next; null when it is paused.")
    last_run: JobRun | None = strawberry.field(description="Its newest run; null before the first.")
    url: str = strawberry.field(description="Its schedule's page in the Temporal UI.")


@strawberry.input(description="Which job.")
class RunBackgroundJobInput:
    name: str = strawberry.field(description="Its name, as `backgroundJobs` lists it.")


@strawberry.type(
    description="The job was asked to run. While a run of it is still going no second one begins: that run will do."
)
class RunBackgroundJobSuccess:
    job: BackgroundJob = strawberry.field(description="The job, as it stood just after that.")


RunBackgroundJobResult: TypeAlias = Annotated[
    RunBackgroundJobSuccess | JobNotFound | JobsDisabled, strawberry.union("RunBackgroundJobResult")
]


def unavailable() -> Exception:
    return public_error("The jobs cannot be reached right now. Ask again in a moment.", ErrorCode.UNAVAILABLE)


def is_unknown(error: Exception) -> bool:
    """Whether Temporal answered, and knows no such thing."""
    return isinstance(error, RPCError) and error.status is RPCStatusCode.NOT_FOUND


async def read_job(info: Info, job: Job) -> BackgroundJob:
    """The job as Temporal knows it now. Raises UNAVAILABLE."""
    product, known = info.context.product, await described(info, job)
    options, name = product.options, schedule_id(job.name)
    paused = known is not None and known.schedule.state.paused
    upcoming = list(known.info.next_action_times) if known is not None and not paused else []
    return BackgroundJob(
        name=job.name,
        description=job.does,
        schedule=job.timetable.in_words(),
        is_scheduled=known is not None,
        is_paused=paused,
        pause_note=known.schedule.state.note if known is not None and paused else None,
        next_run_at=upcoming[0] if upcoming else None,
        last_run=None if known is None else await last_run(info, known),
        url=f"{options.temporal_ui_url}/namespaces/{options.temporal_namespace}/schedules/{quote(name, safe='')}",
    )


async def described(info: Info, job: Job) -> ScheduleDescription | None:
    """The job's schedule, or None before a worker has made it. Raises UNAVAILABLE."""
    handle = info.context.product.temporal.get_schedule_handle(schedule_id(job.name))
    try:
        return await handle.describe(rpc_timeout=ANSWER_TIMEOUT)
    except AWAY as error:
        if is_unknown(error):
            return None
        raise unavailable() from error


async def last_run(info: Info, known: ScheduleDescription) -> JobRun | None:
    """The newest run that the schedule has started. Raises UNAVAILABLE."""
    if not known.info.recent_actions:
        return None
    newest = known.info.recent_actions[-1]
    assert isinstance(newest.action, ScheduleActionExecutionStartWorkflow)
    handle: WorkflowHandle[JobWorkflow, JobReport] = info.context.product.temporal.get_workflow_handle(
        newest.action.workflow_id, result_type=JobReport
    )
    try:
        told = await handle.describe(rpc_timeout=ANSWER_TIMEOUT)
    except AWAY as error:
        if not is_unknown(error):
            raise unavailable() from error
        return JobRun(workflow_id=handle.id, started_at=newest.started_at, ended_at=None, status="UNKNOWN", result=None)
    return JobRun(
        workflow_id=handle.id,
        started_at=newest.started_at,
        ended_at=told.close_time,
        status=told.status.name if told.status else "UNKNOWN",
        result=await result_of(handle, told),
    )


async def result_of(
    handle: WorkflowHandle[JobWorkflow, JobReport], told: WorkflowExecutionDescription
) -> JobResult | None:
    """What came of a completed run, None for any other. Raises UNAVAILABLE."""
    if told.status is not WorkflowExecutionStatus.COMPLETED:
        return None
    try:
        return JobResult.of(await handle.result(rpc_timeout=ANSWER_TIMEOUT))
    except AWAY as error:
        raise unavailable() from error


async def ask_to_run(info: Info, job: Job) -> None:
    """The job's schedule was told to run it now. Raises UNAVAILABLE, also before a worker has made the schedule."""
    context = info.context
    async with transaction() as db:
        await audit.record(
            db,
            None,
            action="job.requested",
            resource="job",
            resource_id=job.name,
            actor=context.caller().name,
            request_id=context.request_id,
        )
    try:
        await context.product.temporal.get_schedule_handle(schedule_id(job.name)).trigger(rpc_timeout=ANSWER_TIMEOUT)
    except AWAY as error:
        raise unavailable() from error


@strawberry.type
class JobQueries:
    @strawberry.field(
        description="The jobs that run by the clock, with their last and next runs.",
        directives=requires(Permission.PLATFORM_ADMIN),
    )
    async def background_jobs(self, info: Info) -> list[BackgroundJob]:
        return list(await asyncio.gather(*(read_job(info, job) for job in JOBS)))


@strawberry.type
class JobMutations:
    @strawberry.mutation(
        description="Run a job now, also while it is paused. It does the same as at its time, and twice does no harm.",
        directives=requires(Permission.PLATFORM_ADMIN),
    )
    async def run_background_job(
        self, info: Info, input: Annotated[RunBackgroundJobInput, strawberry.argument(description="Which job.")]
    ) -> RunBackgroundJobResult:
        job = job_named(clean_text(input.name, "name", length_min=1, length_max=NAME_MAX))
        if job is None:
            raise errors.JobNotFound
        if not info.context.product.options.background_jobs_enabled:
            raise errors.JobsDisabled
        await ask_to_run(info, job)
        return RunBackgroundJobSuccess(job=await read_job(info, job))
