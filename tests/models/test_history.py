"""A wallet's history by any filter: what comes is what was asked for, and a page costs the same wherever it is."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from embedded.postgres import PostgresCluster
from models.database import Connection
from models.history import EntryFilter, read_entries
from models.wallets import EntryView, wallet_id_of
from rules.identity import derived_id
from tests.builders import an_organization
from tests.models.damage import Laboratory, laboratory
from tests.models.plans import Explaining, blocks, nodes

START = datetime(2026, 1, 1, tzinfo=UTC)
A_MINUTE, A_DAY = timedelta(minutes=1), timedelta(days=1)
LONG, SHORT = 100_000, 1_500
# A page of 21 rows, each with its own places in an index and in the table, and the way down to them.
BLOCKS_MAX = 120

# Every second entry is of a report, every thousandth by another actor, every 250th an expiry that is booked a day
# late, every seventh moves no tokens, and the lots of the draws take turns. Nothing here has to add up.
FILL = """
WITH entry AS (
    INSERT INTO token_balance_history (id, organization_id, wallet_id, sequence, change_type, change_amount,
        balance_before, balance_after, held_after, reference_type, reference_id, actor, occurred_at)
    SELECT gen_random_uuid(), $1, $2, n,
        CASE WHEN n % 250 = 0 THEN 'EXPIRATION' WHEN n % 500 = 1 THEN 'GRANT' WHEN n % 7 = 0 THEN 'HOLD'
            ELSE 'SPEND' END, 1, 0, 1, 0,
        CASE WHEN n % 2 = 0 THEN 'report' END, CASE WHEN n % 2 = 0 THEN (n % 100)::text END,
        CASE WHEN n % 1000 = 0 THEN 'user/rare' ELSE 'user/often' END,
        $3::timestamptz + n * interval '1 minute' - CASE WHEN n % 250 = 0 THEN interval '1 day' ELSE '0' END
    FROM generate_series(1, $4::int) n ORDER BY n RETURNING id, sequence
)
INSERT INTO token_draws (entry_id, lot_id, tokens)
SELECT id, ($5::uuid[])[1 + sequence % 10], 1 FROM entry WHERE sequence % 7 > 0 ORDER BY sequence
"""


@dataclass(frozen=True, slots=True)
class Wallets:
    """A long history and a short one, with the lots their entries draw on."""

    long: UUID
    short: UUID

    def lot(self, wallet_id: UUID) -> UUID:
        return derived_id("lot", wallet_id, 2)


async def two_organizations() -> tuple[UUID, UUID]:
    return (await an_organization()).id, (await an_organization()).id


@pytest.fixture(scope="module")
async def histories(
    cluster: PostgresCluster, template: str
) -> AsyncIterator[tuple[Laboratory[tuple[UUID, UUID]], Wallets]]:
    async with laboratory(cluster, template, two_organizations) as filled:
        wallets = Wallets(*map(wallet_id_of, filled.contents))
        for organization_id, rows in zip(filled.contents, (LONG, SHORT), strict=True):
            wallet_id = wallet_id_of(organization_id)
            lots = [derived_id("lot", wallet_id, number) for number in range(10)]
            await filled.superuser.execute(FILL, organization_id, wallet_id, START, rows, lots)
        await filled.superuser.execute("ANALYZE token_balance_history, token_draws")
        yield filled, wallets


def filters_for(wallets: Wallets, wallet_id: UUID) -> dict[str, EntryFilter]:
    """Filters by what they ask for; the intervals lie in the middle of a history."""
    rows = LONG if wallet_id == wallets.long else SHORT
    first, last = START + rows // 3 * A_MINUTE, START + rows // 2 * A_MINUTE
    lot_id = wallets.lot(wallet_id)
    return {
        "nothing": EntryFilter(),
        "a common kind": EntryFilter(kinds=("SPEND",)),
        "a rare kind": EntryFilter(kinds=("EXPIRATION",)),
        "several kinds": EntryFilter(kinds=("GRANT", "SPEND", "GRANT", "EXPIRATION")),
        "a kind there is none of": EntryFilter(kinds=("REFUND",)),
        "a common actor": EntryFilter(actor="user/often"),
        "a rare actor": EntryFilter(actor="user/rare"),
        "nobody": EntryFilter(actor="user/nobody"),
        "a kind of reference": EntryFilter(reference_type="report"),
        "a reference": EntryFilter(reference_type="report", reference_id="42"),
        "no reference": EntryFilter(reference_type="invoice"),
        "a lot": EntryFilter(lot_id=lot_id),
        "a lot of another wallet": EntryFilter(lot_id=wallets.lot(UUID(int=7))),
        "from": EntryFilter(occurred_from=first),
        "until": EntryFilter(occurred_until=last),
        "an interval": EntryFilter(occurred_from=first, occurred_until=last),
        "an interval before everything": EntryFilter(occurred_from=START - 9 * A_DAY, occurred_until=START - 8 * A_DAY),
        "an interval of a kind": EntryFilter(kinds=("SPEND",), occurred_from=first, occurred_until=last),
        "an interval of late entries": EntryFilter(kinds=("EXPIRATION",), occurred_until=last),
        "an interval of a lot": EntryFilter(lot_id=lot_id, occurred_from=first, occurred_until=last),
        "a lot and a kind": EntryFilter(lot_id=lot_id, kinds=("SPEND", "HOLD")),
        "a lot and an actor": EntryFilter(lot_id=lot_id, actor="user/often"),
        "a kind, a reference and an actor": EntryFilter(
            kinds=("SPEND",), reference_type="report", reference_id="42", actor="user/often"
        ),
        "all of it": EntryFilter(("SPEND",), first, last, "report", "42", "user/often", lot_id),
    }


NAMES = tuple(filters_for(Wallets(UUID(int=1), UUID(int=2)), UUID(int=1)))


async def entries_of(db: Connection, wallet_id: UUID, **how: Any) -> list[EntryView]:
    return (await read_entries(db, [wallet_id], **how))[wallet_id]


NOTHING_FITS = {
    "a kind there is none of", "nobody", "no reference", "a lot of another wallet", "an interval before everything",
}  # fmt: skip


def fits(entry: EntryView, wanted: EntryFilter, drew_on: set[UUID]) -> bool:
    return (
        (not wanted.kinds or entry.change_type in wanted.kinds)
        and (wanted.occurred_from is None or entry.occurred_at >= wanted.occurred_from)
        and (wanted.occurred_until is None or entry.occurred_at < wanted.occurred_until)
        and wanted.reference_type in (None, entry.reference_type)
        and wanted.reference_id in (None, entry.reference_id)
        and wanted.actor in (None, entry.actor)
        and (wanted.lot_id is None or entry.id in drew_on)
    )


@pytest.mark.parametrize("name", NAMES)
async def test_a_walk_by_a_filter_shows_exactly_what_fits_in_its_order(
    histories: tuple[Laboratory[tuple[UUID, UUID]], Wallets], name: str
) -> None:
    # given
    filled, wallets = histories
    db = Connection(filled.superuser)
    wanted = filters_for(wallets, wallets.short)[name]
    rows = await db.fetch("SELECT entry_id FROM token_draws WHERE lot_id = $1", wanted.lot_id)
    drew_on = {row["entry_id"] for row in rows}
    everything = await entries_of(db, wallets.short, limit=SHORT + 1, before=None)

    # when
    seen: list[EntryView] = []
    place: int | None = None
    while page := await entries_of(db, wallets.short, limit=97, before=place, wanted=wanted):
        seen += page
        place = page[-1].sequence

    # then
    assert [entry.sequence for entry in everything] == list(range(SHORT, 0, -1))
    expected = [entry for entry in everything if fits(entry, wanted, drew_on)]
    if wanted.is_by_moment:
        expected.sort(key=lambda entry: (entry.occurred_at, entry.sequence), reverse=True)
    assert seen == expected
    assert bool(seen) is (name not in NOTHING_FITS)


@pytest.mark.parametrize("name", NAMES)
async def test_a_place_found_by_one_filter_is_a_place_for_every_other(
    histories: tuple[Laboratory[tuple[UUID, UUID]], Wallets], name: str
) -> None:
    filled, wallets = histories
    db = Connection(filled.superuser)
    wanted = filters_for(wallets, wallets.short)[name]
    whole = await entries_of(db, wallets.short, limit=SHORT, before=None, wanted=wanted)

    for place in (1, 2, 699, 700, 701, 1000, SHORT, SHORT + 1, 10**17):
        (here,) = await entries_of(db, wallets.short, limit=1, before=place + 1) if place <= SHORT else (None,)
        behind = await entries_of(db, wallets.short, limit=SHORT, before=place, wanted=wanted)
        if here is None:
            assert behind == whole
        elif wanted.is_by_moment:
            assert behind == [one for one in whole if (one.occurred_at, one.sequence) < (here.occurred_at, place)]
        else:
            assert behind == [one for one in whole if one.sequence < place]
    assert await entries_of(db, wallets.short, limit=5, before=0, wanted=wanted) == []


@pytest.mark.parametrize("name", NAMES)
async def test_the_pages_of_many_wallets_are_those_of_each(
    histories: tuple[Laboratory[tuple[UUID, UUID]], Wallets], name: str
) -> None:
    filled, wallets = histories
    db, nobody = Connection(filled.superuser), UUID(int=7)
    wanted = filters_for(wallets, wallets.short)[name]
    many = [wallets.long, nobody, wallets.short]

    for place in (1_000, None):
        together = await read_entries(db, many, limit=40, before=place, wanted=wanted)

        assert together == {each: await entries_of(db, each, limit=40, before=place, wanted=wanted) for each in many}
        assert together[nobody] == []
    assert bool(together[wallets.short]) is (name not in NOTHING_FITS)


# Of these no index alone is the answer; they cost what the most selective of their filters costs.
COMBINED = {
    "an interval of a kind", "an interval of late entries", "an interval of a lot", "a lot and a kind",
    "a lot and an actor", "a kind, a reference and an actor", "all of it",
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in NAMES if name not in COMBINED])
async def test_a_page_is_served_by_an_index_and_costs_the_same_wherever_it_is(
    histories: tuple[Laboratory[tuple[UUID, UUID]], Wallets], name: str
) -> None:
    # given
    filled, wallets = histories
    explaining, of_both = Explaining(filled.superuser), Explaining(filled.superuser)
    wanted = filters_for(wallets, wallets.long)[name]

    # when: the first page, and pages behind entries all over the history
    for place in (None, 99_990, 75_000, 50_000, 49_999, 33_334, 10_000, 1_000, 22):
        await entries_of(explaining, wallets.long, limit=21, before=place, wanted=wanted)
        # A lot is of one wallet, so nobody asks several about it.
        if wanted.lot_id is None:
            await read_entries(of_both, [wallets.long, wallets.short], limit=21, before=place, wanted=wanted)

    # then
    assert "Seq Scan" not in {kind for plan in (*explaining.plans, *of_both.plans) for kind in nodes(plan)}
    assert max(map(blocks, explaining.plans)) <= BLOCKS_MAX
    assert max(map(blocks, of_both.plans), default=0) <= 2 * BLOCKS_MAX
    (table,) = await filled.superuser.fetch("SELECT pg_relation_size('token_balance_history') / 8192 AS blocks")
    assert table["blocks"] > 5 * BLOCKS_MAX
