"""Whose a row is, by the kind of thing and its id: what every look-up by a bare id must ask first."""

from uuid import UUID

from models.database import Connection

TABLES = {
    "Wallet": "organization_token_wallets",
    "WalletEntry": "token_balance_history",
    "Lot": "token_lots",
    "Hold": "token_holds",
    "Purchase": "token_purchases",
    "Invoice": "token_invoices",
    "PaymentMethod": "payment_methods",
    "Notice": "notices",
}
OWNED = frozenset(TABLES)


async def owner_of(db: Connection, kind: str, key: UUID) -> UUID | None:
    """The organisation a thing belongs to, or None when there is no such thing."""
    row = await db.fetch_one(f"SELECT organization_id FROM {TABLES[kind]} WHERE id = $1", key)
    return None if row is None else UUID(str(row["organization_id"]))
