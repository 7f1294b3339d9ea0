"""Notices, told once each, and the index by which lots are found whose time has come."""

from tortoise import fields, migrations
from tortoise.fields.base import OnDelete
from tortoise.fields.db_defaults import SqlDefault
from tortoise.indexes import Index
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint, UniqueConstraint

from models.migrations import statements

# Creating a table leaves these out of the database, so they are added in SQL, as in 0002.
CONSTRAINTS = (
    ("notices_told_once", "UNIQUE (kind, about_type, about_id, level)"),
    ("notices_kind", "CHECK (kind IN ('tokens.expiring'))"),
    ("notices_tokens_positive", "CHECK (tokens > 0 AND tokens <> 'NaN')"),
    ("notices_level_not_negative", "CHECK (level >= 0)"),
    (
        "notices_of_expiry_say_what_and_when",
        "CHECK (kind <> 'tokens.expiring' OR tokens IS NOT NULL AND expires_at IS NOT NULL)",
    ),
)


def in_state(name: str, definition: str) -> CheckConstraint | UniqueConstraint:
    """A constraint as the table's state knows it."""
    kind, _, inside = definition.removesuffix(")").partition(" (")
    if kind == "UNIQUE":
        return UniqueConstraint(fields=tuple(inside.split(", ")), name=name)
    return CheckConstraint(check=inside, name=name)


class Migration(migrations.Migration):
    dependencies = [("models", "0008_history")]

    initial = False

    operations = [
        ops.CreateModel(
            name="Notice",
            fields=[
                ("id", fields.UUIDField(primary_key=True, unique=True, db_index=True)),
                (
                    "organization",
                    fields.ForeignKeyField(
                        "models.Organization",
                        source_field="organization_id",
                        db_constraint=True,
                        to_field="id",
                        on_delete=OnDelete.RESTRICT,
                    ),
                ),
                ("kind", fields.TextField(unique=False)),
                ("about_type", fields.TextField(unique=False)),
                ("about_id", fields.UUIDField()),
                ("level", fields.IntField(default=0, db_default=0)),
                ("tokens", fields.DecimalField(null=True, max_digits=20, decimal_places=4)),
                ("expires_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
                (
                    "created_at",
                    fields.DatetimeField(db_default=SqlDefault("now()"), auto_now=False, auto_now_add=False),
                ),
                ("read_at", fields.DatetimeField(null=True, auto_now=False, auto_now_add=False)),
            ],
            options={
                "table": "notices",
                "app": "models",
                "constraints": [in_state(name, definition) for name, definition in CONSTRAINTS],
                "indexes": [Index(fields=["organization_id", "created_at"], name="notices_by_organization")],
                "pk_attr": "id",
                "table_description": "One thing told once. `level` tells the warnings about one thing apart: days ahead"
                " for `tokens.expiring`.",
            },
            bases=["Model"],
        ),
        statements(
            *(
                (
                    f"ALTER TABLE notices ADD CONSTRAINT {name} {definition}",
                    f"ALTER TABLE notices DROP CONSTRAINT {name}",
                )
                for name, definition in CONSTRAINTS
            ),
            (
                "CREATE INDEX notices_unread ON notices (organization_id, created_at) WHERE read_at IS NULL",
                "DROP INDEX notices_unread",
            ),
            (
                "CREATE INDEX lots_expiring ON token_lots (expires_at, id) WHERE NOT is_exhausted AND expires_at IS NOT NULL",
                "DROP INDEX lots_expiring",
            ),
        ),
    ]
