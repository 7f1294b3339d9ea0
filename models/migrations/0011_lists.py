"""Lists of holds and purchases as they are asked for: by status, by what they are for, and by when they were placed."""

from tortoise import migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops

from models.migrations import statements


class Migration(migrations.Migration):
    dependencies = [("models", "0010_audit_in_batches")]

    operations = [
        ops.AddIndex("Hold", Index(fields=["wallet_id", "status", "held_at", "id"], name="holds_by_status")),
        statements(
            (
                "CREATE INDEX holds_by_reference ON token_holds (wallet_id, reference_type, reference_id, held_at, id)"
                " WHERE reference_type IS NOT NULL",
                "DROP INDEX holds_by_reference",
            ),
        ),
        ops.RemoveIndex("Purchase", name="purchases_by_organization"),
        ops.AddIndex(
            "Purchase",
            Index(fields=["organization_id", "payment_initiated_at", "id"], name="purchases_by_organization"),
        ),
    ]
