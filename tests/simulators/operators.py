"""Somebody of operations, who looks at the background jobs and runs them over the API."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.builders import PLATFORM, Member, a_member
from tests.patience import PATIENCE_SECONDS
from tests.simulators.world import World

QUARTER_MINUTE = timedelta(seconds=15)
JOBS = """{ backgroundJobs { name description schedule isScheduled isPaused pauseNote nextRunAt url
  lastRun { startedAt endedAt status result { lookedAt changed failed findings } workflow { id status url } } } }"""
RUN = """mutation ($input: RunBackgroundJobInput!) { runBackgroundJob(input: $input) {
  __typename ... on RunBackgroundJobSuccess { job { name isPaused } } ... on Problem { code message } } }"""


@dataclass(frozen=True, slots=True)
class Operator:
    """A person of the platform who may do what its administrators may."""

    world: World
    member: Member

    @classmethod
    async def of(cls, world: World) -> "Operator":
        return cls(world, await a_member(None, permissions=PLATFORM))

    async def sees(self, name: str) -> dict[str, Any]:
        """A job as `backgroundJobs` tells of it."""
        jobs = (await self.world.data(JOBS, self.member))["backgroundJobs"]
        (found,) = [job for job in jobs if job["name"] == name]
        assert isinstance(found, dict)
        return found

    async def sees_scheduled(self, name: str) -> dict[str, Any]:
        """The job, as soon as the worker has made its schedule and it is not paused."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                job = await self.sees(name)
                if job["isScheduled"] and not job["isPaused"]:
                    return job
                await asyncio.sleep(0.03)

    async def undisturbed(self, name: str) -> dict[str, Any]:
        """The job, when no run of it is under way and none comes by the clock within the next quarter of a minute."""
        async with asyncio.timeout(2 * PATIENCE_SECONDS):
            while True:
                job = await self.sees_scheduled(name)
                is_running = job["lastRun"] is not None and job["lastRun"]["endedAt"] is None
                left = datetime.fromisoformat(job["nextRunAt"]) - datetime.now(UTC)
                if not is_running and left > QUARTER_MINUTE:
                    return job
                await asyncio.sleep(0.1)

    async def asks_for(self, name: str) -> dict[str, Any]:
        """The answer to `runBackgroundJob`."""
        told: dict[str, Any] = (await self.world.data(RUN, self.member, input={"name": name}))["runBackgroundJob"]
        return told

    async def runs(self, name: str) -> dict[str, Any]:
        """The run that was asked for, as soon as it has ended; its story is replayed after the test."""
        before = await self._runs_so_far(name)
        assert (await self.asks_for(name))["__typename"] == "RunBackgroundJobSuccess"
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                run: dict[str, Any] | None = (await self.sees(name))["lastRun"]
                if run is not None and run["startedAt"] not in before and run["endedAt"] is not None:
                    self.world.started.append(run["workflow"]["id"])
                    return run
                await asyncio.sleep(0.03)

    async def _runs_so_far(self, name: str) -> set[str]:
        job = await self.sees_scheduled(name)
        return set() if job["lastRun"] is None else {job["lastRun"]["startedAt"]}
