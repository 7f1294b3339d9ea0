"""The schedules of the jobs on a real Temporal server: there after a start, once, as they should be, and an operator's
pause is the operator's."""

import asyncio
from datetime import timedelta

import pytest
from temporalio.client import (
    Client,
    ScheduleActionStartWorkflow,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
)
from temporalio.testing import WorkflowEnvironment

from activities.jobs import JOBS, Job, job_named
from activities.messages import JobRequest
from workflows.schedules import SWITCHED_OFF, ensure_schedules, schedule_id

EXPIRY = "expire-tokens"


@pytest.fixture
async def client(temporal: WorkflowEnvironment) -> Client:
    """A Temporal without any of our schedules."""
    for job in JOBS:
        await forget(temporal.client, job)
    return temporal.client


async def forget(client: Client, job: Job) -> None:
    if schedule_id(job.name) in await ids(client):
        await client.get_schedule_handle(schedule_id(job.name)).delete()


async def ids(client: Client) -> list[str]:
    """Every schedule there is, as soon as Temporal's list of them is not about to change."""
    found = [schedule.id async for schedule in await client.list_schedules()]
    while True:
        await asyncio.sleep(0.05)
        again = [schedule.id async for schedule in await client.list_schedules()]
        if again == found:
            return found
        found = again


async def state_of(client: Client, name: str) -> tuple[bool, str | None]:
    state = (await client.get_schedule_handle(schedule_id(name)).describe()).schedule.state
    return state.paused, state.note
