"""Background jobs over the API, on a real Temporal: what operators see, how they run one, what is in the way."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from activities.jobs import JOBS
from embedded.ports import free_port
from models.database import Connection
from server import connect_temporal
from tests.builders import an_organization, gives
from tests.patience import PATIENCE_SECONDS
from tests.schema.clients.books import everything
from tests.simulators.operators import RUN, Operator
from tests.simulators.world import World
from worker import on_duty
from workflows.schedules import SWITCHED_OFF, ensure_schedules, schedule_id

OFF = {"enable_background_jobs": False}
WALLET = "{ wallet { available totalExpired entries { nodes { kind tokens availableAfter actor } } } }"


async def test_every_job_is_listed_with_its_schedule(world: World) -> None:
    operator = await Operator.of(world)

    seen, ahead = [], []
    for job in JOBS:
        seen.append(await operator.undisturbed(job.name))
        ahead.append(datetime.fromisoformat(seen[-1]["nextRunAt"]) - datetime.now(UTC))

    assert [(job["name"], job["schedule"]) for job in seen] == [
        ("expire-tokens", "every 5 minutes"),
        ("expire-holds", "every minute"),
        ("warn-expiring-tokens", "every hour at :10"),
        ("reconcile", "daily at 02:30 UTC"),
    ]
    assert [job["description"] for job in seen] == [job.does for job in JOBS]
    assert {(job["isScheduled"], job["isPaused"], job["pauseNote"]) for job in seen} == {(True, False, None)}
    assert [timedelta(0) < wait <= job.timetable.every for wait, job in zip(ahead, JOBS, strict=True)] == [True] * 4
    assert seen[0]["url"].endswith("/namespaces/default/schedules/job%2Fexpire-tokens")


async def test_running_the_expiry_job_books_what_has_expired_and_shows_its_result(world: World) -> None:
    # given
    operator, aurora = await Operator.of(world), await an_organization()
    await operator.undisturbed("expire-tokens")
    now = datetime.now(UTC)
    await gives(aurora, "3", expires_at=now + timedelta(milliseconds=1), at=now)
    await gives(aurora, "5", at=now)

    # when
    first = await operator.runs("expire-tokens")
    second = await operator.runs("expire-tokens")

    # then
    assert (first["status"], second["status"]) == ("COMPLETED", "COMPLETED")
    assert first["result"] == {"lookedAt": 1, "changed": 1, "failed": 0, "findings": []}
    assert second["result"] == {"lookedAt": 0, "changed": 0, "failed": 0, "findings": []}
    assert first["startedAt"] <= first["endedAt"] <= second["startedAt"]
    assert first["workflow"]["id"].startswith("job/expire-tokens-")
    assert first["workflow"]["status"] == "COMPLETED"
    wallet = (
        await world.data(WALLET.replace("wallet", f'wallet(organizationId: "{aurora.global_id}")', 1), operator.member)
    )["wallet"]
    assert (wallet["available"], wallet["totalExpired"]) == ("5.0000", "3.0000")
    assert wallet["entries"]["nodes"][0] == {
        "kind": "EXPIRATION",
        "tokens": "-3.0000",
        "availableAfter": "5.0000",
        "actor": "scrip",
    }
    assert await world.broken_rules() == []


async def test_running_the_warning_job_records_notices(world: World, db: Connection) -> None:
    operator, aurora = await Operator.of(world), await an_organization()
    await operator.undisturbed("warn-expiring-tokens")
    await gives(aurora, "3", expires_at=datetime.now(UTC) + timedelta(days=5))

    run = await operator.runs("warn-expiring-tokens")

    assert run["result"] == {"lookedAt": 1, "changed": 1, "failed": 0, "findings": []}
    rows = await db.fetch("SELECT organization_id, kind, level, tokens FROM notices")
    assert [tuple(row.values()) for row in rows] == [(aurora.id, "tokens.expiring", 7, Decimal(3))]


async def test_running_the_reconciliation_tells_which_rules_are_broken(world: World, db: Connection) -> None:
    # given
    operator = await Operator.of(world)
    await an_organization()
    in_order = await operator.runs("reconcile")
    await db.execute("UPDATE organization_token_wallets SET entry_sequence = 9")

    # when
    broken = await operator.runs("reconcile")

    # then
    assert in_order["result"]["findings"] == []
    assert broken["result"]["lookedAt"] == in_order["result"]["lookedAt"] > 10
    (finding,) = broken["result"]["findings"]
    assert finding.startswith("sequences are gapless: broken by 1, such as ")


async def test_whoever_runs_a_job_stands_in_the_audit_trail(world: World, db: Connection) -> None:
    operator = await Operator.of(world)

    await operator.runs("expire-tokens")

    rows = await db.fetch("SELECT organization_id, resource_id, actor FROM token_audit_logs WHERE resource = 'job'")
    assert [tuple(row.values()) for row in rows] == [(None, "expire-tokens", f"user/{operator.member.id}")]


async def test_a_job_that_an_operator_has_paused_can_be_run_by_hand(world: World) -> None:
    # given
    operator = await Operator.of(world)
    await operator.sees_scheduled("expire-tokens")
    handle = world.client.get_schedule_handle(schedule_id("expire-tokens"))
    before = await operator.runs("expire-tokens")
    await handle.pause(note="while we look at wallet 7")

    # when
    paused = await operator.sees("expire-tokens")
    assert (await operator.asks_for("expire-tokens"))["job"] == {"name": "expire-tokens", "isPaused": True}
    while (run := (await operator.sees("expire-tokens"))["lastRun"])["startedAt"] == before["startedAt"]:
        await asyncio.sleep(0.03)

    # then
    assert (paused["isPaused"], paused["pauseNote"], paused["nextRunAt"]) == (True, "while we look at wallet 7", None)
    assert run["workflow"]["id"].startswith("job/expire-tokens-")
    await handle.unpause()


async def test_a_restarted_worker_makes_no_second_schedule(unattended: World) -> None:
    # given
    world, operator = unattended, await Operator.of(unattended)

    # when
    for _ in range(2):
        async with on_duty(world.settings, world.client):
            run = await operator.runs("expire-tokens")

    # then
    assert run["status"] == "COMPLETED"
    found = [schedule.id async for schedule in await world.client.list_schedules()]
    assert sorted(found) == sorted(schedule_id(job.name) for job in JOBS)


@pytest.mark.parametrize("altered_settings", [OFF])
async def test_switched_off_jobs_are_paused_and_cannot_be_run(world: World, owner: asyncpg.Connection) -> None:
    # given
    operator = await Operator.of(world)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while [(await operator.sees(job.name))["isPaused"] for job in JOBS] != [True] * len(JOBS):
            await asyncio.sleep(0.03)
    before = await everything(owner)

    # when
    told = await operator.asks_for("expire-tokens")
    seen = await operator.sees("expire-tokens")

    # then
    assert told == {
        "__typename": "JobsDisabled",
        "code": "JOBS_DISABLED",
        "message": "Background jobs are switched off.",
    }
    assert (seen["isScheduled"], seen["pauseNote"]) == (True, SWITCHED_OFF)
    assert await everything(owner) == before
    await ensure_schedules(world.client, enabled=True)


async def test_a_job_that_nobody_knows_is_not_found_and_nothing_is_started(
    world: World, owner: asyncpg.Connection
) -> None:
    operator = await Operator.of(world)
    await world.token_of(operator.member)
    before = await everything(owner)

    told = await operator.asks_for("processTokenExpiration")

    assert told == {
        "__typename": "JobNotFound",
        "code": "JOB_NOT_FOUND",
        "message": "There is no such background job.",
    }
    assert await everything(owner) == before


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "expire\x00tokens", "4242 4242 4242 4242"])
async def test_no_job_has_such_a_name(world: World, name: str) -> None:
    operator = await Operator.of(world)

    told = await world.ask(RUN, operator.member, input={"name": name})

    assert [error["extensions"]["code"] for error in told["errors"]] == ["BAD_USER_INPUT"]


@pytest.fixture
async def without_schedules(temporal: WorkflowEnvironment, unattended: World) -> World:
    """The product right after its first start, when no worker has made a schedule yet."""
    for job in JOBS:
        with suppress(RPCError):
            await temporal.client.get_schedule_handle(schedule_id(job.name)).delete()
    return unattended


async def test_before_its_schedule_is_made_a_job_is_listed_and_cannot_be_run(without_schedules: World) -> None:
    # given
    world = without_schedules
    operator = await Operator.of(world)

    # when
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (seen := await operator.sees("expire-tokens"))["isScheduled"]:
            await asyncio.sleep(0.03)
    told = await world.ask(RUN, operator.member, input={"name": "expire-tokens"})

    # then
    assert (seen["isPaused"], seen["nextRunAt"], seen["lastRun"]) == (False, None, None)
    assert [error["extensions"]["code"] for error in told["errors"]] == ["UNAVAILABLE"]
    await ensure_schedules(world.client, enabled=True)


async def test_when_temporal_is_away_the_jobs_are_unavailable(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # given: the API's client of Temporal reaches nobody
    operator = await Operator.of(world)
    await operator.sees_scheduled("expire-tokens")
    away = world.settings.model_copy(update={"temporal_address": f"127.0.0.1:{free_port()}"})
    nobody = await connect_temporal(away, lazy=True)
    monkeypatch.setattr(world.client, "get_schedule_handle", nobody.get_schedule_handle)

    # when
    answers: list[dict[str, Any]] = [
        await world.ask("{ backgroundJobs { name } }", operator.member),
        await world.ask(RUN, operator.member, input={"name": "expire-tokens"}),
    ]

    # then
    codes = [[error["extensions"]["code"] for error in answer["errors"]] for answer in answers]
    assert codes == [["UNAVAILABLE"], ["UNAVAILABLE"]]
