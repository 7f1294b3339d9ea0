"""A workflow with as many steps as a purchase, of the same kinds on as many queues, none of which does anything.

What it takes is what Temporal takes: the price of a story that survives the death of every process.
"""

from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from activities.interceptors import ActivityLogging
    from settings import Settings
    from workflows.policies import AT_ONCE, BOOKS, CHARGE, LETTERS, PAPER, StepOptions

QUEUE = "benchmark"
OTHER_QUEUE = "benchmark-gateway"
GRACE = timedelta(seconds=12)
ELSEWHERE: StepOptions = {**CHARGE, "task_queue": OTHER_QUEUE}


@activity.defn
async def nothing() -> None:
    """Done."""


@workflow.defn(name="Nothing")
class NothingWorkflow:
    @workflow.run
    async def run(self) -> str:
        """One local step, then three in a row, of which one goes to the other queue, and one that is waited for last:
        as when a purchase is placed, charged, credited, put on paper and told."""
        await workflow.execute_local_activity(nothing, **AT_ONCE)
        await workflow.execute_activity(nothing, **ELSEWHERE)
        await workflow.execute_activity(nothing, **BOOKS)
        await workflow.execute_activity(nothing, **PAPER)
        last = workflow.start_activity(nothing, **LETTERS)
        await last
        return "completed"


def idle_workers(settings: Settings, client: Client) -> tuple[Worker, Worker]:
    """Workers for it with the options of `worker.workers`."""
    # The doors are imported late: the sandbox of workflows reads this file, and may not see a database driver.
    from worker import workflow_runner

    first = Worker(
        client,
        task_queue=QUEUE,
        workflows=[NothingWorkflow],
        activities=[nothing],
        workflow_runner=workflow_runner(),
        interceptors=[ActivityLogging()],
        max_concurrent_activities=settings.database_pool_size,
        max_concurrent_local_activities=settings.database_pool_size,
        graceful_shutdown_timeout=GRACE,
    )
    second = Worker(
        client,
        task_queue=OTHER_QUEUE,
        activities=[nothing],
        interceptors=[ActivityLogging()],
        max_concurrent_activities=settings.job_concurrency * 4,
        graceful_shutdown_timeout=GRACE,
    )
    return first, second
