"""The whole product in one process, as people use it: over HTTP, with a real worker, gateway, mailbox and Temporal."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import httpx2
import pytest
import uvicorn
from pydantic import SecretStr
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

import server as door
from models.database import connection
from models.reconciliation import violations
from schema import jobs, operations
from schema.context import Product
from schema.edge import view
from schema.edge.deadline import DeadlineProtocol
from schema.edge.middleware import harden
from schema.ids import read_id
from server import application, running, uvicorn_config
from settings import Settings
from tests.activities.gateway_processes import API_KEY
from tests.builders import Member
from tests.patience import PATIENCE, PATIENCE_SECONDS
from tests.simulators.mailbox import Mailbox
from tests.simulators.replaying import replayer
from worker import WORKFLOWS, on_duty
from workflows.purchase import purchase_workflow_id

WEBHOOK_SECRET = "whsec_dGVzdC1zZWNyZXQtZm9yLXRoZS1zYW5kYm94LWdhdGV3YXk="

START_PURCHASE = """
mutation ($input: StartPurchaseInput!) { startPurchase(input: $input) {
  __typename
  ... on StartPurchaseSuccess { replayed purchase { id status actionUrl tokens total { amount currencyCode }
      failure { code message } invoice { number } } }
  ... on PurchaseQueued { purchaseId workflowId }
  ... on Problem { code message } } }
"""

PURCHASE = """
query ($id: ID!) { purchase(id: $id) { id status actionUrl failure { code message } completedAt
  total { amount } invoice { number total { amount } pdfUrl } } }
"""


def settings_for(
    dsn: str, temporal: WorkflowEnvironment, gateway_url: str, mailbox: Mailbox, api_port: int, **others: Any
) -> Settings:
    """The settings of a test's product: everything on loopback, short windows, real parts."""
    values: dict[str, Any] = {
        "database_url": SecretStr(dsn),
        "temporal_address": temporal.client.service_client.config.target_host,
        "port": api_port,
        "public_url": f"http://127.0.0.1:{api_port}",
        "sandbox_gateway_url": gateway_url,
        "sandbox_api_key": SecretStr(API_KEY),
        "sandbox_webhook_secret": SecretStr(WEBHOOK_SECRET),
        "smtp_port": mailbox.smtp_port,
        "log_file": None,
        "database_pool_size": 8,
        # Whether an answer comes within five seconds depends on the machine; tests of what is told later ask for less.
        "purchase_answer_timeout": PATIENCE / 2,
        "purchase_poll_interval": timedelta(minutes=5),
    }
    return Settings(_env_file=None, **{**values, **others})


@contextmanager
def unhurried() -> Iterator[None]:
    """The product gives up nothing for having waited some seconds, which on a machine that stands still is no fault."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(door, "harden", partial(harden, seconds_max=PATIENCE_SECONDS))
        patch.setattr(DeadlineProtocol, "receive_seconds_max", PATIENCE_SECONDS)
        patch.setattr(view, "CONNECTION_INIT_WAIT", PATIENCE)
        patch.setattr(operations, "DESCRIBE_TIMEOUT", PATIENCE)
        patch.setattr(jobs, "ANSWER_TIMEOUT", PATIENCE)
        yield


@dataclass(slots=True)
class World:
    """The running product and verbs for what people do with it."""

    settings: Settings
    environment: WorkflowEnvironment
    mailbox: Mailbox
    http: httpx2.AsyncClient
    url: str
    product: Product
    started: list[str] = field(default_factory=list)
    is_replayed_at_the_end: bool = True

    @classmethod
    async def open(
        cls,
        stack: AsyncExitStack,
        settings: Settings,
        environment: WorkflowEnvironment,
        mailbox: Mailbox,
        *,
        with_worker: bool = True,
    ) -> "World":
        """API and worker serve until the stack closes; then every story is replayed and ended.

        Without a worker, `on_duty(world.settings, world.client)` is one; let it end before the stack does.
        """
        stack.enter_context(unhurried())
        product = await stack.enter_async_context(running(settings, environment.client))
        app, _ = application(settings, product)
        server = uvicorn.Server(uvicorn_config(settings, app))
        serving = asyncio.create_task(server._serve())
        stack.push_async_callback(_stop, server, serving)
        http = await stack.enter_async_context(httpx2.AsyncClient(timeout=PATIENCE_SECONDS))
        url = f"http://127.0.0.1:{settings.port}"
        world = cls(settings, environment, mailbox, http, url, product)
        if with_worker:
            await stack.enter_async_context(on_duty(settings, environment.client))
        stack.push_async_callback(world.close_stories)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not server.started:
                await asyncio.sleep(0.01)
        return world

    @property
    def client(self) -> Client:
        return self.environment.client

    async def ask(self, query: str, member: Member | None = None, **variables: Any) -> dict[str, Any]:
        """The whole answer to an operation, errors included."""
        headers = {} if member is None else {"authorization": f"Bearer {await self.token_of(member)}"}
        answer = await self.http.post(
            f"{self.url}/graphql", json={"query": query, "variables": variables}, headers=headers
        )
        told: dict[str, Any] = answer.json()
        return told

    async def data(self, query: str, member: Member | None = None, **variables: Any) -> Any:
        """The data of an operation that must have no errors."""
        answer = await self.ask(query, member, **variables)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    async def data_in_the_end(self, query: str, member: Member | None = None, **variables: Any) -> Any:
        """The data of an operation that is asked for again for as long as it is unavailable, as its error says."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while is_unavailable(answer := await self.ask(query, member, **variables)):
                await asyncio.sleep(0.03)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    async def token_of(self, member: Member) -> str:
        """The member's access token, from a real sign-in the first time."""
        if member.access_token is None:
            query = """mutation ($input: SignInInput!) {
                signIn(input: $input) { ... on SignInSuccess { accessToken } ... on Problem { code } } }"""
            told = await self.data(query, input={"email": member.email, "password": member.password})
            member.access_token = told["signIn"]["accessToken"]
        return member.access_token

    async def buys(self, member: Member, **order: Any) -> dict[str, Any]:
        """`startPurchase`; remembers the story so that it is replayed and ended after the test."""
        told: dict[str, Any] = (await self.data_in_the_end(START_PURCHASE, member, input=order))["startPurchase"]
        found = told["purchase"]["id"] if "purchase" in told else told.get("purchaseId")
        if found is not None:
            self.started.append(purchase_workflow_id(read_id(found, "Purchase")))
        return told

    async def places(self, member: Member, **order: Any) -> str:
        """The id of an order's purchase, which is asked for with its key until it is in the books."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                told = await self.buys(member, **order)
                if told["__typename"] != "PurchaseQueued":
                    purchase_id: str = told["purchase"]["id"]
                    return purchase_id

    async def purchase(self, member: Member, purchase_id: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.data(PURCHASE, member, id=purchase_id))["purchase"]
        return found

    async def becomes(self, member: Member, purchase_id: str, status: str) -> dict[str, Any]:
        """The purchase, as soon as it has a status."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                found = await self.purchase(member, purchase_id)
                if found["status"] == status:
                    return found
                await asyncio.sleep(0.03)

    def story(self, purchase_id: str) -> WorkflowHandle[Any, Any]:
        """The workflow of a purchase, by its global id."""
        return self.client.get_workflow_handle(purchase_workflow_id(read_id(purchase_id, "Purchase")))

    async def ends(self, purchase_id: str) -> None:
        """The story of a purchase is over, letters and all, or was ended by hand."""
        with suppress(WorkflowFailureError):
            await self.story(purchase_id).result()

    async def passes(self, purchase_id: str, by: timedelta) -> None:
        """Time passes for one story."""
        await self.environment.fast_forward(self.story(purchase_id), by)

    async def broken_rules(self) -> Sequence[str]:
        """The rules of the books that do not hold now."""
        async with connection() as db:
            return [violation.rule for violation in await violations(db)]

    async def close_stories(self) -> None:
        """Every story of the test is replayed, which proves it deterministic, and ended if it still runs."""
        for workflow_id in dict.fromkeys(self.started):
            handle = self.client.get_workflow_handle(workflow_id)
            with suppress(RPCError):
                await handle.terminate()
            if self.is_replayed_at_the_end:
                await replayer(WORKFLOWS).replay_workflow(await handle.fetch_history())


def is_unavailable(answer: dict[str, Any]) -> bool:
    """Whether that is all that is wrong with an answer."""
    return {error["extensions"]["code"] for error in answer.get("errors", ())} == {"UNAVAILABLE"}


async def _stop(server: uvicorn.Server, serving: "asyncio.Task[None]") -> None:
    server.should_exit = True
    await serving


def key_of(global_id: str, kind: str) -> UUID:
    """The database's key in a global id."""
    found = read_id(global_id, kind)
    assert found is not None
    return found
