"""`python -m tests.drift`: what is committed says the same as the code. Exits 1 and says how to mend it when not.

Two things are committed that the code also says: the schema, for those who read the API without running it, and the
migrations, for databases that exist. It needs no database and changes nothing.
"""

import asyncio
import difflib
import sys

from tortoise.context import TortoiseContext
from tortoise.migrations.autodetector import MigrationAutodetector

from models.migrate import schema_config
from schema.root import PRINTED, printed

NOWHERE = "postgresql://nobody@127.0.0.1:1/nowhere"
# Named on the command line that makes a migration.
TORTOISE_ORM = schema_config(NOWHERE)
LINES_SHOWN = 20

SCHEMA_REMEDY = "Run `python -m schema.root` and commit schema/schema.graphql."
MIGRATION_REMEDY = (
    "Run `tortoise -c tests.drift.TORTOISE_ORM makemigrations -n <what changed>`, read what it wrote and commit it. "
    "A new table loses its Meta.constraints on the way: add them as models/migrations/0002_constraints.py does."
)


async def pending_migrations() -> list[str]:
    """The changes of tables that no migration makes yet, one a line; empty when there are none. Needs no database."""
    async with TortoiseContext() as context:
        await context.init(config=TORTOISE_ORM, init_connections=False)
        assert context.apps is not None
        detector = MigrationAutodetector(context.apps, TORTOISE_ORM["apps"])
        changes = await detector.changes()
    return [_described(operation) for change in changes for operation in change.operations]


def _described(operation: object) -> str:
    """Such as `AddField Wallet nickname`."""
    told = [str(getattr(operation, name)) for name in ("model_name", "name") if getattr(operation, name, None)]
    return " ".join([type(operation).__name__, *told])


def schema_changes() -> list[str]:
    """How schema/schema.graphql differs from what the code prints, as the lines of a diff; empty when it does not."""
    committed = PRINTED.read_text(encoding="utf-8")
    return list(difflib.unified_diff(committed.splitlines(), printed().splitlines(), "committed", "code", lineterm=""))


def report(title: str, changes: list[str], remedy: str) -> bool:
    """Whether there is nothing to report; what there is goes to stderr."""
    if not changes:
        return True
    shown = [f"  {line}" for line in changes[:LINES_SHOWN]]
    if len(changes) > LINES_SHOWN:
        shown.append(f"  … and {len(changes) - LINES_SHOWN} lines more")
    sys.stderr.write("\n".join([title, *shown, remedy, ""]))
    return False


def main() -> int:
    answers = [
        report("schema/schema.graphql is not what the code says:", schema_changes(), SCHEMA_REMEDY),
        report("Tables have changed without a migration:", asyncio.run(pending_migrations()), MIGRATION_REMEDY),
    ]
    return 0 if all(answers) else 1


if __name__ == "__main__":
    sys.exit(main())
