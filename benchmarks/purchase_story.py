"""What a purchase adds to its durability: the whole story against an empty one with as many steps.

Both run on the same Temporal server and the same kind of worker, several at a time. The purchase is told twice: with
the sandbox gateway as a process of its own, over HTTP, as in production; and with one that answers at once from this
process, which shows how much of the time belongs to the gateway.
"""

import asyncio
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path

from pydantic import SecretStr
from temporalio.client import Client

from activities.gateways.protocol import PaymentOrder
from activities.gateways.sandbox import SandboxGateway
from activities.messages import PurchaseRequest
from benchmarks.ground import Ground
from benchmarks.measuring import Ratio, Size, compare
from benchmarks.nothing import QUEUE, NothingWorkflow, idle_workers
from embedded.temporal import TemporalServer
from models.database import open_database
from models.purchases import PurchaseOrder
from models.quotes import Wish
from rules.payments import PaymentReport, PaymentStatus
from server import connect_temporal
from settings import Settings
from worker import on_duty, workers
from workflows.policies import BOOKS_QUEUE
from workflows.purchase import PurchaseWorkflow, opening_attributes, purchase_workflow_id

ROOT = Path(__file__).parents[1]
API_KEY = "for-benchmarks"
WEBHOOK_SECRET = "whsec_YmVuY2htYXJrcy1vbmx5LWJlbmNobWFya3Mtb25seQ=="
TOKENS = Decimal(100)

numbers = itertools.count(1)
Story = Callable[[int], Awaitable[None]]


class InstantGateway(SandboxGateway):
    """A sandbox that captures everything without being asked over HTTP."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1", API_KEY, webhook_secrets=(WEBHOOK_SECRET,))

    async def create_payment(self, order: PaymentOrder) -> PaymentReport:
        return PaymentReport(f"instant-{order.key}", PaymentStatus.CAPTURED, order.amount, order.currency)


async def measure(ground: Ground, size: Size) -> list[Ratio]:
    """The purchase with the sandbox's process, and with a gateway that answers at once."""
    against, nothing = "empty workflow, as many activities", partial(told, size)
    async with AsyncExitStack() as stack:
        settings = await stack.enter_async_context(surrounded(ground))
        client = await connect_temporal(settings, lazy=False)
        await stack.enter_async_context(
            open_database(ground.dsn, settings.database_pool_size, application_name="scrip")
        )
        for worker in idle_workers(settings, client):
            await stack.enter_async_context(worker)
        buying, idling = partial(told, size, partial(buy, client, ground)), partial(nothing, partial(idle, client))
        async with on_duty(settings, client):
            real = await compare("purchase workflow", buying, against, idling, size=size)
        books, counter = workers(settings, client, {"sandbox": InstantGateway()})
        async with books, counter:
            what = "purchase workflow, gateway in the same process"
            instant = await compare(what, buying, against, idling, size=size)
    return [real, instant]


async def told(size: Size, story: Story) -> float:
    """Stories per second, from the start of the first to the end of the last."""
    waiting, began = iter(range(size.stories)), time.perf_counter()

    async def teller() -> None:
        for _ in waiting:
            await story(next(numbers))

    await asyncio.gather(*(teller() for _ in range(size.together)))
    return size.stories / (time.perf_counter() - began)


async def buy(client: Client, ground: Ground, number: int) -> None:
    """One purchase by one of the customers, from its start to its last letter. Raises when it was not completed."""
    request = request_for(ground, number)
    decision = await client.execute_workflow(
        PurchaseWorkflow.run,
        request,
        id=purchase_workflow_id(request.purchase_id),
        task_queue=BOOKS_QUEUE,
        search_attributes=opening_attributes(request),
    )
    if decision.status != "completed":
        raise RuntimeError(f"the purchase ended {decision.status}: {decision.refusal}")


def request_for(ground: Ground, number: int) -> PurchaseRequest:
    customer = ground.customers[number % len(ground.customers)]
    wish = Wish(None, TOKENS)
    order = PurchaseOrder(customer.organization_id, wish, None, f"purchase {number}", customer.actor, None, None)
    return PurchaseRequest(
        purchase_id=str(order.purchase_id),
        organization_id=str(order.organization_id),
        key=order.key,
        actor=order.actor,
        fingerprint=order.fingerprint(),
        tokens=TOKENS,
    )


async def idle(client: Client, number: int) -> None:
    await client.execute_workflow(NothingWorkflow.run, id=f"nothing/{number}", task_queue=QUEUE)


@asynccontextmanager
async def surrounded(ground: Ground) -> AsyncIterator[Settings]:
    """The gateway's process, the mailbox and Temporal run until the block ends; the settings lead to them."""
    folder = ground.folder
    sandbox = {"SANDBOX_DATA": str(folder / "sandbox.db"), "SANDBOX_API_KEY": API_KEY}
    mailbox = {"MAILBOX_SMTP_PORT": "0", "MAILBOX_HTTP_PORT": "0", "MAILBOX_FOLDER": str(folder / "mailbox")}
    async with (
        speaking("activities.gateways.sandbox_provider", folder, sandbox) as gateway,
        speaking("activities.mail.mailbox", folder, mailbox) as letters,
        TemporalServer(folder / "temporal", ui_port=None) as temporal,
    ):
        places = {
            "temporal_address": temporal.address,
            "sandbox_gateway_url": gateway["listening"],
            "sandbox_api_key": SecretStr(API_KEY),
            "sandbox_webhook_secret": SecretStr(WEBHOOK_SECRET),
            "smtp_port": letters["smtp_port"],
        }
        yield ground.settings.model_copy(update=places)


@asynccontextmanager
async def speaking(module: str, folder: Path, environment: Mapping[str, str]) -> AsyncIterator[dict[str, object]]:
    """A module's process, until the block ends; what it says, as JSON in its first line, when it is ready."""
    with (folder / f"{module}.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=log,
        )
    assert process.stdout is not None
    try:
        said: dict[str, object] = json.loads(await process.stdout.readline())
        yield said
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
