"""Long lives of one wallet, each from a seed: holds that outlive their lots, captures of parts, budgets over days.

The state machine beside this finds short sequences; what needs many steps to come about is found here. The answers
are compared with the same model at every step.
"""

from math import inf
from random import Random

import pytest

from rules.holding import CaptureExcess
from tests.conftest import Database
from tests.models.test_ledger_model import ADA, EVE, Ledger, a_ledger

STEPS = 250
HOURS = (1, 5, 24, 30, 72, 720)


class Life:
    """One wallet that is used by chance, mostly sensibly."""

    def __init__(self, ledger: Ledger, chance: Random) -> None:
        self.ledger = ledger
        self.chance = chance
        self.key = 0

    def step(self) -> None:
        """Something happens, and the wallet and its lots are those of the model."""
        ways = {self.grants: 3, self.spends: 3, self.holds: 4, self.ends_a_hold: 5, self.extends: 1, self.waits: 3}
        (way,) = self.chance.choices(list(ways), weights=list(ways.values()))
        self.key += 1
        way()
        self.ledger.wallet_and_lots_are_those_of_the_model()

    def amount(self) -> int:
        """Mostly a part of what is available, sometimes more."""
        return self.chance.randint(1, max(self.ledger.model.available(self.ledger.now) // 2, 10))

    def grants(self) -> None:
        end = self.chance.choice([inf, *(self.ledger.now + hours for hours in (6, 24, 48))])
        self.ledger._grant(self.key, self.chance.randint(10_000, 100_000), end, self.chance.choice([0, 50, 100]))

    def spends(self) -> None:
        self.ledger.spends(key=self.key, tokens=self.amount(), actor=self.chance.choice([ADA, EVE]))

    def holds(self) -> None:
        hours, actor = self.chance.choice(HOURS), self.chance.choice([ADA, EVE])
        self.ledger.holds(key=self.key, tokens=self.amount(), hours=hours, actor=actor)

    def a_hold(self) -> int:
        holds = self.ledger.model.holds
        still = [key for key, hold in holds.items() if hold.status == "HELD"] or list(holds) or [0]
        return self.chance.choice(still)

    def ends_a_hold(self) -> None:
        hold, way = self.a_hold(), self.chance.random()
        if way < 0.3:
            self.ledger._release(self.key, hold)
            return
        known = self.ledger.model.holds.get(hold)
        tokens = None if known is None or way < 0.5 else self.chance.randint(1, known.tokens * 3 // 2 + 1)
        self.ledger._capture(self.key, hold, tokens, self.chance.choice(list(CaptureExcess)))

    def extends(self) -> None:
        self.ledger._extend(self.key, self.a_hold(), self.chance.choice(HOURS))

    def waits(self) -> None:
        self.ledger.time_passes(hours=self.chance.choice([1, 4, 7, 23]))


@pytest.mark.parametrize("seed", range(6))
def test_a_long_life_is_told_as_by_the_model(database: Database, seed: int) -> None:
    with a_ledger(database) as ledger:
        life = Life(ledger, Random(seed))
        for _ in range(STEPS):
            life.step()
