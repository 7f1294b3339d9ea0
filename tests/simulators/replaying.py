"""A replayer as patient as the tests: it finds a story that is not deterministic, not one that takes its time."""

from collections.abc import Sequence
from typing import Any

from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from worker import workflow_runner


def replayer(workflows: Sequence[type[Any]]) -> Replayer:
    return Replayer(
        workflows=list(workflows),
        data_converter=pydantic_data_converter,
        workflow_runner=workflow_runner(),
        # As for a debugger: otherwise a machine that stands still for two seconds is taken for a story that does.
        debug_mode=True,
    )
