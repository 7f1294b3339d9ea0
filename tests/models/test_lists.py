"""Lists of holds and of purchases by any filter: what comes is what was asked for, and a page is served by an index."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from embedded.postgres import PostgresCluster
from models.database import Connection
from models.holds import HoldFilter, HoldView, read_holds
from models.purchases import PurchaseView, read_purchases
from models.wallets import wallet_id_of
from rules.holding import HoldStatus
from rules.purchases import PurchaseStatus
from tests.builders import Organization, an_order, an_organization
from tests.models.damage import Laboratory, laboratory
from tests.models.plans import Explaining, blocks, nodes

START = datetime(2026, 1, 1, tzinfo=UTC)
A_MINUTE = timedelta(minutes=1)
LONG, SHORT = 60_000, 1_200
# A page of 21 rows, each with its own places in an index and in the table, and the way down to them.
BLOCKS_MAX = 150

# Nearly all holds were captured; few were released, expired, or are still open, and of the open ones every second is
# over. Two of three are for jobs, a hundred kinds of them; one in a thousand is for a report.
HOLDS = """
INSERT INTO token_holds (id, organization_id, wallet_id, tokens, captured_tokens, status, reference_type, reference_id,
    actor, idempotency_key, held_at, expires_at, resolved_at, resolved_by)
SELECT gen_random_uuid(), $1, $2, 1, (status = 'CAPTURED')::int, status,
    CASE WHEN n % 1000 = 0 THEN 'report' WHEN n % 3 > 0 THEN 'job' END,
    CASE WHEN n % 1000 = 0 THEN '7' WHEN n % 3 > 0 THEN (n % 100)::text END, 'user/test', n::text,
    held_at, CASE WHEN n % 400 = 100 THEN $4::timestamptz + interval '1 day' ELSE held_at + interval '5 minutes' END,
    CASE WHEN status <> 'HELD' THEN held_at + interval '1 minute' END, CASE WHEN status <> 'HELD' THEN 'user/test' END
FROM (SELECT n, $3::timestamptz + n * interval '1 minute' AS held_at,
        CASE n % 200 WHEN 0 THEN 'RELEASED' WHEN 50 THEN 'EXPIRED' WHEN 100 THEN 'HELD' ELSE 'CAPTURED' END AS status
    FROM generate_series(1, $5::int) n) made
"""
# Copies of the one purchase there is, placed a minute apart.
PURCHASES = """
INSERT INTO token_purchases (id, purchase_reference_id, organization_id, wallet_id, purchased_by, description,
    token_quantity, price_per_token, subtotal, tax_rate, tax_amount, total_amount, currency, status, payment_method_id,
    gateway_provider, payment_initiated_at)
SELECT gen_random_uuid(), purchase_reference_id || n, organization_id, wallet_id, purchased_by, description,
    token_quantity, price_per_token, subtotal, tax_rate, tax_amount, total_amount, currency,
    CASE WHEN n % 10 = 0 THEN 'failed' ELSE 'cancelled' END, payment_method_id, gateway_provider,
    payment_initiated_at - n * interval '1 minute'
FROM token_purchases CROSS JOIN generate_series(1, $1::int) n
"""
NOW = START + (LONG + 1) * A_MINUTE

FILTERS = {
    "nothing": HoldFilter(),
    "open ones": HoldFilter((HoldStatus.HELD,)),
    "expired ones": HoldFilter((HoldStatus.EXPIRED,)),
    "open and expired ones": HoldFilter((HoldStatus.EXPIRED, HoldStatus.HELD)),
    "released ones": HoldFilter((HoldStatus.RELEASED,)),
    "captured and released ones": HoldFilter((HoldStatus.CAPTURED, HoldStatus.RELEASED, HoldStatus.CAPTURED)),
    "all there are": HoldFilter(tuple(HoldStatus)),
    "one thing": HoldFilter(reference_type="job", reference_id="42"),
    "a rare kind of thing": HoldFilter(reference_type="report"),
    "a common kind of thing": HoldFilter(reference_type="job"),
    "open ones for one thing": HoldFilter((HoldStatus.HELD,), "job", "0"),
    "nothing there is": HoldFilter(reference_type="invoice", reference_id="42"),
}


async def two_organizations() -> tuple[Organization, Organization]:
    aurora, boreal = await an_organization(), await an_organization()
    await an_order(aurora, "5", at=START)
    return aurora, boreal


@pytest.fixture(scope="module")
async def lists(
    cluster: PostgresCluster, template: str
) -> AsyncIterator[Laboratory[tuple[Organization, Organization]]]:
    """A wallet with a long list of holds and an organization with many purchases, and another with a short list."""
    async with laboratory(cluster, template, two_organizations) as filled:
        for owner, rows in zip(filled.contents, (LONG, SHORT), strict=True):
            await filled.superuser.execute(HOLDS, owner.id, wallet_id_of(owner.id), START, NOW, rows)
        await filled.superuser.execute(PURCHASES, 20_000)
        await filled.superuser.execute("ANALYZE token_holds, token_purchases")
        yield filled


def fits(hold: HoldView, wanted: HoldFilter) -> bool:
    return (
        (not wanted.statuses or hold.status in wanted.statuses)
        and wanted.reference_type in (None, hold.reference_type)
        and wanted.reference_id in (None, hold.reference_id)
    )


async def holds_of(db: Connection, wallet_id: UUID, **how: Any) -> list[HoldView]:
    return (await read_holds(db, [wallet_id], at=NOW, **how))[wallet_id]


@pytest.mark.parametrize("name", FILTERS)
async def test_a_walk_over_holds_shows_exactly_what_fits_newest_first(
    lists: Laboratory[tuple[Organization, Organization]], name: str
) -> None:
    # given
    db, wallet_id = Connection(lists.superuser), wallet_id_of(lists.contents[1].id)
    everything = await holds_of(db, wallet_id, limit=SHORT + 1, before=None)

    # when
    seen: list[HoldView] = []
    place: tuple[datetime, UUID] | None = None
    while page := await holds_of(db, wallet_id, limit=97, before=place, wanted=FILTERS[name]):
        seen += page
        place = page[-1].held_at, page[-1].id

    # then
    assert [hold.held_at for hold in everything] == [START + n * A_MINUTE for n in range(SHORT, 0, -1)]
    assert [everything[SHORT - n].status for n in (50, 100, 200, 300)] == ["EXPIRED", "HELD", "RELEASED", "EXPIRED"]
    assert seen == [hold for hold in everything if fits(hold, FILTERS[name])]
    assert bool(seen) is (name != "nothing there is")


@pytest.mark.parametrize("name", FILTERS)
async def test_a_page_of_holds_costs_the_same_wherever_it_is(
    lists: Laboratory[tuple[Organization, Organization]], name: str
) -> None:
    # given
    explaining, of_both = Explaining(lists.superuser), Explaining(lists.superuser)
    wallet_ids = [wallet_id_of(owner.id) for owner in lists.contents]
    places = [(START + n * A_MINUTE, UUID(int=0)) for n in (59_990, 40_000, 20_000, 1_000)]

    # when
    for place in (None, *places):
        await holds_of(explaining, wallet_ids[0], limit=21, before=place, wanted=FILTERS[name])
        await read_holds(of_both, wallet_ids, at=NOW, limit=21, before=place, wanted=FILTERS[name])

    # then
    assert "Seq Scan" not in {kind for plan in (*explaining.plans, *of_both.plans) for kind in nodes(plan)}
    assert max(map(blocks, explaining.plans)) <= BLOCKS_MAX
    assert max(map(blocks, of_both.plans)) <= 2 * BLOCKS_MAX
    (table,) = await lists.superuser.fetch("SELECT pg_relation_size('token_holds') / 8192 AS blocks")
    assert table["blocks"] > 5 * BLOCKS_MAX


async def test_a_page_of_purchases_costs_the_same_wherever_it_is(
    lists: Laboratory[tuple[Organization, Organization]],
) -> None:
    # given
    explaining, owner = Explaining(lists.superuser), lists.contents[0].id
    places = [(START - n * A_MINUTE, UUID(int=0)) for n in (10, 10_000, 19_900)]

    # when
    for place in (None, *places):
        await read_purchases(explaining, [owner], limit=21, before=place)

    # then
    assert "Seq Scan" not in {kind for plan in explaining.plans for kind in nodes(plan)}
    assert max(map(blocks, explaining.plans)) <= BLOCKS_MAX
    (table,) = await lists.superuser.fetch("SELECT pg_relation_size('token_purchases') / 8192 AS blocks")
    assert table["blocks"] > 3 * BLOCKS_MAX


async def test_purchases_of_many_organizations_are_those_of_each(
    lists: Laboratory[tuple[Organization, Organization]],
) -> None:
    db = Connection(lists.superuser)
    ids = [owner.id for owner in lists.contents]
    failed = (PurchaseStatus.FAILED.value,)

    async def of(*owners: UUID) -> dict[UUID, list[PurchaseView]]:
        return await read_purchases(db, owners, limit=3, before=(START, UUID(int=0)), statuses=failed)

    together = await of(*ids)

    assert together == {**await of(ids[0]), **await of(ids[1])}
    placed = [purchase.placed_at for purchase in together[ids[0]]]
    assert placed == [START - n * A_MINUTE for n in (10, 20, 30)]
    assert together[ids[1]] == []
