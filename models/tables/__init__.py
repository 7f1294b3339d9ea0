"""The tables, one module per domain. Only migrations and the modules beside this package read them."""

TABLE_MODULES = (
    "models.tables.access",
    "models.tables.wallets",
    "models.tables.holds",
    "models.tables.buying",
    "models.tables.spine",
    "models.tables.arrangements",
    "models.tables.notices",
)
