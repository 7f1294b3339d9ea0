"""What is refused of scheduled jobs."""

from dataclasses import dataclass
from typing import ClassVar

from models.errors.refusals import Refusal


@dataclass(eq=False)
class JobNotFound(Refusal):
    code: ClassVar[str] = "JOB_NOT_FOUND"

    def sentence(self) -> str:
        return "There is no such background job."


@dataclass(eq=False)
class JobsDisabled(Refusal):
    """Background jobs are switched off by the operators (ENABLE_BACKGROUND_JOBS)."""

    code: ClassVar[str] = "JOBS_DISABLED"

    def sentence(self) -> str:
        return "Background jobs are switched off."
