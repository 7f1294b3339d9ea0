"""Events of payment gateways: stored once by the gateway's own id, then told to the story they concern by the feed."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from models.database import Connection, transaction
from models.feed import announce
from models.topics import Topic
from rules.identity import derived_id

# Of two tellings at once the second may meet the first one's id or its constraint: either way it is known.
STORE = """
INSERT INTO gateway_events (id, gateway_provider, event_id, kind, gateway_payment_id, purchase_key, claimed_status,
    occurred_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING id
"""

PURCHASE_OF_PAYMENT = """
SELECT purchase_id FROM payments WHERE gateway_provider = $1 AND gateway_payment_id = $2
"""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A verified event. `claimed_status` is what it says of the payment, which nobody believes unasked."""

    gateway: str
    event_id: str
    kind: str
    payment_id: str | None
    purchase_key: str | None
    claimed_status: str | None
    occurred_at: datetime


async def store_event(event: StoredEvent) -> bool:
    """The event is stored and announced; False, and nothing happens, when it was stored before."""
    async with transaction() as db:
        stored = await db.fetch_one(
            STORE,
            derived_id("gateway event", event.gateway, event.event_id),
            event.gateway,
            event.event_id,
            event.kind,
            event.payment_id,
            event.purchase_key,
            event.claimed_status,
            event.occurred_at,
        )
        if stored is None:
            return False
        body = {
            "gateway": event.gateway,
            "event_id": event.event_id,
            "payment_id": event.payment_id,
            "purchase_key": event.purchase_key,
            "claimed_status": event.claimed_status,
        }
        await announce(db, Topic.GATEWAY_EVENT, organization_id=None, body=body)
        return True


async def purchase_of_payment(db: Connection, gateway: str, payment_id: str) -> UUID | None:
    """The purchase a gateway's payment belongs to, when we know the payment."""
    row = await db.fetch_one(PURCHASE_OF_PAYMENT, gateway, payment_id)
    return None if row is None else UUID(str(row["purchase_id"]))
