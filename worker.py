"""The worker's door: it runs the stories and their activities until SIGTERM, and then finishes what it has begun.

One process serves two task queues: the books (workflows and our own database) and the gateways, whose slow answers may
not keep the books waiting. It also runs the sequencer of the feed and the dispatcher of facts born in the database, and
sees to the schedules of the jobs.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import structlog
from pydantic import ValidationError
from temporalio import workflow
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.clock import utc_now
from activities.gateways.protocol import PaymentGateway
from activities.gateways.registry import build_gateways
from activities.interceptors import ActivityLogging
from activities.invoices import render_invoice
from activities.jobs import JobActivities
from activities.mail.letters import Letterhead
from activities.mail.smtp import SmtpAccount, SmtpMailer, SmtpSecurity
from activities.notices import NoticeActivities
from activities.payments import PaymentActivities
from activities.purchases import PurchaseActivities
from models.database import open_database
from models.feed import Sequencer
from models.invoices import Seller
from models.logs import configure_logging
from models.reader import FeedReader
from models.topics import Topic
from server import connect_temporal, explained, refuse_armed_failpoints
from settings import Settings, load_settings
from workflows.dispatcher import READER_NAME, Dispatcher
from workflows.jobs import JobWorkflow
from workflows.late_payment import LatePaymentWorkflow
from workflows.policies import BOOKS_QUEUE, GATEWAY_QUEUE, STICKY
from workflows.purchase import PurchaseWorkflow
from workflows.schedules import ensure_schedules

GRACE = timedelta(seconds=12)
CONNECT_PAUSE_MIN = 0.5
CONNECT_PAUSE_MAX = 10.0
WORKFLOWS: Sequence[type[Any]] = (PurchaseWorkflow, LatePaymentWorkflow, JobWorkflow)

log = structlog.get_logger(__name__)
Policy = workflow.SandboxImportNotificationPolicy


def workflow_runner() -> SandboxedWorkflowRunner:
    """The sandbox, which refuses a workflow that drags in a module it did not name: asyncpg, loaded twice, crashes."""
    policy = Policy.WARN_ON_DYNAMIC_IMPORT | Policy.RAISE_ON_UNINTENTIONAL_PASSTHROUGH
    return SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_import_notification_policy(policy))


def seller(settings: Settings) -> Seller:
    return Seller(settings.seller_name, settings.seller_address, settings.seller_tax_id, settings.seller_email)


def mailer(settings: Settings) -> SmtpMailer:
    password = settings.smtp_password
    return SmtpMailer(
        SmtpAccount(
            host=settings.smtp_host,
            port=settings.smtp_port,
            sender=settings.smtp_from,
            user=settings.smtp_user,
            password=None if password is None else password.get_secret_value(),
            security=SmtpSecurity.TLS if settings.smtp_secure else SmtpSecurity.OPPORTUNISTIC,
        )
    )


def letterhead(settings: Settings) -> Letterhead:
    return Letterhead(
        product="Scrip",
        seller_name=settings.seller_name,
        seller_address=settings.seller_address,
        support_email=settings.seller_email,
    )


def workers(settings: Settings, client: Client, gateways: Mapping[str, PaymentGateway]) -> tuple[Worker, Worker]:
    """Whoever serves the books, and whoever serves the gateways."""
    purchases = PurchaseActivities(seller(settings), utc_now)
    payments = PaymentActivities(gateways, settings.public_url)
    notices = NoticeActivities(mailer(settings), letterhead(settings), utc_now)
    jobs = JobActivities(utc_now)
    books = Worker(
        client,
        task_queue=BOOKS_QUEUE,
        workflows=WORKFLOWS,
        activities=[
            purchases.place_purchase,
            purchases.follow_payment,
            purchases.complete_purchase,
            purchases.close_unpaid,
            render_invoice,
            notices.send_notice,
            jobs.work_a_page,
        ],
        workflow_runner=workflow_runner(),
        interceptors=[ActivityLogging()],
        max_concurrent_activities=settings.database_pool_size,
        max_concurrent_local_activities=settings.database_pool_size,
        sticky_queue_schedule_to_start_timeout=STICKY,
        graceful_shutdown_timeout=GRACE,
    )
    counter = Worker(
        client,
        task_queue=GATEWAY_QUEUE,
        activities=[
            payments.create_payment,
            payments.fetch_payment,
            payments.find_payment,
            payments.cancel_payment,
        ],
        interceptors=[ActivityLogging()],
        max_concurrent_activities=settings.job_concurrency * 4,
        graceful_shutdown_timeout=GRACE,
    )
    return books, counter


@asynccontextmanager
async def working(settings: Settings, client: Client) -> AsyncIterator[None]:
    """Both queues are served for as long as the block lasts; then running activities are given time to finish."""
    gateways = build_gateways(settings)
    books, counter = workers(settings, client, gateways)
    try:
        async with books, counter:
            yield
    finally:
        await gateways.aclose()


async def connected(settings: Settings) -> Client:
    """A client, as soon as Temporal can be reached."""
    pause = CONNECT_PAUSE_MIN
    while True:
        try:
            return await connect_temporal(settings, lazy=False)
        except RuntimeError as error:
            log.warning("temporal.unreachable", error_type=type(error).__name__, pause_seconds=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, CONNECT_PAUSE_MAX)


async def keep_schedules(client: Client, *, enabled: bool) -> None:
    """The jobs' schedules are as they should be, as soon as Temporal takes them. The worker does not wait for it."""
    pause = CONNECT_PAUSE_MIN
    while True:
        try:
            await ensure_schedules(client, enabled=enabled)
            return
        except RPCError as error:
            log.warning("schedules.refused", error=error.status.name, pause_seconds=pause)
        await asyncio.sleep(pause)
        pause = min(pause * 2, CONNECT_PAUSE_MAX)


@asynccontextmanager
async def in_the_background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """The work goes on beside the block and ends with it at the latest."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


@asynccontextmanager
async def on_duty(settings: Settings, client: Client) -> AsyncIterator[None]:
    """Everything the worker does, for as long as the block lasts; the database must be open."""
    dsn = settings.database_url.get_secret_value()
    sequencer = Sequencer(dsn)
    reader = FeedReader(dsn, READER_NAME, [Topic.GATEWAY_EVENT], Dispatcher(client).handle)
    async with AsyncExitStack() as stack:
        sequencer.start()
        stack.push_async_callback(sequencer.stop)
        if settings.enable_background_jobs:
            reader.start()
            stack.push_async_callback(reader.stop)
        await stack.enter_async_context(working(settings, client))
        schedules = keep_schedules(client, enabled=settings.enable_background_jobs)
        await stack.enter_async_context(in_the_background(schedules))
        yield


async def work(settings: Settings) -> None:
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    dsn = settings.database_url.get_secret_value()
    async with open_database(dsn, settings.database_pool_size, application_name="scrip-worker"):
        client = await connected(settings)
        async with on_duty(settings, client):
            await stop.wait()


def main() -> int:
    try:
        settings = load_settings()
    except ValidationError as error:
        sys.stderr.write(explained(error))
        return 2
    refuse_armed_failpoints(settings)
    configure_logging(settings.log_level, settings.log_file)
    asyncio.run(work(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
