"""An effect in PostgreSQL happens once by its key: a business step name such as `purchase/<id>:complete`.

Activities run at least once; the row written here, in the effect's own transaction, turns that into exactly once. A
concurrent twin waits on the primary key and then finds the result. Never key by attempt, activity or run id: those
change when a step is retried or a workflow reset, and the effect would happen again.
"""

from collections.abc import Awaitable, Callable, Mapping

import orjson

from models.database import Connection, transaction

CLAIM = "INSERT INTO effects (key) VALUES ($1) ON CONFLICT DO NOTHING RETURNING key"
RESULT = "SELECT result::text AS result FROM effects WHERE key = $1"
KEEP = "UPDATE effects SET result = $2::jsonb WHERE key = $1"

Effect = Callable[[Connection], Awaitable[Mapping[str, object]]]


async def once(key: str, effect: Effect) -> Mapping[str, object]:
    """The effect's result: of this call when it is the first to commit, of the first one otherwise."""
    async with transaction() as db:
        if await db.fetch_one(CLAIM, key) is None:
            row = await db.fetch_one(RESULT, key)
            return orjson.loads(row["result"]) if row else {}
        result = await effect(db)
        await db.execute(KEEP, key, orjson.dumps(dict(result)).decode())
        return result
