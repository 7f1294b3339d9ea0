"""The scenes of scheduled jobs whose histories are kept, as `scenes.py` has them of purchases."""

from datetime import UTC, datetime, timedelta

from activities.jobs import LOTS_A_PAGE
from activities.messages import JobRequest
from tests.builders import an_organization, gives
from tests.models.test_expiry_booking import many_lots
from tests.simulators.world import World
from tests.workflows.recorded import keep
from workflows.jobs import JobWorkflow
from workflows.policies import BOOKS_QUEUE


async def kept(world: World, name: str, request: JobRequest) -> None:
    """A run of the job has ended and the history it began with is kept."""
    handle = await world.client.start_workflow(
        JobWorkflow.run, request, id=f"job/{request.name}", task_queue=BOOKS_QUEUE
    )
    await handle.result()
    first = world.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
    keep(name, await first.fetch_history())


async def test_record_job_completed(world: World) -> None:
    aurora, now = await an_organization(), datetime.now(UTC)
    await many_lots(aurora, LOTS_A_PAGE, expires_at=now)
    await gives(await an_organization(), "1", expires_at=now, at=now - timedelta(seconds=1))
    await kept(world, "job_completed", JobRequest("expire-tokens"))


async def test_record_job_continued(world: World) -> None:
    await kept(world, "job_continued", JobRequest("reconcile", pages_per_history=3))
