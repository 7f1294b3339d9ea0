"""Many spends at once: what a wallet can pay for is paid for, once, and nothing else."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from models import ledger
from models.database import Connection, retrying, transaction
from models.errors import IdempotencyConflict, InsufficientTokens, Refusal, WalletNotFound, WalletSuspended
from models.locking import lock_wallet
from models.outcomes import Booked
from models.reconciliation import violations
from models.spending import SpendOrder
from models.wallets import ensure_wallet, read_wallet
from rules.identity import derived_id
from rules.sheet import Sheet
from tests.builders import Organization, an_organization, defaults, gives, spend

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def order(organization: Organization, tokens: str, key: str) -> SpendOrder:
    return SpendOrder(organization.id, Decimal(tokens), key, "user/test")


async def answer_to(wanted: SpendOrder, at: datetime = NOW) -> Booked | Refusal:
    try:
        return await retrying(lambda: spend(wanted, at=at))
    except Refusal as refusal:
        return refusal


async def test_two_hundred_spends_on_a_wallet_that_can_pay_for_fourteen(db: Connection) -> None:
    # given
    aurora = await an_organization()
    await gives(aurora, "10", at=NOW)
    await gives(aurora, "4.5", at=NOW)

    # when
    answers = await asyncio.gather(*(answer_to(order(aurora, "1", f"spend {n}")) for n in range(200)))

    # then
    booked = [answer for answer in answers if isinstance(answer, Booked)]
    refused = [answer for answer in answers if isinstance(answer, InsufficientTokens)]
    assert (len(booked), len(refused)) == (14, 186)
    assert sorted(one.sequence for one in booked) == list(range(3, 17))
    assert sorted(one.available for one in booked) == [Decimal(n) + Decimal("0.5") for n in range(14)]
    wallet = await read_wallet(db, aurora.id, at=NOW)
    assert wallet is not None
    assert (wallet.available, wallet.total_consumed) == (Decimal("0.5"), Decimal(14))
    assert await violations(db) == []


async def test_fifty_calls_with_one_key_spend_once_and_hear_the_same(db: Connection) -> None:
    aurora = await an_organization()
    await gives(aurora, "10", at=NOW)

    answers = await asyncio.gather(*(answer_to(order(aurora, "3", "report 7")) for _ in range(50)))

    booked = [answer for answer in answers if isinstance(answer, Booked)]
    assert len(booked) == 50
    assert len({one.entry_id for one in booked}) == 1
    assert {one.available for one in booked} == {Decimal(7)}
    assert sum(not one.replayed for one in booked) == 1
    assert await violations(db) == []


async def test_one_key_with_different_inputs_at_once_serves_the_first_and_refuses_the_others(db: Connection) -> None:
    aurora = await an_organization()
    await gives(aurora, "100", at=NOW)

    answers = await asyncio.gather(*(answer_to(order(aurora, str(n), "one key")) for n in range(1, 11)))

    assert sum(isinstance(answer, Booked) for answer in answers) == 1
    assert sum(isinstance(answer, IdempotencyConflict) for answer in answers) == 9
    assert await violations(db) == []


async def test_who_was_told_no_is_told_no_again_and_never_debited(db: Connection) -> None:
    # given
    aurora = await an_organization()
    await gives(aurora, "5", at=NOW)
    first = await answer_to(order(aurora, "8", "too much"))

    # when there is enough
    await gives(aurora, "100", at=NOW)
    second = await answer_to(order(aurora, "8", "too much"))

    # then
    for answer in (first, second):
        assert isinstance(answer, InsufficientTokens)
        assert (answer.needed, answer.available) == (Decimal(8), Decimal(5))
    wallet = await read_wallet(db, aurora.id, at=NOW)
    assert wallet is not None
    assert (wallet.available, wallet.total_consumed) == (Decimal(105), Decimal(0))
    assert await violations(db) == []


async def test_ten_first_readers_make_one_wallet(db: Connection) -> None:
    # given an organization whose wallet nobody has asked for yet
    organization_id = derived_id("organization", "without a wallet")
    await db.execute(
        "INSERT INTO organizations (id, slug, name, contact_email) VALUES ($1, 'new', 'New', 'new@new.example')",
        organization_id,
    )

    # when
    await asyncio.gather(*(ensure_wallet(organization_id, defaults()) for _ in range(10)))

    # then
    assert len(await db.fetch("SELECT id FROM organization_token_wallets")) == 1
    assert len(await db.fetch("SELECT id FROM token_audit_logs WHERE action = 'wallet.created'")) == 1
    assert await violations(db) == []


async def test_nobody_has_a_wallet_without_an_organization(db: Connection) -> None:
    with pytest.raises(WalletNotFound):
        await ensure_wallet(derived_id("organization", "nobody"), defaults())

    assert await db.fetch("SELECT id FROM organization_token_wallets") == []


async def test_grants_and_spends_at_once_lose_nothing(db: Connection) -> None:
    # given
    aurora = await an_organization()
    await gives(aurora, "10", at=NOW)

    # when
    spends = [answer_to(order(aurora, "0.7", f"spend {n}")) for n in range(60)]
    grants = [gives(aurora, "0.5", at=NOW) for _ in range(20)]
    answers = (await asyncio.gather(asyncio.gather(*spends), asyncio.gather(*grants)))[0]

    # then
    spent = sum((one.tokens for one in answers if isinstance(one, Booked)), Decimal(0))
    wallet = await read_wallet(db, aurora.id, at=NOW)
    assert wallet is not None
    assert wallet.available == Decimal(20) - spent
    assert wallet.total_consumed == spent
    assert await violations(db) == []


async def test_expired_tokens_stop_counting_at_their_instant_and_are_booked_by_the_next_spend(db: Connection) -> None:
    # given
    aurora = await an_organization()
    expires_at = NOW + timedelta(days=1)
    await gives(aurora, "6", at=NOW, expires_at=expires_at)
    await gives(aurora, "4", at=NOW)

    # then
    before, after = expires_at - timedelta(microseconds=1), expires_at
    for at, available in ((before, 10), (after, 4)):
        wallet = await read_wallet(db, aurora.id, at=at)
        assert wallet is not None
        assert wallet.available == available
    refused = await answer_to(order(aurora, "5", "late"), at=after)
    assert isinstance(refused, InsufficientTokens)
    assert refused.available == 4
    rows = await db.fetch("SELECT change_type, change_amount FROM token_balance_history ORDER BY sequence")
    assert [(row["change_type"], row["change_amount"]) for row in rows] == [
        ("GRANT", 6),
        ("GRANT", 4),
        ("EXPIRATION", -6),
    ]
    assert await violations(db) == []


async def test_a_suspended_wallet_refuses_and_nothing_moves(db: Connection) -> None:
    aurora = await an_organization()
    await gives(aurora, "10", at=NOW)
    await db.execute(
        "UPDATE organization_token_wallets SET is_active = false, suspended_at = $1, suspension_reason = 'unpaid'", NOW
    )

    refused = await answer_to(order(aurora, "1", "while suspended"))

    assert isinstance(refused, WalletSuspended)
    assert (refused.reason, refused.since) == ("unpaid", NOW)
    rows = await db.fetch("SELECT sequence FROM token_balance_history")
    assert len(rows) == 1
    assert await violations(db) == []


async def test_a_transaction_that_breaks_leaves_no_gap(db: Connection) -> None:
    aurora = await an_organization()
    await gives(aurora, "10", at=NOW)

    with pytest.raises(RuntimeError, match="after the entry was written"):
        await spend_and_break(aurora)
    booked = await answer_to(order(aurora, "1", "next"))

    assert isinstance(booked, Booked)
    assert booked.sequence == 2
    assert await violations(db) == []


async def spend_and_break(organization: Organization) -> None:
    """A spend whose transaction fails when everything has been written."""
    async with transaction() as broken:
        wallet = await lock_wallet(broken, organization.id, at=NOW)
        posting = ledger.Posting(Sheet(wallet.state, NOW).spend(Decimal(1)), "user/test")
        await ledger.post(broken, wallet, ledger.Books((posting,)))
        raise RuntimeError("after the entry was written")
