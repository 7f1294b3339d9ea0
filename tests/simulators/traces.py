"""What a purchase has left in the books, small enough to be compared with what it should have left."""

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from models.database import Connection
from schema.ids import read_id
from tests.patience import PATIENCE_SECONDS

TRACES = """
SELECT (SELECT coalesce(sum(granted_tokens), 0) FROM token_lots WHERE purchase_id = $1) AS tokens,
       (SELECT count(*) FROM token_lots WHERE purchase_id = $1) AS lots,
       (SELECT count(*) FROM token_balance_history
            WHERE reference_type = 'purchase' AND reference_id = $1::text) AS entries,
       (SELECT count(*) FROM token_invoices WHERE purchase_id = $1) AS invoices,
       (SELECT status FROM payments WHERE purchase_id = $1) AS payment
"""

AUDIT = "SELECT action FROM token_audit_logs WHERE resource = 'purchase' AND resource_id = $1 ORDER BY sequence"

EVENTS = """
SELECT kind, NOT EXISTS (SELECT 1 FROM outbox WHERE topic = 'gateway.event')
        AND (SELECT max(seq) FROM feed WHERE topic = 'gateway.event')
            <= (SELECT seq FROM feed_cursors WHERE reader = 'dispatcher') AS is_dispatched
FROM gateway_events WHERE purchase_key = $1 ORDER BY kind
"""


@dataclass(frozen=True, slots=True)
class Traces:
    """`payment` is the status of the payment's row; the rest counts what the purchase has put into the wallet."""

    tokens: Decimal
    lots: int
    entries: int
    invoices: int
    payment: str


def paid(tokens: str) -> Traces:
    """What a completed purchase without bonus leaves: one lot, one entry, one invoice."""
    return Traces(Decimal(tokens), 1, 1, 1, "CAPTURED")


def unpaid(payment: str) -> Traces:
    """What a purchase leaves when no money has moved."""
    return Traces(Decimal(0), 0, 0, 0, payment)


async def traces(db: Connection, purchase_id: str) -> Traces:
    """What the purchase with a global id has left so far."""
    row = await db.fetch_one(TRACES, _key(purchase_id))
    assert row is not None
    return Traces(*row.values())


async def audited(db: Connection, purchase_id: str) -> list[str]:
    """What the audit trail says happened to the purchase, in order."""
    return [row["action"].removeprefix("purchase.") for row in await db.fetch(AUDIT, str(_key(purchase_id)))]


async def dispatched(db: Connection, purchase_id: str, *, count: int) -> list[str]:
    """The kinds of the `count` events about a purchase, in the alphabet's order, once its story was told of them."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            rows = await db.fetch(EVENTS, str(_key(purchase_id)))
            if len(rows) >= count and all(row["is_dispatched"] for row in rows):
                return [row["kind"] for row in rows]
            await asyncio.sleep(0.03)


def _key(purchase_id: str) -> UUID:
    key = read_id(purchase_id, "Purchase")
    assert key is not None
    return key
