"""The schedules of the jobs on a real Temporal server: there after a start, once, as they should be, and an operator's
pause is the operator's."""

import asyncio
from collections.abc import Sequence
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
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment

from activities.jobs import JOBS, Job, job_named
from activities.messages import JobRequest
from tests.patience import PATIENCE_SECONDS
from workflows.schedules import SWITCHED_OFF, ensure_schedules, schedule_id

EXPIRY = "expire-tokens"


@pytest.fixture
async def client(temporal: WorkflowEnvironment) -> Client:
    """A Temporal without any of our schedules."""
    for job in JOBS:
        await forget(temporal.client, job)
    return temporal.client


async def forget(client: Client, job: Job) -> None:
    try:
        await client.get_schedule_handle(schedule_id(job.name)).delete()
    except RPCError as refusal:
        if refusal.status is not RPCStatusCode.NOT_FOUND:
            raise


async def are_listed(client: Client, wanted: Sequence[Job]) -> None:
    """The schedules of these jobs and no others are in Temporal's list of them, which is a moment behind."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while sorted([schedule.id async for schedule in await client.list_schedules()]) != sorted(
            schedule_id(job.name) for job in wanted
        ):
            await asyncio.sleep(0.05)


async def state_of(client: Client, name: str) -> tuple[bool, str | None]:
    state = (await client.get_schedule_handle(schedule_id(name)).describe()).schedule.state
    return state.paused, state.note


async def test_every_job_has_its_schedule_after_a_start_and_no_other_after_two(client: Client) -> None:
    # when: two workers start at once, and another one later
    await asyncio.gather(ensure_schedules(client, enabled=True), ensure_schedules(client, enabled=True))
    await ensure_schedules(client, enabled=True)

    # then
    await are_listed(client, JOBS)
    job = job_named(EXPIRY)
    assert job is not None
    schedule = (await client.get_schedule_handle("job/expire-tokens").describe()).schedule
    assert schedule.spec.intervals == [ScheduleIntervalSpec(every=timedelta(minutes=5))]
    assert schedule.policy == SchedulePolicy(
        overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(minutes=5), pause_on_failure=False
    )
    assert schedule.state == ScheduleState(note=job.does, paused=False)
    assert isinstance(schedule.action, ScheduleActionStartWorkflow)
    action = schedule.action
    assert (action.workflow, action.id, action.task_queue) == ("Job", "job/expire-tokens", "scrip")
    assert await client.data_converter.decode(action.args, [JobRequest]) == [JobRequest(EXPIRY)]


async def test_a_schedule_that_has_changed_is_brought_up_to_date(client: Client) -> None:
    # given: the schedule of an older version
    await ensure_schedules(client, enabled=True)
    handle = client.get_schedule_handle(schedule_id(EXPIRY))
    older = (await handle.describe()).schedule
    older.spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(days=1))])
    older.policy = SchedulePolicy(overlap=ScheduleOverlapPolicy.ALLOW_ALL)
    await handle.update(lambda _: ScheduleUpdate(older))

    # when
    await ensure_schedules(client, enabled=True)

    # then
    schedule = (await handle.describe()).schedule
    assert schedule.spec.intervals == [ScheduleIntervalSpec(every=timedelta(minutes=5))]
    assert schedule.policy.overlap is ScheduleOverlapPolicy.SKIP


async def test_switched_off_schedules_are_paused_with_a_reason_and_go_on_when_switched_on(client: Client) -> None:
    # given
    await ensure_schedules(client, enabled=True)

    # when
    await ensure_schedules(client, enabled=False)

    # then
    assert {await state_of(client, job.name) for job in JOBS} == {(True, SWITCHED_OFF)}
    await are_listed(client, JOBS)

    # when
    await ensure_schedules(client, enabled=True)

    # then
    assert [await state_of(client, job.name) for job in JOBS] == [(False, job.does) for job in JOBS]


async def test_schedules_that_were_never_made_are_made_paused_when_switched_off(client: Client) -> None:
    await ensure_schedules(client, enabled=False)

    assert {await state_of(client, job.name) for job in JOBS} == {(True, SWITCHED_OFF)}


async def test_what_an_operator_has_paused_stays_paused_whatever_is_switched(client: Client) -> None:
    # given
    await ensure_schedules(client, enabled=True)
    await client.get_schedule_handle(schedule_id(EXPIRY)).pause(note="while we look at wallet 7")

    # when
    for enabled in (True, False, True):
        await ensure_schedules(client, enabled=enabled)

    # then
    assert await state_of(client, EXPIRY) == (True, "while we look at wallet 7")
    assert (await state_of(client, "reconcile"))[0] is False
    await client.get_schedule_handle(schedule_id(EXPIRY)).unpause()
