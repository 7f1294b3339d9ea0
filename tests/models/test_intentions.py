"""The first answer to a key is the answer: success or refusal, with its fields, for this input and no other."""

from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import asyncpg
import pytest

from models.database import Connection
from models.errors import (
    IdempotencyConflict,
    InsufficientTokens,
    InvalidTokens,
    PackageWithdrawn,
    PriceChanged,
    Refusal,
    WalletNotFound,
    WalletSuspended,
    all_refusals,
)
from models.intentions import Intention, recall, remember

AURORA, BOREAL = UUID(int=1), UUID(int=2)
INTENTION = Intention("spendTokens", "report 7", "a" * 64)

REFUSALS: list[Refusal] = [
    WalletNotFound(),
    InsufficientTokens(needed=Decimal("8.0000"), available=Decimal("0.0001")),
    InvalidTokens(minimum=Decimal(1), maximum=Decimal(1_000_000)),
    WalletSuspended(reason='a "dispute", 100 % ours', since=datetime(2026, 3, 1, 9, 0, 0, 1, tzinfo=UTC)),
    PackageWithdrawn(package_name="Läger 🪙"),
    PriceChanged(expected=Decimal("58.00"), actual=Decimal("58.01"), currency="USD"),
]


async def test_a_new_intention_has_no_answer(db: Connection) -> None:
    assert await recall(db, AURORA, INTENTION) is None


async def test_a_success_is_told_again_as_it_was(db: Connection) -> None:
    await remember(db, AURORA, INTENTION, {"tokens": "1.50", "sequence": 7})

    for _ in range(2):
        assert await recall(db, AURORA, INTENTION) == {"tokens": "1.50", "sequence": 7}


@pytest.mark.parametrize("refusal", REFUSALS, ids=[refusal.code for refusal in REFUSALS])
async def test_a_refusal_is_told_again_with_all_its_fields(db: Connection, refusal: Refusal) -> None:
    await remember(db, AURORA, INTENTION, refusal)

    with pytest.raises(type(refusal)) as told:
        await recall(db, AURORA, INTENTION)

    for field in fields(refusal):
        assert getattr(told.value, field.name) == getattr(refusal, field.name)
    assert str(told.value) == str(refusal)


async def test_another_input_is_refused_and_the_first_answer_stands(db: Connection) -> None:
    await remember(db, AURORA, INTENTION, {"sequence": 7})

    with pytest.raises(IdempotencyConflict):
        await recall(db, AURORA, Intention("spendTokens", "report 7", "b" * 64))

    assert await recall(db, AURORA, INTENTION) == {"sequence": 7}


@pytest.mark.parametrize(
    ("organization_id", "intention"),
    [
        (BOREAL, INTENTION),
        (AURORA, Intention("grantTokens", "report 7", "a" * 64)),
        (AURORA, Intention("spendTokens", "report 8", "a" * 64)),
        (AURORA, Intention("spendTokens", "Report 7", "a" * 64)),
    ],
    ids=["another organization", "another operation", "another key", "another letter case"],
)
async def test_a_key_means_something_to_one_organization_and_one_operation(
    db: Connection, organization_id: UUID, intention: Intention
) -> None:
    await remember(db, AURORA, INTENTION, {"sequence": 7})

    assert await recall(db, organization_id, intention) is None


async def test_an_answer_cannot_be_remembered_twice(db: Connection) -> None:
    await remember(db, AURORA, INTENTION, {"sequence": 7})

    with pytest.raises(asyncpg.UniqueViolationError):
        await remember(db, AURORA, INTENTION, {"sequence": 8})

    assert await recall(db, AURORA, INTENTION) == {"sequence": 7}


@pytest.mark.parametrize("key", ["", "k" * 256])
async def test_a_key_has_1_to_255_characters(db: Connection, key: str) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await remember(db, AURORA, Intention("spendTokens", key, "a" * 64), {})


def test_every_refusal_has_a_code_of_its_own() -> None:
    assert len(all_refusals()) == len(Refusal.__subclasses__())
    assert all(kind.code == code for code, kind in all_refusals().items())
