"""Everything at once, on a real PostgreSQL: whatever callers of two processes do to two wallets, the books stay exact.

The story is in `tests.models.crowd`. Who comes first differs from run to run, so nothing here says what is answered;
it says what must be true of all answers together, and of the entries that were written for them.
"""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from uuid import UUID

import pytest

from models.database import Connection, connection, open_database
from models.errors import (
    BatchRefused,
    BudgetExceeded,
    CaptureExceedsHold,
    HoldNotFound,
    HoldResolved,
    IdempotencyConflict,
    InsufficientTokens,
    Refusal,
    WalletSuspended,
)
from models.expiring import book_expiry
from models.intentions import answer_text
from models.outcomes import Booked, Held
from models.reconciliation import violations
from rules.holding import HoldStatus
from tests.builders import an_organization, gives, sets_a_budget
from tests.conftest import Database
from tests.models.crowd import EVE, START, Answer, Crowd, Told

WAVES = 14
EVE_PER_DAY = Decimal(16)
# Nobody waits for a connection: what is to be seen is how callers wait for each other.
CONNECTIONS = 40
REFUSALS = {
    BatchRefused, BudgetExceeded, CaptureExceedsHold, HoldNotFound, HoldResolved, IdempotencyConflict,
    InsufficientTokens, WalletSuspended,
}  # fmt: skip

ENTRIES = """
SELECT id, sequence, change_type AS kind, change_amount AS change, held_change, balance_after, held_after
FROM token_balance_history ORDER BY organization_id, sequence
"""

# How much more of their budget an actor uses after each entry; a hold uses it in the window in which it was placed.
USES = """
SELECT e.organization_id, coalesce(h.actor, e.actor) AS actor,
    date_trunc('day', coalesce(h.held_at, e.occurred_at), 'UTC') AS day, e.held_change - e.change_amount AS more
FROM token_balance_history e
LEFT JOIN token_holds h ON e.reference_type = 'hold' AND e.reference_id = h.id::text
WHERE e.change_type IN ('SPEND', 'HOLD', 'CAPTURE', 'RELEASE') ORDER BY e.organization_id, e.sequence
"""

HOLDS = "SELECT id, status, captured_tokens AS captured FROM token_holds"


@pytest.fixture
async def wide(database: Database) -> AsyncIterator[Connection]:
    """The test's database with a connection for everybody, and one for looking at what they have done."""
    async with open_database(database.app_dsn, CONNECTIONS, application_name="scrip-crowd"), connection() as here:
        yield here


async def a_crowd(seed: int) -> Crowd:
    """Two organizations with tokens of which most expire soon, and a program that may use little of them a day."""
    wallets = [await an_organization("Aurora Clinics"), await an_organization("Boreal Insurance")]
    for one in wallets:
        await gives(one, "20", at=START)
        await gives(one, "30", at=START, expires_at=START + timedelta(minutes=50))
        await gives(one, "30", at=START, expires_at=START + timedelta(minutes=100), priority=10)
        await sets_a_budget(one, EVE, str(EVE_PER_DAY), at=START)
    return Crowd(wallets, Random(seed))


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_whatever_a_crowd_does_at_once_the_books_stay_exact(wide: Connection, seed: int) -> None:
    # given
    crowd = await a_crowd(seed)

    # when
    for _ in range(WAVES):
        await crowd.comes()

    # then
    assert crowd.faults == []
    assert {type(told.answer) for told in crowd.told} <= {Booked, Held, *REFUSALS}
    assert await violations(wide) == []
    assert keys_that_were_told_different_things(crowd.told) == {}
    assert await most_used_of_a_budget(wide) <= EVE_PER_DAY
    assert_no_hold_ended_twice(crowd.told)
    await assert_holds_are_as_they_were_said_to_be(wide, crowd.told)
    await assert_entries_are_those_that_were_told(wide, crowd.told)
    assert_enough_has_happened(crowd)

    # when: all that is over is booked
    for one in crowd.wallets:
        await book_expiry(one.id, at=crowd.now + timedelta(days=31))

    # then
    assert await violations(wide) == []
    assert HoldStatus.HELD.value not in await statuses(wide)
    assert HoldStatus.EXPIRED.value in await statuses(wide)
    assert "EXPIRATION" in {row["kind"] for row in await wide.fetch(ENTRIES)}


async def statuses(db: Connection) -> set[str]:
    return {row["status"] for row in await db.fetch(HOLDS)}


def keys_that_were_told_different_things(told: Iterable[Told]) -> dict[object, set[str]]:
    """A key with one input has one answer, whoever asks and however often; with another input it is a conflict."""
    answers: dict[object, set[str]] = defaultdict(set)
    inputs: dict[object, set[str]] = defaultdict(set)
    for each in told:
        intention = each.asked.intention()
        key = (each.asked.organization_id, intention.operation, intention.key)
        answers[*key, intention.fingerprint].add(text_of(each.answer))
        if not isinstance(each.answer, IdempotencyConflict):
            inputs[key].add(intention.fingerprint)
    different = {key: texts for key, texts in answers.items() if len(texts) > 1}
    return {**different, **{key: prints for key, prints in inputs.items() if len(prints) > 1}}


def text_of(answer: Answer) -> str:
    return answer_text(answer if isinstance(answer, Refusal) else answer.as_answer())


async def most_used_of_a_budget(db: Connection) -> Decimal:
    """The most that Eve used of any wallet in any day, at any moment between two entries."""
    used: defaultdict[tuple[UUID, datetime], Decimal] = defaultdict(Decimal)
    most = Decimal(0)
    for row in await db.fetch(USES):
        if row["actor"] == EVE:
            place = (row["organization_id"], row["day"])
            used[place] += row["more"]
            assert used[place] >= 0
            most = max(most, used[place])
    assert len({day for _, day in used}) == 2
    return most


def first_told(told: Iterable[Told], operation: str) -> list[Booked | Held]:
    """The successes of an operation, each once: not those that were told again."""
    return [
        each.answer
        for each in told
        if not isinstance(each.answer, Refusal)
        and not each.answer.replayed
        and each.asked.intention().operation == operation
    ]


def holds_told(told: Iterable[Told], operation: str) -> list[Held]:
    return [answer for answer in first_told(told, operation) if isinstance(answer, Held)]


def assert_no_hold_ended_twice(told: list[Told]) -> None:
    ended = Counter(each.hold.id for way in ("captureHold", "releaseHold") for each in holds_told(told, way))
    assert {hold: times for hold, times in ended.items() if times > 1} == {}


async def assert_holds_are_as_they_were_said_to_be(db: Connection, told: list[Told]) -> None:
    """A hold that somebody ended stays so; the others are held, or their time was over."""
    holds = {row["id"]: (row["status"], row["captured"]) for row in await db.fetch(HOLDS)}
    assert set(holds) == {each.hold.id for each in holds_told(told, "holdTokens")}
    ended = {
        each.hold.id: (each.hold.status.value, each.hold.captured)
        for way in ("captureHold", "releaseHold")
        for each in holds_told(told, way)
    }
    others = {status for hold, (status, _) in holds.items() if hold not in ended}
    assert {hold: holds[hold] for hold in ended} == ended
    assert others <= {HoldStatus.HELD.value, HoldStatus.EXPIRED.value}


async def assert_entries_are_those_that_were_told(db: Connection, told: list[Told]) -> None:
    """Each success has its entry, no entry is without one, and their sums are the same."""
    entries = await db.fetch(ENTRIES)
    for kind, operation in (("SPEND", "spendTokens"), ("ADJUSTMENT", "adjustBalance")):
        said = {
            (each.entry_id, each.sequence, each.tokens, each.available, each.held)
            for each in first_told(told, operation)
            if isinstance(each, Booked)
        }
        assert said == {
            (row["id"], row["sequence"], abs(row["change"]), row["balance_after"], row["held_after"])
            for row in entries
            if row["kind"] == kind
        }
    change, held = Counter[str](), Counter[str]()
    for row in entries:
        change[row["kind"]] += row["change"]
        held[row["kind"]] += row["held_change"]
    granted = sum(each.tokens for each in first_told(told, "grantTokens") if isinstance(each, Booked))
    assert change["GRANT"] == 2 * 80 + granted
    assert held["HOLD"] == sum(each.hold.tokens for each in holds_told(told, "holdTokens"))
    assert -change["CAPTURE"] == sum(each.hold.captured for each in holds_told(told, "captureHold"))
    assert change["HOLD"] == change["RELEASE"] == 0


def assert_enough_has_happened(crowd: Crowd) -> None:
    """The run was worth it: what moves tokens succeeded, both processes served, keys came again, races were lost."""
    answers = [each.answer for each in crowd.told]
    done = {each.asked.intention().operation for each in crowd.told if not isinstance(each.answer, Refusal)}
    assert done >= {"spendTokens", "holdTokens", "captureHold", "releaseHold", "grantTokens", "adjustBalance"}
    assert len(answers) > 500
    assert all(till.answered > till.transactions > 0 for till in crowd.tills)
    assert sum(not isinstance(answer, Refusal) and answer.replayed for answer in answers) > 50
    assert {HoldResolved, InsufficientTokens, BudgetExceeded, BatchRefused} <= {type(answer) for answer in answers}
