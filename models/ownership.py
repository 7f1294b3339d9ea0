"""Whose a row is, by the kind of thing and its id: what every look-up by a bare id must ask first."""

from collections.abc import Sequence
from uuid import UUID

from models.database import Connection

TABLES = {
    "Wallet": "organization_token_wallets",
    "WalletEntry": "token_balance_history",
    "Lot": "token_lots",
    "Hold": "token_holds",
    "SpendBudget": "spend_budgets",
    "Purchase": "token_purchases",
    "Invoice": "token_invoices",
    "PaymentMethod": "payment_methods",
    "Notice": "notices",
    "HeldPriceQuote": "price_quotes",
}
OWNED = frozenset(TABLES)


async def owners_of(db: Connection, kind: str, keys: Sequence[UUID]) -> dict[UUID, UUID]:
    """The organizations that things of one kind belong to, by the things' ids; what does not exist is left out."""
    rows = await db.fetch(f"SELECT id, organization_id FROM {TABLES[kind]} WHERE id = ANY ($1)", list(keys))
    return {row["id"]: row["organization_id"] for row in rows}
