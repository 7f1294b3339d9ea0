"""History by index: one for each filter of a wallet's entries, and what an organization's settings may be.

Entries without a reference are not in the indexes of references, which costs a spend without one nothing; Tortoise has
no word for that, so those two are made in SQL.
"""

from tortoise import migrations
from tortoise.indexes import Index
from tortoise.migrations import operations as ops
from tortoise.migrations.constraints import CheckConstraint

from models.migrations import statements


class Migration(migrations.Migration):
    dependencies = [("models", "0007_access")]

    operations = [
        ops.RemoveIndex("Draw", name="draws_by_lot"),
        ops.AddIndex("Draw", Index(fields=["lot_id", "id"], name="draws_by_lot")),
        ops.RemoveIndex("Lot", name="lots_by_wallet"),
        ops.AddIndex("Lot", Index(fields=["wallet_id", "created_at", "id"], name="lots_by_wallet")),
        ops.RemoveIndex("Entry", name="entries_by_reference"),
        ops.AddIndex("Entry", Index(fields=["wallet_id", "change_type", "sequence"], name="entries_by_kind")),
        ops.AddIndex("Entry", Index(fields=["wallet_id", "occurred_at", "sequence"], name="entries_by_moment")),
        # What an actor used since an instant is found by moment: one index of actors is enough for every spend to pay.
        statements(
            (
                "DROP INDEX entries_by_actor",
                "CREATE INDEX entries_by_actor ON token_balance_history (wallet_id, actor, occurred_at)",
            ),
        ),
        ops.AddIndex("Entry", Index(fields=["wallet_id", "actor", "sequence"], name="entries_by_actor")),
        statements(
            (
                "CREATE INDEX entries_by_reference ON token_balance_history"
                " (wallet_id, reference_type, reference_id, sequence) WHERE reference_type IS NOT NULL",
                "DROP INDEX entries_by_reference",
            ),
            (
                "CREATE INDEX entries_by_reference_type ON token_balance_history"
                " (wallet_id, reference_type, sequence) WHERE reference_type IS NOT NULL",
                "DROP INDEX entries_by_reference_type",
            ),
        ),
        ops.AddConstraint(
            "Wallet", CheckConstraint(check="payment_terms_days BETWEEN 0 AND 365", name="wallets_terms_range")
        ),
        ops.AddConstraint(
            "Wallet", CheckConstraint(check="expiration_days BETWEEN 1 AND 36500", name="wallets_validity_range")
        ),
    ]
