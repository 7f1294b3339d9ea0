"""A ratio: something of ours and its baseline, run in turns so that whatever slows the machine slows both.

    ours, baseline, ours, baseline …      each run answers with a rate, in doings per second

The ratio is the median of the pairs' ratios. 1 is as fast as the baseline, 0.5 takes twice its time.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import median
from typing import TypeAlias

RATIO_MIN = 0.25

Run: TypeAlias = Callable[[], Awaitable[float]]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured.

    rounds       pairs of runs for each ratio, after `warm_ups` pairs that do not count.
    seconds      length of a run that is bounded by time, whole seconds; hot_seconds of one at a hot wallet, where a
                 batch of a thousand has to be answered within it and a queue at one row has to settle.
    connections  keep-alive connections to the API, each of another organization.
    stories      workflows in a run that is bounded by their number; `together` of them at a time.
    callers      at one hot wallet; batch is how many spends come in one call, wallets how many there are.
    entries      of a long history; spends is how many are made while memory is watched.
    """

    warm_ups: int
    rounds: int
    seconds: int
    hot_seconds: int
    connections: int
    stories: int
    together: int
    callers: int
    batch: int
    wallets: int
    entries: int
    spends: int


FULL = Size(
    warm_ups=1, rounds=7, seconds=2, hot_seconds=4, connections=16, stories=24, together=4, callers=64,
    batch=1_000, wallets=10_000, entries=1_000_000, spends=1_000_000,
)  # fmt: skip
TINY = Size(
    warm_ups=0, rounds=1, seconds=1, hot_seconds=1, connections=2, stories=2, together=2, callers=2,
    batch=10, wallets=5, entries=300, spends=100,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ratio:
    """One line of the table. `ours` and `baseline` are medians per second, `lowest` and `highest` of the pairs.

    at_least  what the ratio must be; below it something is wrong.
    """

    what: str
    against: str
    ratio: float
    lowest: float
    highest: float
    ours: float
    baseline: float
    at_least: float = RATIO_MIN


async def compare(
    what: str, ours: Run, against: str, baseline: Run, *, size: Size, at_least: float = RATIO_MIN
) -> Ratio:
    """The ratio of two runs' rates. Warming up fills the caches and settles the plans."""
    pairs = [(await ours(), await baseline()) for _ in range(size.warm_ups + size.rounds)][size.warm_ups :]
    ratios = [mine / theirs for mine, theirs in pairs]
    return Ratio(
        what=what,
        against=against,
        ratio=median(ratios),
        lowest=min(ratios),
        highest=max(ratios),
        ours=median(mine for mine, _ in pairs),
        baseline=median(theirs for _, theirs in pairs),
        at_least=at_least,
    )
