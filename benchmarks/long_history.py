"""A history of a million entries: its thousandth page against its first one, over HTTP.

Pages are places in an index, so a page should cost the same wherever it is. The entries are made by the database in one
go, with everything the books demand of them.
"""

from decimal import Decimal
from functools import partial
from uuid import UUID

from benchmarks.ground import Ground
from benchmarks.measuring import Ratio, Size, compare
from benchmarks.over_http import PAGE, ROW, called, serving
from models.database import connection, open_database, transaction
from models.wallets import wallet_id_of
from schema.pages import sequence_cursor

# A page far back may take at most 1.2 times as long as the first one.
AT_LEAST = 1 / 1.2
# Entries that are made by one statement.
AT_ONCE = 50_000
QUERY = (
    f"query ($first: Int!, $after: Cursor, $org: ID) {{ wallet(organizationId: $org) {{"
    f" entries(first: $first, after: $after) {{ nodes {{ {ROW} }} }} }} }}"
)

SPENDS = """
WITH wallet AS (
    SELECT w.id, w.organization_id, w.entry_sequence AS last, w.current_balance AS before, lot.id AS lot_id
    FROM organization_token_wallets w
    JOIN LATERAL (SELECT id FROM token_lots WHERE wallet_id = w.id ORDER BY created_at, id LIMIT 1) lot ON true
    WHERE w.id = $1
), entered AS (
    INSERT INTO token_balance_history (id, organization_id, wallet_id, sequence, change_type, change_amount,
        held_change, balance_before, balance_after, held_after, description, actor, occurred_at)
    SELECT md5('long history ' || last + n)::uuid, organization_id, id, last + n, 'SPEND', -1, 0, before - n + 1,
        before - n, 0, 'Report', 'user/bench', now() - make_interval(secs => $4 + $2 - n)
    FROM wallet, generate_series(1, $2) n ORDER BY n
    RETURNING id, sequence
), drawn AS (
    INSERT INTO token_draws (entry_id, lot_id, tokens)
    SELECT entered.id, wallet.lot_id, 1 FROM entered, wallet ORDER BY entered.sequence
), lots AS (
    UPDATE token_lots SET remaining_tokens = remaining_tokens - $3 FROM wallet WHERE token_lots.id = wallet.lot_id
)
UPDATE organization_token_wallets w SET current_balance = current_balance - $3, total_consumed = total_consumed + $3,
    entry_sequence = entry_sequence + $2
FROM wallet WHERE w.id = wallet.id
"""


async def measure(ground: Ground, size: Size) -> list[Ratio]:
    """Page 1,000, or as far back as there are entries, against page 1."""
    newest = await with_history(ground, size.entries)
    pages = min(1_000, size.entries // PAGE)
    token = [ground.customers[0].access_token] * size.connections
    async with serving(ground) as port:
        page = partial(called, port, token, size, QUERY)
        far = {"first": PAGE, "after": sequence_cursor(newest - (pages - 1) * PAGE + 1)}
        return [
            await compare(
                f"history page {pages} of {size.entries} entries over HTTP",
                partial(page, far, "occurredAt"),
                "history page 1",
                partial(page, {"first": PAGE}, "occurredAt"),
                size=size,
                at_least=AT_LEAST,
            )
        ]


async def with_history(ground: Ground, entries: int) -> int:
    """The first customer has so many entries more; the sequence of the newest one."""
    wallet_id: UUID = wallet_id_of(ground.customers[0].organization_id)
    async with open_database(ground.dsn, 2, application_name="scrip-benchmarks"):
        for done in range(0, entries, AT_ONCE):
            number = min(AT_ONCE, entries - done)
            async with transaction() as db:
                await db.execute("SET LOCAL statement_timeout = 0")
                await db.execute(SPENDS, wallet_id, number, Decimal(number), entries - done - number)
        async with connection() as db:
            row = await db.fetch_one("SELECT entry_sequence FROM organization_token_wallets WHERE id = $1", wallet_id)
    assert row is not None
    newest: int = row["entry_sequence"]
    return newest
