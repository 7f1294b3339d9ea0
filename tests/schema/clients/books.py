"""Everything the database holds, as one fingerprint for each table: the proof that a refused request did nothing.

The outbox and the feed count together, because the sequencer moves rows from one to the other in its own time. What
counts requests is left out, for it counts the refused ones too.
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


async def everything(owner: asyncpg.Connection) -> Mapping[str, str]:
    """How many rows each table has and a hash of all of them."""
    names = [row["name"] for row in await owner.fetch(TABLES)]
    own = [name for name in names if not name.startswith((*MOVED_BY_THE_SEQUENCER, *COUNT_REQUESTS))]
    parts = [f'{FINGERPRINT.format(name)} AS rows FROM "{name}" r' for name in own]
    rows = await owner.fetch(" UNION ALL ".join(parts))
    told = await owner.fetchval("SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM feed)")
    return {**{row["name"]: row["rows"] for row in rows}, "outbox and feed": str(told)}
