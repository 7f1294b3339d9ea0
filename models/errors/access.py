"""What is refused of organizations, people, their keys and sessions."""

from dataclasses import dataclass
from datetime import datetime
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


@dataclass(eq=False)
class SignInLocked(Refusal):
    """Said of an address whether or not somebody has it, and whether or not the password is right."""

    code: ClassVar[str] = "SIGN_IN_LOCKED"
    retry_at: datetime

    def sentence(self) -> str:
        return "There were too many attempts to sign in with this address; try again later."


@dataclass(eq=False)
class WrongPassword(Refusal):
    code: ClassVar[str] = "WRONG_PASSWORD"

    def sentence(self) -> str:
        return "The present password is another one."


@dataclass(eq=False)
class InvalidPassword(Refusal):
    """Not a password that can be set."""

    code: ClassVar[str] = "INVALID_PASSWORD"
    length_min: int
    length_max: int

    def sentence(self) -> str:
        return f"A password has {self.length_min} to {self.length_max} characters."


@dataclass(eq=False)
class SlugTaken(Refusal):
    code: ClassVar[str] = "SLUG_TAKEN"
    slug: str

    def sentence(self) -> str:
        return f"There is an organization named {self.slug} already."


@dataclass(eq=False)
class MemberNotFound(Refusal):
    code: ClassVar[str] = "MEMBER_NOT_FOUND"

    def sentence(self) -> str:
        return "There is no such member."


@dataclass(eq=False)
class EmailTaken(Refusal):
    """Deliberately does not say by whom, nor in which organization."""

    code: ClassVar[str] = "EMAIL_TAKEN"

    def sentence(self) -> str:
        return "Somebody signs in with this address already."


@dataclass(eq=False)
class PermissionNotGrantable(Refusal):
    """The permissions that this caller may neither give nor take away."""

    code: ClassVar[str] = "PERMISSION_NOT_GRANTABLE"
    permissions: tuple[str, ...]

    def sentence(self) -> str:
        return f"These permissions are not yours to give or to take: {', '.join(self.permissions)}."


@dataclass(eq=False)
class LastAdministrator(Refusal):
    """Nobody would be left who may let people in."""

    code: ClassVar[str] = "LAST_ADMINISTRATOR"

    def sentence(self) -> str:
        return "Nobody else could let people in again; name somebody else first."


@dataclass(eq=False)
class ApiKeyNotFound(Refusal):
    code: ClassVar[str] = "API_KEY_NOT_FOUND"

    def sentence(self) -> str:
        return "There is no such API key."


@dataclass(eq=False)
class InvalidKeyExpiry(Refusal):
    """A key would have expired before it could be used."""

    code: ClassVar[str] = "INVALID_KEY_EXPIRY"
    expires_at: datetime

    def sentence(self) -> str:
        return "A key must expire in the future."


@dataclass(eq=False)
class TooManyApiKeys(Refusal):
    code: ClassVar[str] = "TOO_MANY_API_KEYS"
    maximum: int

    def sentence(self) -> str:
        return f"An organization may have {self.maximum} API keys that work; revoke one first."
