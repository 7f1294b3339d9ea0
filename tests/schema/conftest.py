"""The product while nobody is at work: nothing is booked, told or run but what is asked for over the API."""

from collections.abc import AsyncIterator

import pytest

from tests.conftest import Opening
from tests.simulators.world import World


@pytest.fixture
async def unattended(open_world: Opening) -> AsyncIterator[World]:
    """The API alone; workers come and go, if a test wants some."""
    async with open_world(with_worker=False) as world:
        yield world
