"""Stories that run while a new version is deployed go on: every kept history is replayed by today's code."""

import json
import re

import pytest
from temporalio.workflow import NondeterminismError

from tests.simulators.replaying import replayer
from tests.workflows.hasty_purchase import HastyPurchaseWorkflow
from tests.workflows.recorded import names, read, readable, text_of
from worker import WORKFLOWS

KEPT = ["approved", "cancelled", "completed", "declined", "expired", "job_completed", "job_continued", "paid_late"]
TRACES_OF_A_MACHINE = re.compile(r"identity (?!worker)\S*|\S*@\S*|\S*/(?:home|root|work|tmp|usr)/\S*|\S+\.py\b")


def test_a_history_of_every_ending_is_kept() -> None:
    assert names() == KEPT


@pytest.mark.parametrize("name", KEPT)
async def test_todays_story_tells_a_kept_history_as_it_was(name: str) -> None:
    await replayer(WORKFLOWS).replay_workflow(read(name))


@pytest.mark.parametrize("name", ["completed", "expired"])
async def test_a_story_with_other_steps_is_noticed(name: str) -> None:
    with pytest.raises(NondeterminismError):
        await replayer([HastyPurchaseWorkflow]).replay_workflow(read(name))


@pytest.mark.parametrize("name", KEPT)
def test_a_kept_history_does_not_tell_where_it_was_made(name: str) -> None:
    assert TRACES_OF_A_MACHINE.findall(readable(json.loads(text_of(name)))) == []
