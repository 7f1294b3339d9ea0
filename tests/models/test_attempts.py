"""Attempts to sign in are counted before they are looked at, for every address alike."""

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from models.attempts import count_attempt, forget_attempts
from models.database import Connection
from models.errors import SignInLocked
from models.reconciliation import violations

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ADA = "ada@aurora.example"


async def outcomes(emails: Sequence[str], *, at: datetime = NOON) -> list[object]:
    """What each of some attempts at once is told: None when its password may be looked at."""
    return await asyncio.gather(*(count_attempt(email, at=at) for email in emails), return_exceptions=True)


async def test_of_twenty_attempts_at_once_five_are_looked_at(db: Connection) -> None:
    told = await outcomes([ADA] * 20)

    refused = [each for each in told if isinstance(each, SignInLocked)]
    assert (told.count(None), len(refused)) == (5, 15)
    assert {each.retry_at for each in refused} == {NOON + 15 * MINUTE}


async def test_an_address_is_the_same_in_any_letter_case_and_another_one_is_another(db: Connection) -> None:
    told = await outcomes([ADA, ADA.upper(), "Ada@Aurora.example"] * 2)

    assert told.count(None) == 5
    assert await outcomes(["bob@aurora.example"]) == [None]


async def test_a_lock_ends_and_the_next_one_is_longer(db: Connection) -> None:
    await outcomes([ADA] * 5)

    assert (await outcomes([ADA], at=NOON + 15 * MINUTE - timedelta(seconds=1)))[0] is not None
    assert await outcomes([ADA] * 5, at=NOON + 15 * MINUTE) == [None] * 5
    (told,) = await outcomes([ADA], at=NOON + 16 * MINUTE)
    assert isinstance(told, SignInLocked)
    assert told.retry_at == NOON + 45 * MINUTE


async def test_a_right_password_makes_it_as_if_nothing_had_been(db: Connection) -> None:
    await outcomes([ADA] * 5)

    await forget_attempts(ADA.upper())

    assert await outcomes([ADA] * 4, at=NOON + MINUTE) == [None] * 4


async def test_a_refused_attempt_changes_nothing(db: Connection) -> None:
    await outcomes([ADA] * 5)
    before = await db.fetch("SELECT * FROM sign_in_attempts")

    with pytest.raises(SignInLocked):
        await count_attempt(ADA, at=NOON + MINUTE)

    assert await db.fetch("SELECT * FROM sign_in_attempts") == before


async def test_a_lock_is_audited_without_the_address(db: Connection) -> None:
    await outcomes([ADA] * 7)

    (row,) = await db.fetch("SELECT organization_id, action, resource_id, details FROM token_audit_logs")
    assert (row["organization_id"], row["action"]) == (None, "sign_in.locked")
    assert row["resource_id"] == hashlib.sha256(ADA.encode()).hexdigest()
    assert row["details"] == {"locks": 1, "until": "2026-03-01T12:15:00+00:00"}
    assert await violations(db) == []


async def test_addresses_nobody_tries_any_more_are_forgotten_a_few_at_a_time(db: Connection) -> None:
    await outcomes([f"{number}@aurora.example" for number in range(12)])

    await outcomes([ADA], at=NOON + timedelta(days=3))
    assert len(await db.fetch("SELECT 1 FROM sign_in_attempts")) == 13
    await outcomes([ADA], at=NOON + timedelta(days=3, seconds=1))
    assert len(await db.fetch("SELECT 1 FROM sign_in_attempts")) == 3
    await outcomes([ADA], at=NOON + timedelta(days=3, seconds=2))
    assert len(await db.fetch("SELECT 1 FROM sign_in_attempts")) == 1
