"""How a change tells the world: a row in the outbox, in the transaction of the change, for the sequencer to order."""

from collections.abc import Mapping
from enum import StrEnum
from uuid import UUID

import orjson

from models.database import Connection

ANNOUNCE = "INSERT INTO outbox (organization_id, topic, body) VALUES ($1, $2, $3::jsonb)"


class Topic(StrEnum):
    """What the feed tells about."""

    WALLET_CHANGED = "wallet.changed"
    PURCHASE_CHANGED = "purchase.changed"
    GATEWAY_EVENT = "gateway.event"


async def announce(db: Connection, organization_id: UUID | None, topic: Topic, body: Mapping[str, object]) -> None:
    """The event will reach every reader of the feed if, and only if, this transaction commits."""
    await db.execute(ANNOUNCE, organization_id, topic.value, orjson.dumps(dict(body)).decode())
