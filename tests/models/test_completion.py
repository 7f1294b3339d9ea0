"""A captured payment becomes tokens and a numbered invoice, once, whatever state the purchase had come to."""

import asyncio
import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from models.completion import PaymentDoesNotMatch, complete_purchase
from models.database import Connection, transaction
from models.invoices import keep_document, read_document
from models.purchases import PurchaseView, close_unpaid, require_purchase
from models.reconciliation import violations
from models.wallets import read_wallet
from rules.payments import PaymentReport, PaymentStatus
from rules.purchases import PurchaseStatus
from tests.builders import SELLER, a_package, an_order, an_organization, captured, defaults, is_paid

PLACED = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
PAID = datetime(2026, 3, 1, 9, 5, tzinfo=UTC)

WRITTEN = """
SELECT (SELECT count(*) FROM token_lots) AS lots, (SELECT count(*) FROM token_balance_history) AS entries,
       (SELECT count(*) FROM token_invoices) AS invoices, (SELECT count(*) FROM token_invoice_counters) AS counters,
       (SELECT count(*) FROM token_audit_logs) AS audit, (SELECT count(*) FROM outbox) AS events
"""
LOTS = """
SELECT id, kind, granted_tokens, remaining_tokens, unit_cost, cost, currency, effective_at, expires_at, parent_lot_id,
       purchase_id
FROM token_lots ORDER BY kind DESC
"""
SUSPEND = "UPDATE organization_token_wallets SET is_active = false, suspended_at = now(), suspension_reason = 'dispute'"


async def written(db: Connection) -> dict[str, int]:
    row = await db.fetch_one(WRITTEN)
    assert row is not None
    return dict(row)


async def status_of(db: Connection, purchase: PurchaseView) -> str:
    return (await require_purchase(db, purchase.id)).status


async def test_a_paid_purchase_gives_its_tokens_and_one_invoice(db: Connection) -> None:
    # given
    aurora = await an_organization()
    purchase = await an_order(aurora, "100", at=PLACED)

    # when
    number = await is_paid(purchase, at=PAID)

    # then
    assert number == "TOK-2026-000001"
    completed = await require_purchase(db, purchase.id)
    assert (completed.status, completed.paid_at, completed.completed_at) == ("completed", PAID, PAID)
    assert completed.gateway_payment_id == f"pay_{purchase.id}"
    (lot,) = await db.fetch(LOTS)
    assert (lot["kind"], lot["granted_tokens"], lot["remaining_tokens"]) == ("PAID", 100, 100)
    assert (lot["unit_cost"], lot["cost"], lot["currency"]) == (Decimal("0.50"), 50, "USD")
    assert (lot["effective_at"], lot["expires_at"], lot["purchase_id"]) == (PAID, None, purchase.id)
    invoice = await db.fetch_one("SELECT subtotal, tax_amount, total_amount, issued_at, due_at FROM token_invoices")
    assert invoice is not None
    assert tuple(invoice.values()) == (50, 8, 58, PAID, PAID + timedelta(days=30))
    assert await violations(db) == []


async def test_completing_twice_gives_one_lot_and_one_invoice_and_the_same_number(db: Connection) -> None:
    purchase = await an_order(await an_organization(), at=PLACED)
    first = await is_paid(purchase, at=PAID)
    before = await written(db)

    second = await is_paid(purchase, at=PAID + timedelta(days=400))

    assert second == first == "TOK-2026-000001"
    assert await written(db) == before
    assert await violations(db) == []


async def test_completing_ten_times_at_once_gives_one_lot_and_one_invoice(db: Connection) -> None:
    purchase = await an_order(await an_organization(), at=PLACED)

    numbers = await asyncio.gather(*(is_paid(purchase, at=PAID) for _ in range(10)))

    assert numbers == ["TOK-2026-000001"] * 10
    told = await written(db)
    assert (told["lots"], told["entries"], told["invoices"]) == (1, 1, 1)
    assert await violations(db) == []


@pytest.mark.parametrize("status", [PurchaseStatus.FAILED, PurchaseStatus.CANCELLED, PurchaseStatus.EXPIRED])
async def test_whoever_paid_after_all_gets_tokens_and_an_invoice(db: Connection, status: PurchaseStatus) -> None:
    # given
    aurora = await an_organization()
    purchase = await an_order(aurora, "20", at=PLACED)
    declined = replace(captured(purchase), status=PaymentStatus.DECLINED, decline_code="expired_card")
    async with transaction() as closing:
        await close_unpaid(closing, purchase.id, status, code="expired_card", reason="too late", report=declined)
    assert await status_of(db, purchase) == status.value

    # when
    number = await is_paid(purchase, at=PAID)

    # then
    assert number == "TOK-2026-000001"
    completed = await require_purchase(db, purchase.id)
    assert (completed.status, completed.failure_code, completed.failure_reason) == ("completed", None, None)
    payment = await db.fetch_one("SELECT status, decline_code, captured_at FROM payments")
    assert payment is not None
    assert tuple(payment.values()) == ("CAPTURED", None, PAID)
    assert await violations(db) == []


@pytest.mark.parametrize("status", [PurchaseStatus.FAILED, PurchaseStatus.CANCELLED, PurchaseStatus.EXPIRED])
async def test_a_completed_purchase_is_never_closed_again(db: Connection, status: PurchaseStatus) -> None:
    purchase = await an_order(await an_organization(), at=PLACED)
    await is_paid(purchase, at=PAID)
    before = await written(db)
    late = replace(captured(purchase), status=PaymentStatus.DECLINED, decline_code="stolen_card")

    async with transaction() as closing:
        await close_unpaid(closing, purchase.id, status, code="stolen_card", reason="late", report=late)

    assert await status_of(db, purchase) == "completed"
    assert await written(db) == before
    assert await violations(db) == []


MISMATCHES: dict[str, dict[str, object]] = {
    "a cent less": {"amount": Decimal("57.99")},
    "a cent more": {"amount": Decimal("58.01")},
    "nothing": {"amount": Decimal(0)},
    "another currency": {"currency": "EUR"},
    "not captured": {"status": PaymentStatus.PROCESSING},
    "declined": {"status": PaymentStatus.DECLINED},
}


@pytest.mark.parametrize("difference", MISMATCHES.values(), ids=MISMATCHES.keys())
async def test_another_payment_than_the_one_ordered_changes_nothing(
    db: Connection, difference: dict[str, object]
) -> None:
    # given
    purchase = await an_order(await an_organization(), at=PLACED)
    report: PaymentReport = replace(captured(purchase), **difference)  # type: ignore[arg-type]
    before = await written(db)

    # when
    with pytest.raises(PaymentDoesNotMatch):
        async with transaction() as completing:
            await complete_purchase(completing, purchase.id, report, seller=SELLER, at=PAID)

    # then
    assert await status_of(db, purchase) == "pending"
    assert await written(db) == before
    payment = await db.fetch_one("SELECT status, gateway_payment_id, captured_at FROM payments")
    assert payment is not None
    assert tuple(payment.values()) == ("PROCESSING", None, None)
    assert await violations(db) == []


async def test_a_suspended_wallet_is_credited_because_the_money_has_moved(db: Connection) -> None:
    aurora = await an_organization()
    purchase = await an_order(aurora, "20", at=PLACED)
    await db.execute(SUSPEND)

    await is_paid(purchase, at=PAID)

    wallet = await read_wallet(db, aurora.id, at=PAID)
    assert wallet is not None
    assert (wallet.available, wallet.is_active) == (Decimal(20), False)
    assert await violations(db) == []


async def test_a_bonus_is_a_lot_of_its_own_that_belongs_to_the_paid_one_and_costs_nothing(db: Connection) -> None:
    # given
    aurora = await an_organization(wallet=defaults(expires_after_days=365))
    package = await a_package("100", bonus="7.5", price="40.00", validity_days=90)
    purchase = await an_order(aurora, package=package, at=PLACED)

    # when
    await is_paid(purchase, at=PAID)

    # then
    paid, bonus = await db.fetch(LOTS)
    ends = PAID + timedelta(days=90)
    assert (paid["kind"], paid["granted_tokens"], paid["unit_cost"], paid["cost"]) == ("PAID", 100, Decimal("0.4"), 40)
    assert (bonus["kind"], bonus["granted_tokens"], bonus["unit_cost"], bonus["cost"]) == (
        "BONUS",
        Decimal("7.5"),
        0,
        0,
    )
    assert (paid["parent_lot_id"], bonus["parent_lot_id"]) == (None, paid["id"])
    assert (paid["expires_at"], bonus["expires_at"]) == (ends, ends)
    assert (await require_purchase(db, purchase.id)).tokens_expire_at == ends
    entries = await db.fetch("SELECT change_type, change_amount FROM token_balance_history ORDER BY sequence")
    assert [tuple(entry.values()) for entry in entries] == [("PURCHASE", 100), ("GRANT", Decimal("7.5"))]
    lines = await db.fetch("SELECT item_type, quantity, amount FROM token_invoice_lines ORDER BY position")
    assert [tuple(line.values()) for line in lines] == [
        ("tokens", 100, 40),
        ("bonus", Decimal("7.5"), 0),
        ("tax", 1, Decimal("6.4")),
    ]
    assert await violations(db) == []


@pytest.mark.parametrize(
    ("wallet_days", "package_days", "days"), [(None, None, None), (None, 30, 30), (365, None, 365), (365, 30, 30)]
)
async def test_tokens_expire_by_the_package_or_else_by_the_wallet(
    db: Connection, wallet_days: int | None, package_days: int | None, days: int | None
) -> None:
    aurora = await an_organization(wallet=defaults(expires_after_days=wallet_days))
    package = await a_package("10", validity_days=package_days)

    await is_paid(await an_order(aurora, package=package, at=PLACED), at=PAID)

    (lot,) = await db.fetch(LOTS)
    assert lot["expires_at"] == (None if days is None else PAID + timedelta(days=days))


async def test_invoice_numbers_have_no_gap_when_every_third_completion_breaks(db: Connection) -> None:
    # given
    aurora, boreal = await an_organization(), await an_organization("Boreal Labs")
    orders = [await an_order(aurora if n % 2 else boreal, "1", at=PLACED) for n in range(18)]

    async def completes(purchase: PurchaseView, breaks: bool) -> str | None:
        try:
            async with transaction() as completing:
                result = await complete_purchase(completing, purchase.id, captured(purchase), seller=SELLER, at=PAID)
                if breaks:
                    raise ConnectionResetError
        except ConnectionResetError:
            return None
        return str(result["invoice_number"])

    # when
    numbers = await asyncio.gather(*(completes(order, n % 3 == 2) for n, order in enumerate(orders)))

    # then
    assert numbers[2::3] == [None] * 6
    assert sorted(filter(None, numbers)) == [f"TOK-2026-{n:06d}" for n in range(1, 13)]
    again = await asyncio.gather(*(is_paid(order, at=PAID) for order in orders[2::3]))
    assert sorted(again) == [f"TOK-2026-{n:06d}" for n in range(13, 19)]
    assert await violations(db) == []


async def test_each_year_has_a_series_of_its_own(db: Connection) -> None:
    aurora = await an_organization()
    last_moment = datetime(2026, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    moments = (last_moment, last_moment + timedelta(microseconds=1), PAID)

    numbers = [await is_paid(await an_order(aurora, "1", at=PLACED), at=moment) for moment in moments]

    assert numbers == ["TOK-2026-000001", "TOK-2027-000001", "TOK-2026-000002"]
    assert await violations(db) == []


async def test_a_document_rendered_ten_times_at_once_is_kept_once_and_never_replaced(db: Connection) -> None:
    # given
    purchase = await an_order(await an_organization(), at=PLACED)
    await is_paid(purchase, at=PAID)
    (invoice,) = await db.fetch("SELECT id FROM token_invoices")

    async def renders(content: bytes) -> str:
        async with transaction() as keeping:
            return await keep_document(keeping, invoice["id"], content)

    # when
    kept = await asyncio.gather(*(renders(f"rendering {n}".encode()) for n in range(10)))

    # then
    (digest,) = set(kept)
    document = await read_document(db, invoice["id"])
    assert document is not None
    assert hashlib.sha256(document).hexdigest() == digest
    assert await renders(b"a later one") == digest
    assert await read_document(db, invoice["id"]) == document
