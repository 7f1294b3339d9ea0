"""The product while nobody is at work: nothing is booked, told or run but what is asked for over the API."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from temporalio.testing import WorkflowEnvironment

from tests.activities.gateway_processes import Running
from tests.conftest import Database
from tests.simulators.mailbox import Mailbox
from tests.simulators.world import World, settings_for


@pytest.fixture
async def unattended(
    books: Database, temporal: WorkflowEnvironment, sandbox: Running, mailbox: Mailbox, api_port: int
) -> AsyncIterator[World]:
    """The API alone; workers come and go, if a test wants some."""
    settings = settings_for(books.app_dsn, temporal, sandbox.url, mailbox, api_port)
    async with AsyncExitStack() as stack:
        yield await World.open(stack, settings, temporal, mailbox, with_worker=False)
