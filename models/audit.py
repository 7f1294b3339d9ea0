"""The audit trail: who did what to what, written in the transaction of the change itself.

The database chains each row to the one before it by hash, per organisation (see migration 0003); nobody can forget to,
and nobody can alter a row unseen. Details hold ids and amounts, never names, addresses or secrets.
"""

from collections.abc import Mapping
from uuid import UUID

import orjson

from models.database import Connection

RECORD = """
INSERT INTO token_audit_logs (organization_id, action, resource, resource_id, actor, request_id, details)
VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb)
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
