"""Every change of the tables, in order."""

from tortoise.migrations import operations as ops


def statements(*pairs: tuple[str, str]) -> ops.RunSQL:
    """Statements, each with the one that takes it back or an empty text, as one operation.

    Before every operation the state of all tables is copied, so many small ones make a long migration.
    """
    return ops.RunSQL([there for there, _ in pairs], [back for _, back in reversed(pairs) if back])
