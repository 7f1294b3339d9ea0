"""Who keeps the catalogue, and how the audit trail tells what they changed.

The catalogue belongs to no organization: its audit rows stand in the platform's own chain.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from models import audit
from models.database import Connection


@dataclass(frozen=True, slots=True)
class Keeper:
    """Who changes the catalogue, on which request."""

    actor: str
    request_id: str | None = None


async def record_change(
    db: Connection, action: str, resource_id: object, keeper: Keeper, details: Mapping[str, object]
) -> None:
    """The audit row of a change; `action` is `<resource>.<what happened>`, details are plain JSON values."""
    await audit.record(
        db,
        None,
        action=action,
        resource=action.partition(".")[0],
        resource_id=resource_id,
        actor=keeper.actor,
        details=details,
        request_id=keeper.request_id,
    )
