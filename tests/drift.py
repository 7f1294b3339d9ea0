"""`python -m tests.drift`: what is committed says the same as the code. Exits 1 and says how to mend it when not."""

import asyncio
import sys

from tortoise.context import TortoiseContext
from tortoise.migrations.autodetector import MigrationAutodetector

from models.migrate import schema_config
from schema.root import PRINTED, printed

NOWHERE = "postgresql://nobody@127.0.0.1:1/nowhere"


async def pending_migrations() -> list[str]:
    """The changes of tables that no migration makes yet; empty when there are none. Needs no database."""
    config = schema_config(NOWHERE)
    async with TortoiseContext() as context:
        await context.init(config=config, init_connections=False)
        assert context.apps is not None
        detector = MigrationAutodetector(context.apps, config["apps"])
        changes = await detector.changes()
    return [str(change) for change in changes]


def schema_is_current() -> bool:
    """Whether schema/schema.graphql is what the code prints."""
    return PRINTED.read_text(encoding="utf-8") == printed()


def main() -> int:
    troubles = []
    if not schema_is_current():
        troubles.append("schema/schema.graphql is not what the code says; run python -m schema.root")
    if asyncio.run(pending_migrations()):
        troubles.append("tables have changed without a migration; make one with tortoise makemigrations")
    for trouble in troubles:
        sys.stderr.write(f"{trouble}\n")
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())
