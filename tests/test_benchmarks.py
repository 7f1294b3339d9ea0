"""The benchmarks measure what they say, once, at the smallest size; how fast anything is, no test asks."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import hot_wallet, lists, long_history, memory, over_http, purchase_story, spend_transaction
from benchmarks.__main__ import BENCHMARKS, asked_for
from benchmarks.ground import Ground, furnished
from benchmarks.measuring import FULL, TINY, Ratio, Size, compare
from benchmarks.report import defects, table
from embedded.postgres import PostgresCluster
from models.database import connection, open_database
from models.reconciliation import violations
from tests.conftest import Database


@pytest.fixture
async def ground(cluster: PostgresCluster, database: Database, tmp_path: Path) -> Ground:
    return await furnished(cluster, database.app_dsn, tmp_path, customers=TINY.connections)


@pytest.mark.parametrize(
    ("measure", "lines"),
    [
        (over_http.measure, 3),
        (lists.measure, 3),
        (spend_transaction.measure, 3),
        (hot_wallet.measure, 3),
        (long_history.measure, 1),
        (memory.measure, 1),
        (purchase_story.measure, 2),
    ],
    ids=["over HTTP", "lists", "spend transaction", "hot wallet", "long history", "memory", "purchase story"],
)
async def test_every_benchmark_ends_with_ratios_and_whole_books(
    ground: Ground, measure: Callable[[Ground, Size], Awaitable[list[Ratio]]], lines: int
) -> None:
    # when
    ratios = await measure(ground, TINY)

    # then
    assert len(ratios) == lines
    assert all(one.ratio > 0 for one in ratios)
    async with open_database(ground.dsn, 1, application_name="scrip-tests"), connection() as db:
        # The hand-written script keeps every rule too, so it writes all that a spend writes.
        assert [violation.rule for violation in await violations(db)] == []


def test_what_is_asked_for_is_measured_and_what_is_unknown_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pgledger.sql").touch()

    assert asked_for(()) == ([*BENCHMARKS.values()], FULL)
    assert asked_for(("spend", "hot", "--rounds", "3")) == (
        [BENCHMARKS["spend"], BENCHMARKS["hot"]],
        replace(FULL, rounds=3),
    )
    assert [one.about for one in asked_for(("--pgledger", str(tmp_path)))[0]] == ["spending against pgledger"]
    for wrong, said in (
        ("nope", "there is no 'nope'"),
        ("--pgledger=/nowhere", "there is no pgledger.sql in /nowhere"),
    ):
        with pytest.raises(SystemExit) as ended:
            asked_for((wrong,))
        assert ended.value.code == 2
        assert said in capsys.readouterr().err


async def test_a_ratio_is_the_median_of_the_pairs() -> None:
    # given
    size = replace(TINY, warm_ups=1, rounds=3)
    mine, theirs = iter([9.0, 2.0, 4.0, 3.0]), iter([9.0, 4.0, 4.0, 4.0])

    async def ours() -> float:
        return next(mine)

    async def baseline() -> float:
        return next(theirs)

    # when
    found = await compare("this", ours, "that", baseline, size=size)

    # then: the first pair only warms up
    assert found == Ratio("this", "that", ratio=0.75, lowest=0.5, highest=1.0, ours=3.0, baseline=4.0)


def test_a_ratio_below_a_quarter_is_a_defect() -> None:
    slow = Ratio("this", "that", ratio=0.24, lowest=0.2, highest=0.3, ours=24.0, baseline=100.0)
    fair = Ratio("these", "those", ratio=0.25, lowest=0.2, highest=0.3, ours=25.0, baseline=100.0)
    poor = Ratio("those", "these", ratio=2.9, lowest=2.0, highest=4.0, ours=2.9, baseline=1.0, at_least=3.0)
    assert defects([poor]) == ["a defect: those has a ratio of 2.900"]
    assert defects([slow, fair]) == ["a defect: this has a ratio of 0.240"]
    assert table([slow]).splitlines()[2] == "| this | that | 0.24 | 0.20 to 0.30 |"
