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

FIRST_BROKEN_LINK = """
SELECT sequence FROM (
    SELECT entry.sequence, entry.hash, entry.previous_hash,
           audit_row_hash(entry) AS expected,
           lag(entry.hash, 1, '\\x00'::bytea) OVER by_sequence AS previous,
           row_number() OVER by_sequence AS ordinal
    FROM token_audit_logs entry WHERE entry.organization_id IS NOT DISTINCT FROM $1
    WINDOW by_sequence AS (ORDER BY entry.sequence)
) chain
WHERE hash <> expected OR previous_hash <> previous OR sequence <> ordinal ORDER BY sequence LIMIT 1
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


async def first_broken_link(db: Connection, organization_id: UUID | None) -> int | None:
    """The sequence of the first audit row that was changed, moved or removed; None when the chain is whole.

    The cut-off end of a chain is not seen here: compare its length with `audit_heads`.
    """
    row = await db.fetch_one(FIRST_BROKEN_LINK, organization_id)
    return None if row is None else int(row["sequence"])
