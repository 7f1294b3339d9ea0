"""The rows of holds: written here and nowhere else, under the wallet's lock."""

from collections.abc import Collection, Iterable, Mapping
from uuid import UUID

from models.database import Connection
from models.locking import LockedWallet
from rules.holding import Hold

PLACE = """
WITH placed AS (
    INSERT INTO token_holds (id, organization_id, wallet_id, tokens, captured_tokens, status, reference_type,
        reference_id, description, actor, idempotency_key, held_at, expires_at, resolved_at, resolved_by)
    SELECT h.id, $1, $2, h.tokens, h.captured, h.status, h.reference_type, h.reference_id, h.description, h.actor,
        h.key, h.held_at, h.expires_at, h.resolved_at, h.resolved_by
    FROM unnest($3::uuid[], $4::numeric[], $5::numeric[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
        $11::text[], $12::timestamptz[], $13::timestamptz[], $14::timestamptz[], $15::text[])
        AS h(id, tokens, captured, status, reference_type, reference_id, description, actor, key, held_at, expires_at,
             resolved_at, resolved_by)
)
INSERT INTO token_hold_lots (hold_id, lot_id, tokens)
SELECT * FROM unnest($16::uuid[], $17::uuid[], $18::numeric[])
"""

CHANGE = """
UPDATE token_holds h SET status = c.status, captured_tokens = c.captured, expires_at = c.expires_at,
    resolved_at = c.resolved_at, resolved_by = c.resolved_by
FROM unnest($2::uuid[], $3::text[], $4::numeric[], $5::timestamptz[], $6::timestamptz[], $7::text[])
    AS c(id, status, captured, expires_at, resolved_at, resolved_by)
WHERE h.id = c.id AND h.wallet_id = $1 AND h.status = 'HELD'
"""


class HoldsBroken(Exception):
    """A hold that was decided on was not there any more. The transaction must not commit."""


async def write_holds(
    db: Connection,
    wallet: LockedWallet,
    holds: Iterable[Hold],
    *,
    known: Collection[UUID],
    resolved_by: Mapping[UUID, str],
    keys: Mapping[UUID, str],
) -> None:
    """Every hold is as it was decided: those in `known` changed, the others new.

    Raises HoldsBroken when one that should still be held is not.
    """
    new = [hold for hold in holds if hold.id not in known]
    changed = [hold for hold in holds if hold.id in known]
    who = {hold.id: resolved_by[hold.id] if hold.resolved_at is not None else None for hold in (*new, *changed)}
    if new:
        await db.execute(PLACE, wallet.organization_id, wallet.id, *_columns(new, keys, who))
    if changed:
        found = await db.execute(
            CHANGE, wallet.id, [hold.id for hold in changed], [hold.status.value for hold in changed],
            [hold.captured for hold in changed], [hold.expires_at for hold in changed],
            [hold.resolved_at for hold in changed], [who[hold.id] for hold in changed],
        )  # fmt: skip
        if found != len(changed):
            raise HoldsBroken(f"wallet {wallet.id}: a hold moved under a held lock")


async def end_holds(db: Connection, wallet: LockedWallet, ended: Collection[Hold], *, resolved_by: str) -> None:
    """Holds that are known have ended as they say."""
    known = {hold.id for hold in ended}
    await write_holds(db, wallet, ended, known=known, resolved_by=dict.fromkeys(known, resolved_by), keys={})


def _columns(holds: list[Hold], keys: Mapping[UUID, str], who: Mapping[UUID, str | None]) -> list[object]:
    parts = [(hold.id, part) for hold in holds for part in hold.parts]
    return [
        [hold.id for hold in holds], [hold.tokens for hold in holds], [hold.captured for hold in holds],
        [hold.status.value for hold in holds], [hold.purpose.reference_type for hold in holds],
        [hold.purpose.reference_id for hold in holds], [hold.purpose.description for hold in holds],
        [hold.actor for hold in holds], [keys[hold.id] for hold in holds], [hold.held_at for hold in holds],
        [hold.expires_at for hold in holds], [hold.resolved_at for hold in holds], [who[hold.id] for hold in holds],
        [hold_id for hold_id, _ in parts], [part.lot_id for _, part in parts], [part.tokens for _, part in parts],
    ]  # fmt: skip
