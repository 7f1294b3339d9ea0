"""What is refused of organisations, people and sessions."""

from dataclasses import dataclass
from typing import ClassVar

from models.errors.refusals import Refusal


@dataclass(eq=False)
class OrganizationNotFound(Refusal):
    code: ClassVar[str] = "ORGANIZATION_NOT_FOUND"

    def sentence(self) -> str:
        return "There is no such organization."


@dataclass(eq=False)
class SignInRefused(Refusal):
    """Deliberately does not say whether the address exists."""

    code: ClassVar[str] = "SIGN_IN_REFUSED"

    def sentence(self) -> str:
        return "The e-mail address or the password is wrong."


@dataclass(eq=False)
class SessionEnded(Refusal):
    code: ClassVar[str] = "SESSION_ENDED"

    def sentence(self) -> str:
        return "The session has ended; sign in again."
