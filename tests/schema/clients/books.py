"""Everything the database holds, as one fingerprint for each table: the proof that a refused request did nothing.

The outbox and the feed count together, because the sequencer moves rows from one to the other in its own time. What
counts requests is left out, for it counts the refused ones too; and so is what the gateway says of payments that these
books do not know, for it may still be telling of what an earlier test has paid.
"""

from collections.abc import Mapping

import asyncpg

TABLES = """
SELECT c.relname AS name FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1
"""
FINGERPRINT = "SELECT '{0}' AS name, count(*) || '/' || coalesce(md5(string_agg(r::text, E'\\n' ORDER BY r::text)), '')"
MOVED_BY_THE_SEQUENCER = ("outbox", "feed", "feed_head")
COUNT_REQUESTS = ("sign_in_attempts", "rate_allowances")
OURS = "IN (SELECT id::text FROM token_purchases)"
CHOSEN = {"gateway_events": f" WHERE purchase_key {OURS}"}
TOLD = f"""
SELECT count(*) FROM (SELECT topic, body FROM outbox UNION ALL SELECT topic, body FROM feed) told
WHERE topic <> 'gateway.event' OR body::jsonb ->> 'purchase_key' {OURS}
"""


async def everything(owner: asyncpg.Connection) -> Mapping[str, str]:
    """How many rows each table has and a hash of all of them."""
    names = [row["name"] for row in await owner.fetch(TABLES)]
    own = [name for name in names if not name.startswith((*MOVED_BY_THE_SEQUENCER, *COUNT_REQUESTS))]
    parts = [f'{FINGERPRINT.format(name)} AS rows FROM "{name}" r{CHOSEN.get(name, "")}' for name in own]
    rows = await owner.fetch(" UNION ALL ".join(parts))
    return {**{row["name"]: row["rows"] for row in rows}, "outbox and feed": str(await owner.fetchval(TOLD))}
