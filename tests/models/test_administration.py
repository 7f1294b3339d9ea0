"""Settings are for what is still to be bought, and a suspension binds every way to use a wallet from its instant on."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import orjson
import pytest

from models.adjusting import AdjustmentOrder, adjust
from models.administration import Decision, reactivate, suspend, update_settings
from models.database import Connection, connection, transaction
from models.errors import InvalidSetting, WalletNotFound, WalletSuspended
from models.purchases import require_purchase
from models.quotes import Wish, quote
from models.reconciliation import violations
from models.spending import SpendOrder
from models.wallets import WalletView, read_wallet
from rules.terms import WalletSetting
from tests.builders import Organization, an_order, an_organization, defaults, gives, is_paid, spend

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
A_DAY = timedelta(days=1)
S = WalletSetting


def by_finance(organization: Organization, reason: str = "unpaid invoices") -> Decision:
    return Decision(organization.id, "user/finance", reason, "request-1")


def a_spend(organization: Organization, key: str = "spend") -> SpendOrder:
    return SpendOrder(organization.id, Decimal(1), key, "user/ada")


async def wallet_of(organization: Organization) -> WalletView:
    async with connection() as db:
        wallet = await read_wallet(db, organization.id, at=NOW)
    assert wallet is not None
    return wallet


async def trail(db: Connection) -> list[tuple[str, str, object]]:
    """Action, actor and details of what was decided about wallets."""
    rows = await db.fetch(
        "SELECT action, actor, details::text AS details FROM token_audit_logs"
        " WHERE action IN ('wallet.settings_changed', 'wallet.suspended', 'wallet.reactivated') ORDER BY id"
    )
    return [(row["action"], row["actor"], orjson.loads(row["details"])) for row in rows]


async def told(db: Connection) -> list[Mapping[str, object]]:
    """The events about decisions, without the wallet's id and the time."""
    rows = await db.fetch("SELECT body::text AS body FROM outbox WHERE topic = 'wallet.administered' ORDER BY id")
    bodies = [orjson.loads(row["body"]) for row in rows]
    return [{name: body[name] for name in ("happened", "sequence", "available", "held")} for body in bodies]


async def test_settings_are_changed_together_with_their_audit_row_and_their_event(db: Connection) -> None:
    # given
    aurora = await an_organization()
    await gives(aurora, "3", at=NOW)

    # when
    changed = await update_settings(
        by_finance(aurora),
        {S.PRICE_PER_TOKEN: Decimal("0.123456"), S.TAX_RATE: Decimal(0), S.VALIDITY_DAYS: 30},
        at=NOW,
    )

    # then
    wallet = await wallet_of(aurora)
    assert changed
    assert [wallet.price_per_token, wallet.tax_rate] == [Decimal("0.123456"), 0]
    assert (wallet.payment_terms_days, wallet.validity_days) == (30, 30)
    assert await trail(db) == [
        (
            "wallet.settings_changed",
            "user/finance",
            {
                "price_per_token": {"from": "0.500000", "to": "0.123456"},
                "tax_rate": {"from": "0.160000", "to": "0"},
                "validity_days": {"from": None, "to": 30},
            },
        )
    ]
    assert await told(db) == [{"happened": "settings_changed", "sequence": 1, "available": "3.0000", "held": "0.0000"}]
    assert await violations(db) == []


async def test_what_is_set_already_leaves_no_trace(db: Connection) -> None:
    aurora = await an_organization(wallet=defaults(expires_after_days=30))

    changed = await update_settings(by_finance(aurora), {S.TAX_RATE: Decimal("0.160"), S.VALIDITY_DAYS: 30}, at=NOW)

    assert not changed
    assert await trail(db) == []
    assert await told(db) == []


async def test_tokens_can_be_made_to_last_for_ever_and_to_expire_again(db: Connection) -> None:
    aurora = await an_organization(wallet=defaults(expires_after_days=30))

    assert await update_settings(by_finance(aurora), {S.VALIDITY_DAYS: None}, at=NOW)
    assert (await wallet_of(aurora)).validity_days is None
    assert await update_settings(by_finance(aurora), {S.VALIDITY_DAYS: 36_500}, at=NOW)
    assert (await wallet_of(aurora)).validity_days == 36_500


OUT_OF_RANGE = [
    (S.PRICE_PER_TOKEN, "0"), (S.PRICE_PER_TOKEN, "-1"), (S.PRICE_PER_TOKEN, "1000000.000001"),
    (S.PRICE_PER_TOKEN, "0.0000001"), (S.PRICE_PER_TOKEN, "NaN"), (S.PRICE_PER_TOKEN, "1E+30"),
    (S.PRICE_PER_TOKEN, "Infinity"), (S.TAX_RATE, "-0.01"), (S.TAX_RATE, "1.000001"), (S.TAX_RATE, "0.1234567"),
    (S.TAX_RATE, "NaN"), (S.PAYMENT_TERMS_DAYS, "-1"), (S.PAYMENT_TERMS_DAYS, "366"), (S.VALIDITY_DAYS, "0"),
    (S.VALIDITY_DAYS, "36501"), (S.VALIDITY_DAYS, "1.5"),
]  # fmt: skip


@pytest.mark.parametrize(("setting", "value"), OUT_OF_RANGE)
async def test_one_setting_out_of_range_changes_none(db: Connection, setting: WalletSetting, value: str) -> None:
    aurora = await an_organization()
    before = await wallet_of(aurora)
    good: dict[WalletSetting, Decimal | int | None] = {S.TAX_RATE: Decimal("0.2"), S.PAYMENT_TERMS_DAYS: 5}

    with pytest.raises(InvalidSetting) as refusal:
        await update_settings(by_finance(aurora), {**good, setting: Decimal(value)}, at=NOW)

    assert refusal.value.setting == setting
    assert await wallet_of(aurora) == before
    assert await trail(db) == []


@pytest.mark.parametrize(
    "values",
    [
        {S.PRICE_PER_TOKEN: Decimal("0.000001"), S.TAX_RATE: Decimal(1), S.PAYMENT_TERMS_DAYS: 0, S.VALIDITY_DAYS: 1},
        {S.PRICE_PER_TOKEN: Decimal(1_000_000), S.TAX_RATE: Decimal(0), S.PAYMENT_TERMS_DAYS: 365},
    ],
)
async def test_the_least_and_the_most_can_be_set(db: Connection, values: Mapping[WalletSetting, Decimal]) -> None:
    aurora = await an_organization()

    assert await update_settings(by_finance(aurora), values, at=NOW)
    assert await violations(db) == []


async def test_a_placed_purchase_keeps_its_price_and_a_new_one_has_the_new_one(db: Connection) -> None:
    # given
    aurora = await an_organization()
    placed = await an_order(aurora, "100", at=NOW)

    # when
    values: dict[WalletSetting, Decimal | int | None] = {S.PRICE_PER_TOKEN: Decimal(2), S.TAX_RATE: Decimal(0)}
    values[S.VALIDITY_DAYS] = 10
    await update_settings(by_finance(aurora), values, at=NOW)
    number = await is_paid(placed, at=NOW + A_DAY)
    later = await an_order(aurora, "100", at=NOW)

    # then
    async with connection() as reading:
        completed = await require_purchase(reading, placed.id)
    assert number == "TOK-2026-000001"
    assert [completed.total_amount, completed.tax_amount] == [58, 8]
    assert completed.tokens_expire_at is None
    assert [later.total_amount, later.tax_amount] == [200, 0]
    assert later.validity_days == 10
    assert await violations(db) == []


async def test_a_suspension_is_told_once_and_its_first_reason_stands(db: Connection) -> None:
    # given
    aurora = await an_organization()

    # when
    answers = [
        await suspend(by_finance(aurora), at=NOW),
        await suspend(by_finance(aurora, "another reason"), at=NOW + A_DAY),
    ]
    suspended = await wallet_of(aurora)
    answers += [
        await reactivate(by_finance(aurora, "paid"), at=NOW + 2 * A_DAY),
        await reactivate(by_finance(aurora), at=NOW + 3 * A_DAY),
    ]

    # then
    assert answers == [True, False, True, False]
    assert (suspended.is_active, suspended.suspended_at, suspended.suspension_reason) == (False, NOW, "unpaid invoices")
    now = await wallet_of(aurora)
    assert (now.is_active, now.suspended_at, now.suspension_reason) == (True, None, None)
    assert await trail(db) == [
        ("wallet.suspended", "user/finance", {"reason": "unpaid invoices"}),
        (
            "wallet.reactivated",
            "user/finance",
            {"reason": "paid", "suspended_at": NOW.isoformat(), "suspension_reason": "unpaid invoices"},
        ),
    ]
    assert [event["happened"] for event in await told(db)] == ["suspended", "reactivated"]
    assert await violations(db) == []


async def test_a_suspended_wallet_neither_spends_nor_orders_until_it_is_reactivated(db: Connection) -> None:
    # given
    aurora = await an_organization()
    await gives(aurora, "10", at=NOW)
    await suspend(by_finance(aurora), at=NOW)

    # when
    with pytest.raises(WalletSuspended) as spending:
        await spend(a_spend(aurora), at=NOW)
    with pytest.raises(WalletSuspended) as ordering:
        await an_order(aurora, "5", at=NOW)
    await reactivate(by_finance(aurora), at=NOW)

    # then
    assert {(one.value.reason, one.value.since) for one in (spending, ordering)} == {("unpaid invoices", NOW)}
    assert (await spend(a_spend(aurora, "another spend"), at=NOW)).available == 9
    assert (await an_order(aurora, "5", at=NOW)).status == "pending"
    assert await violations(db) == []


async def test_a_suspended_wallet_is_read_quoted_granted_to_corrected_and_credited(db: Connection) -> None:
    # given
    aurora = await an_organization()
    under_way = await an_order(aurora, "5", at=NOW)
    await suspend(by_finance(aurora), at=NOW)

    # when
    await gives(aurora, "10", at=NOW)
    await adjust(AdjustmentOrder(aurora.id, Decimal(-1), "mistake", "a", "user/finance"), at=NOW)
    offered = await quote(db, aurora.id, Wish(None, Decimal(5)), at=NOW)
    await is_paid(under_way, at=NOW)

    # then
    wallet = await wallet_of(aurora)
    assert [wallet.available, wallet.total_purchased] == [14, 5]
    assert not wallet.is_active
    assert offered.price.subtotal == Decimal("2.50")
    assert await violations(db) == []


async def test_an_order_that_is_being_placed_goes_before_the_suspension_or_is_refused_by_it(db: Connection) -> None:
    # given: a suspension that has not been committed
    aurora = await an_organization()
    await an_order(aurora, "1", at=NOW)
    suspended, may_commit = asyncio.Event(), asyncio.Event()

    async def suspends() -> None:
        async with transaction():
            await suspend(by_finance(aurora), at=NOW)
            suspended.set()
            await may_commit.wait()

    # when
    suspending = asyncio.create_task(suspends())
    await suspended.wait()
    ordering = asyncio.create_task(an_order(aurora, "2", at=NOW))
    waited, _ = await asyncio.wait([ordering], timeout=0.3)
    may_commit.set()
    await suspending

    # then
    assert waited == set()
    with pytest.raises(WalletSuspended):
        await ordering
    (row,) = await db.fetch("SELECT count(*) AS orders FROM token_purchases")
    assert row["orders"] == 1


async def test_nothing_is_spent_after_a_suspension_however_many_try(db: Connection) -> None:
    # given
    aurora = await an_organization()
    await gives(aurora, "100", at=NOW)

    # when: spenders on both sides of a suspension
    work = [spend(a_spend(aurora, f"spend {number}"), at=NOW) for number in range(20)]
    outcomes = await asyncio.gather(*work[:10], suspend(by_finance(aurora), at=NOW), *work[10:], return_exceptions=True)

    # then: whoever spent came before it in the books, and everybody else was refused
    spent = sum(not isinstance(one, BaseException | bool) for one in outcomes)
    assert sum(isinstance(one, WalletSuspended) for one in outcomes) == 20 - spent
    (row,) = await db.fetch(
        "SELECT max(sequence) FILTER (WHERE action = 'wallet.spend') AS spent,"
        " max(sequence) FILTER (WHERE action = 'wallet.suspended') AS suspended FROM token_audit_logs"
    )
    assert (row["spent"] or 0) < row["suspended"]
    assert (await wallet_of(aurora)).available == 100 - spent
    assert await violations(db) == []


async def test_there_is_nothing_to_decide_about_a_wallet_that_is_not_there(db: Connection) -> None:
    nobody = by_finance(Organization(UUID(int=7), "Nobody"))

    for decide in (
        update_settings(nobody, {S.TAX_RATE: Decimal(0)}, at=NOW),
        suspend(nobody, at=NOW),
        reactivate(nobody, at=NOW),
    ):
        with pytest.raises(WalletNotFound):
            await decide
    assert await trail(db) == []
