"""The Temporal Schedules of the jobs: made, or brought up to date, by every worker that starts.

A schedule has the id `job/<name>` and starts the workflow `Job` as `job/<name>-<time>`, never while the run before is
still going. When background jobs are switched off the schedules are paused and say why; a pause that an operator has
made is theirs, and no start of a worker takes it away, but one made between its reading a schedule and its writing it,
which the SDK cannot tell. Workers that start together write the same, and the last one to start decides.
"""

import asyncio

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from activities.jobs import JOBS, Job
from activities.messages import JobRequest
from workflows.jobs import JobWorkflow
from workflows.policies import BOOKS_QUEUE, STEP

SWITCHED_OFF = "Paused because ENABLE_BACKGROUND_JOBS is false."


def schedule_id(name: str) -> str:
    return f"job/{name}"


def schedule_of(job: Job, *, enabled: bool) -> Schedule:
    """The schedule as it should be when no operator has paused it."""
    return Schedule(
        action=ScheduleActionStartWorkflow(
            JobWorkflow.run,
            JobRequest(job.name),
            id=schedule_id(job.name),
            task_queue=BOOKS_QUEUE,
            task_timeout=STEP,
            static_summary=job.does,
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=job.timetable.every, offset=job.timetable.offset)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=job.timetable.catch_up),
        state=ScheduleState(note=job.does if enabled else SWITCHED_OFF, paused=not enabled),
    )


async def ensure_schedules(client: Client, *, enabled: bool) -> None:
    """Every job has its schedule, going when `enabled` and paused otherwise. Safe to repeat and to do at once.

    Raises RPCError when Temporal does not take it.
    """
    await asyncio.gather(*(_ensure(client, job, enabled=enabled) for job in JOBS))


async def _ensure(client: Client, job: Job, *, enabled: bool) -> None:
    wanted = schedule_of(job, enabled=enabled)
    try:
        await client.create_schedule(schedule_id(job.name), wanted)
    except ScheduleAlreadyRunningError:
        await client.get_schedule_handle(schedule_id(job.name)).update(lambda known: _brought_up_to_date(known, wanted))


def _brought_up_to_date(known: ScheduleUpdateInput, wanted: Schedule) -> ScheduleUpdate:
    state = known.description.schedule.state
    if state.paused and state.note != SWITCHED_OFF:
        wanted.state = state
    return ScheduleUpdate(wanted)
