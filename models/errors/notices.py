"""What is refused of notices."""

from dataclasses import dataclass
from typing import ClassVar

from models.errors.refusals import Refusal


@dataclass(eq=False)
class NoticeNotFound(Refusal):
    code: ClassVar[str] = "NOTICE_NOT_FOUND"

    def sentence(self) -> str:
        return "There is no such notice."
