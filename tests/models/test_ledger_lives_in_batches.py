"""Long lives of a wallet that is used in batches, each from a seed: keys that come again, budgets that come and go.

The state machine of `test_ledger_model` seldom finds a batch that is granted and repeats keys, or a budget that is
changed while it is used up; here they are common. The answers are compared with the same model at every step.
"""

from random import Random

import pytest

from rules.budgets import BudgetPeriod
from tests.conftest import Database
from tests.models.test_ledger_lives import Life
from tests.models.test_ledger_model import ADA, EVE, Ledger, a_ledger

STEPS = 250
# Those of the first whose lives see everything that is asked for at the end.
SEEDS = (0, 2, 7, 8)


class LifeInBatches(Life):
    """One wallet whose spends mostly come together or not at all, while a clock books what is over."""

    def __init__(self, ledger: Ledger, chance: Random) -> None:
        super().__init__(ledger, chance)
        self.granted = 0
        self.refused: set[object] = set()

    def step(self) -> None:
        """Something happens, and the wallet, its lots and its budgets are those of the model."""
        ways = {
            self.grants: 5, self.spends: 1, self.holds: 2, self.ends_a_hold: 2, self.extends: 1, self.waits: 1,
            self.spends_in_a_batch: 6, self.books: 2, self.sets: 2, self.removes: 2,
        }  # fmt: skip
        (way,) = self.chance.choices(list(ways), weights=list(ways.values()))
        self.key += 1
        way()
        self.ledger.wallet_and_lots_are_those_of_the_model()

    def spends_in_a_batch(self) -> None:
        """New keys, mostly a part of what is available; sometimes keys that were used, or stand in it already."""
        share = max(self.ledger.model.available(self.ledger.now) // self.chance.choice([1, 5, 9, 15]), 10)
        asked = []
        for _ in range(self.chance.randint(1, 5)):
            self.key += 1
            asked.append((self.key, self.chance.randint(1, share), self.chance.choice([ADA, ADA, EVE])))
        if self.chance.random() < 0.4:
            (key, tokens) = self.chance.choice([*[each[:2] for each in asked], *self.ledger._spent_before()])
            tokens += self.chance.random() < 0.15
            asked.insert(self.chance.randint(0, len(asked)), (key, tokens, self.chance.choice([ADA, EVE])))
        self.ledger._spend_all_or_nothing(asked)
        self.remembers([key for key, _, _ in asked])

    def remembers(self, keys: list[int]) -> None:
        """What has become of the batch, so that it can be seen afterwards that much has happened."""
        answers = [self.ledger.model.answers["spend", key][1] for key in keys]
        self.granted += all(answer[0] == "booked" for answer in answers)
        self.refused |= {answer[2] for answer in answers if answer[0] == "batch"}

    def books(self) -> None:
        self.ledger.books_expiry(hours=self.chance.choice([0, 1, 5, 24]))

    def sets(self) -> None:
        limit = self.chance.choice([40_000, 200_000, 1_000_000, 1_000_000])
        self.ledger.sets_a_budget(actor=self.somebody(), period=self.chance.choice(self.periods), limit=limit)

    def removes(self) -> None:
        self.ledger.removes_a_budget(actor=self.somebody(), period=self.chance.choice(self.periods))

    def somebody(self) -> str:
        return self.chance.choice([EVE, EVE, EVE, ADA])

    periods = (BudgetPeriod.DAY, BudgetPeriod.WEEK)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_long_life_in_batches_is_told_as_by_the_model(database: Database, seed: int) -> None:
    with a_ledger(database) as ledger:
        life = LifeInBatches(ledger, Random(seed))
        for _ in range(STEPS):
            life.step()

    assert life.granted > 20
    assert life.refused == {"short", "over", "conflict", "batch"}
