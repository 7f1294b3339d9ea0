"""The audit trail: who did what to what, written in the transaction of the change itself.

The database chains each row to the one before it by hash, per organization (see migration 0003); nobody can forget to,
and nobody can alter a row unseen. Details hold ids and amounts, never names, addresses or secrets.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

import orjson

from models.database import Connection

RECORD = """
INSERT INTO token_audit_logs (organization_id, action, resource, resource_id, actor, request_id, details)
VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb)
"""

# By organization, so that two who write to several chains at once meet at their heads in one order.
RECORD_EACH = """
INSERT INTO token_audit_logs (organization_id, action, resource, resource_id, actor, request_id, details)
SELECT thing.organization_id, $3, $4, thing.id, $5, $6, '{}'::jsonb
FROM unnest($1::uuid[], $2::text[]) AS thing(organization_id, id) ORDER BY thing.organization_id, thing.id
"""


async def record(
    db: Connection,
    organization_id: UUID | None,
    *,
    action: str,
    resource: str,
    resource_id: object,
    actor: str,
    details: Mapping[str, object] | None = None,
    request_id: str | None = None,
) -> None:
    """One audit row. `action` is `<resource>.<what happened>`; details must be plain JSON values."""
    text = orjson.dumps(dict(details or {})).decode()
    await db.execute(RECORD, organization_id, action, resource, str(resource_id), actor, request_id, text)


async def record_each(
    db: Connection,
    things: Sequence[tuple[UUID, UUID]],
    *,
    action: str,
    resource: str,
    actor: str,
    request_id: str | None = None,
) -> None:
    """One audit row for each (organization, thing) to which the same was done, without details, in one statement."""
    if things:
        owners, ids = [owner for owner, _ in things], [str(thing) for _, thing in things]
        await db.execute(RECORD_EACH, owners, ids, action, resource, actor, request_id)
