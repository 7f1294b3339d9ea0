"""Giving tokens: once by its key, in a lot of their own that cost nothing; nonsense is refused and not remembered."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from models.database import Connection
from models.errors import IdempotencyConflict, InvalidExpiry, InvalidTokens, WalletNotFound
from models.granting import GrantOrder, grant
from models.reconciliation import violations
from models.wallets import read_wallet
from rules.lots import LotKind
from tests.builders import Organization, an_organization

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
A_DAY = timedelta(days=1)
LOTS = "SELECT kind, granted_tokens, unit_cost, cost, priority, effective_at, expires_at, reason FROM token_lots"


def a_grant(organization: Organization, tokens: str = "10") -> GrantOrder:
    return GrantOrder(organization.id, Decimal(tokens), LotKind.PROMO, "welcome", "grant 1", "user/finance")


async def count_of_grants(db: Connection) -> tuple[int, int]:
    """Lots, and remembered answers."""
    row = await db.fetch_one(
        "SELECT (SELECT count(*) FROM token_lots) AS lots, (SELECT count(*) FROM idempotency_keys) AS answers"
    )
    assert row is not None
    return row["lots"], row["answers"]


async def test_granted_tokens_are_a_lot_that_cost_nothing(db: Connection) -> None:
    aurora = await an_organization()

    booked = await grant(replace(a_grant(aurora), expires_at=NOW + A_DAY, priority=7), at=NOW)

    assert (booked.sequence, booked.occurred_at, booked.replayed) == (1, NOW, False)
    assert [booked.tokens, booked.available, booked.held] == [10, 10, 0]
    (lot,) = await db.fetch(LOTS)
    assert tuple(lot.values()) == ("PROMO", 10, 0, 0, 7, NOW, NOW + A_DAY, "welcome")
    wallet = await read_wallet(db, aurora.id, at=NOW)
    assert wallet is not None
    assert [wallet.available, wallet.total_granted, wallet.total_purchased] == [10, 10, 0]
    assert await violations(db) == []


async def test_twenty_grants_at_once_with_one_key_give_once(db: Connection) -> None:
    aurora = await an_organization()

    answers = await asyncio.gather(*(grant(a_grant(aurora), at=NOW) for _ in range(20)))

    assert {replace(answer, replayed=False) for answer in answers} == {replace(answers[0], replayed=False)}
    assert sum(not answer.replayed for answer in answers) == 1
    assert await count_of_grants(db) == (1, 1)
    assert await violations(db) == []


async def test_a_grant_repeated_after_its_tokens_expired_is_answered_as_the_first_time(db: Connection) -> None:
    aurora = await an_organization()
    order = replace(a_grant(aurora), expires_at=NOW + A_DAY)
    first = await grant(order, at=NOW)

    again = await grant(order, at=NOW + 2 * A_DAY)

    assert again == replace(first, replayed=True)
    assert await count_of_grants(db) == (1, 1)
    assert await violations(db) == []


OTHER_INPUTS: dict[str, dict[str, object]] = {
    "more tokens": {"tokens": Decimal("10.0001")},
    "another kind": {"kind": LotKind.PLAN},
    "another reason": {"reason": "sorry"},
    "an expiry": {"expires_at": NOW + A_DAY},
    "another priority": {"priority": 51},
}


@pytest.mark.parametrize("other", OTHER_INPUTS.values(), ids=OTHER_INPUTS.keys())
async def test_the_same_key_for_another_grant_is_refused(db: Connection, other: dict[str, object]) -> None:
    aurora = await an_organization()
    await grant(a_grant(aurora), at=NOW)

    with pytest.raises(IdempotencyConflict):
        await grant(replace(a_grant(aurora), **other), at=NOW)  # type: ignore[arg-type]

    assert await count_of_grants(db) == (1, 1)
    assert await violations(db) == []


@pytest.mark.parametrize(
    "tokens", ["0", "-1", "0.00001", "1.00001", "1000000000.0001", "1E+30", "NaN", "sNaN", "Infinity", "-Infinity"]
)
async def test_what_cannot_be_granted_is_refused_and_not_remembered(db: Connection, tokens: str) -> None:
    aurora = await an_organization()

    with pytest.raises(InvalidTokens) as refusal:
        await grant(a_grant(aurora, tokens), at=NOW)

    assert (refusal.value.minimum, refusal.value.maximum) == (Decimal("0.0001"), Decimal(1_000_000_000))
    assert await count_of_grants(db) == (0, 0)


@pytest.mark.parametrize("tokens", ["0.0001", "1.5000000", "1000000000"])
async def test_the_least_and_the_most_can_be_granted(db: Connection, tokens: str) -> None:
    aurora = await an_organization()

    assert (await grant(a_grant(aurora, tokens), at=NOW)).available == Decimal(tokens)
    assert await violations(db) == []


@pytest.mark.parametrize("before", [timedelta(0), timedelta(microseconds=1), 365 * A_DAY])
async def test_tokens_cannot_expire_before_they_are_granted(db: Connection, before: timedelta) -> None:
    aurora = await an_organization()

    with pytest.raises(InvalidExpiry):
        await grant(replace(a_grant(aurora), expires_at=NOW - before), at=NOW)
    assert await count_of_grants(db) == (0, 0)
    assert not (await grant(a_grant(aurora), at=NOW)).replayed


async def test_a_suspended_wallet_can_be_given_tokens(db: Connection) -> None:
    aurora = await an_organization()
    await db.execute("UPDATE organization_token_wallets SET is_active = false, suspended_at = now()")

    assert (await grant(a_grant(aurora), at=NOW)).available == 10
    assert await violations(db) == []


async def test_without_a_wallet_nothing_is_granted(db: Connection) -> None:
    nobody = Organization(UUID(int=7), "Nobody")

    with pytest.raises(WalletNotFound):
        await grant(a_grant(nobody), at=NOW)

    assert await count_of_grants(db) == (0, 0)
