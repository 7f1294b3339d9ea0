"""Who acts: a person, an API key, or Scrip itself. Every entry and audit row names its actor."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from rules.permissions import Permission


@dataclass(frozen=True, slots=True)
class Actor:
    """A caller as the database knows them now: a person by `user_id`, or an API key by `key_id`, never both.

    organization_id   None for people of the platform, who belong to no customer.
    expires_at        when the credential that proved the identity must be shown again.
    """

    user_id: UUID | None
    organization_id: UUID | None
    permissions: frozenset[Permission]
    expires_at: datetime | None
    email: str = ""
    request_id: str | None = None
    key_id: UUID | None = None

    @property
    def name(self) -> str:
        """How the actor is written in entries and audit rows; no personal data in it, and the same for good."""
        return f"user/{self.user_id}" if self.key_id is None else f"key/{self.key_id}"

    def may_see(self, organization_id: UUID | None) -> bool:
        """Whether an organization is within the actor's scope: one's own, or any for the platform's administrators.
        None is the platform itself."""
        return self.organization_id == organization_id or Permission.PLATFORM_ADMIN in self.permissions


SCRIP_ITSELF = "scrip"
