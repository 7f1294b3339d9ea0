"""Who acts: a person, an API key later, or Scrip itself. Every entry and audit row names its actor."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from rules.permissions import Permission


@dataclass(frozen=True, slots=True)
class Actor:
    """A signed-in caller as the database knows them now.

    organization_id   None for people of the platform, who belong to no customer.
    expires_at        when the credential that proved the identity ends.
    """

    user_id: UUID
    organization_id: UUID | None
    permissions: frozenset[Permission]
    expires_at: datetime | None
    email: str = ""
    request_id: str | None = None

    @property
    def name(self) -> str:
        """How the actor is written in entries and audit rows; no personal data in it."""
        return f"user/{self.user_id}"

    def may_see(self, organization_id: UUID) -> bool:
        """Whether an organisation is within the actor's scope: one's own, or any for the platform's administrators."""
        return self.organization_id == organization_id or Permission.PLATFORM_ADMIN in self.permissions


SCRIP_ITSELF = "scrip"
