"""What the letters say, word for word, and what they never let through."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from activities.mail.letters import Letterhead
from activities.mail.messages import (
    ExpiredPurchase,
    PaymentAction,
    PaymentFailure,
    Receipt,
    payment_action_required,
    payment_failed,
    purchase_expired,
    receipt,
)
from activities.mail.protocol import Attachment, MailMessage

HEAD = Letterhead(
    product="Scrip",
    seller_name="Scrip Ltd",
    seller_address="1 Ledger Lane, London",
    support_email="billing@scrip.example",
)
RECEIPT = Receipt(
    to="ada@aurora.example",
    organization="Aurora Analytics B.V.",
    tokens=Decimal("10000.0000"),
    bonus_tokens=Decimal("500.0000"),
    total=Decimal("5220.0000"),
    currency="USD",
    paid_on=date(2026, 3, 14),
    invoice_number="TOK-2026-000042",
    invoice_pdf=b"%PDF-1.7 an invoice",
    payment_method="Visa ending in 4242",
    tokens_available=Decimal("10512.2500"),
    wallet_url="https://scrip.example/wallet?a=1&b=2",
)
ACTION = PaymentAction(
    to="ada@aurora.example",
    organization="Aurora",
    item="Growth package",
    amount=Decimal(4950),
    currency="JPY",
    action_url="https://pay.example/confirm/1",
    expires_at=datetime(2026, 3, 14, 15, 4, 59, tzinfo=UTC),
)
SIGNATURE = "-- \nScrip Ltd, 1 Ledger Lane, London\nQuestions? Write to billing@scrip.example.\n"


def test_a_receipt_says_what_was_bought_and_brings_the_invoice() -> None:
    mail = receipt(RECEIPT, message_id="receipt/1", head=HEAD)

    assert (mail.message_id, mail.to) == ("receipt/1", "ada@aurora.example")
    assert mail.subject == "Receipt TOK-2026-000042: $5,220.00 for 10,500 tokens"
    assert mail.attachments == (Attachment("TOK-2026-000042.pdf", "application/pdf", b"%PDF-1.7 an invoice"),)
    assert mail.text == (
        "Hello Aurora Analytics B.V.,\n\n"
        "Thank you. Your payment has arrived and the tokens are in your wallet.\n\n"
        "  Tokens:        10,000\n"
        "  Bonus tokens:  500\n"
        "  Total paid:    $5,220.00\n"
        "  Paid on:       14 March 2026\n"
        "  Paid with:     Visa ending in 4242\n"
        "  Invoice:       TOK-2026-000042\n"
        "  Available now: 10,512.25 tokens\n\n"
        "Open your wallet:\nhttps://scrip.example/wallet?a=1&b=2\n\n"
        "The invoice is attached as a PDF.\n\n" + SIGNATURE
    )


def test_a_receipt_leaves_out_what_there_is_not() -> None:
    bare = replace(
        RECEIPT,
        tokens=Decimal(1),
        bonus_tokens=Decimal(0),
        payment_method=None,
        tokens_available=None,
        wallet_url=None,
    )

    mail = receipt(bare, message_id="receipt/1", head=HEAD)

    assert mail.subject == "Receipt TOK-2026-000042: $5,220.00 for 1 token"
    assert [word in mail.text for word in ("Bonus", "Paid with", "Available", "http")] == [False] * 4
    assert "<a " not in (mail.html or "")


@pytest.mark.parametrize(
    ("next_attempt_on", "outlook"),
    [
        (None, "We will not try again by ourselves. Please pay with another method."),
        (date(2026, 3, 17), "We will try again on 17 March 2026."),
    ],
)
def test_a_failed_payment_says_why_and_what_happens_next(next_attempt_on: date | None, outlook: str) -> None:
    facts = PaymentFailure(
        to="ada@aurora.example",
        organization="Aurora",
        item="Subscription, March 2026",
        amount=Decimal("116.00"),
        currency="EUR",
        reason="The card has expired.",
        next_attempt_on=next_attempt_on,
        payment_url="https://scrip.example/methods",
    )

    mail = payment_failed(facts, message_id="payment-failed/1/attempt-2", head=HEAD)

    assert mail.subject == "Payment of €116.00 did not go through"
    assert "  For:    Subscription, March 2026\n  Amount: €116.00\n  Reason: The card has expired.\n" in mail.text
    assert outlook in mail.text.replace("\n", " ")
    assert mail.attachments == ()


def test_a_payment_to_confirm_says_where_and_until_when() -> None:
    mail = payment_action_required(ACTION, message_id="action/1", head=HEAD)

    assert mail.subject == "Please confirm your payment of ¥4,950"
    assert "  Confirm before: 14 March 2026, 15:04 UTC\n" in mail.text
    assert "Confirm the payment:\nhttps://pay.example/confirm/1\n" in mail.text
    assert '<a href="https://pay.example/confirm/1"' in (mail.html or "")


def test_an_expired_purchase_says_that_nothing_was_charged() -> None:
    facts = ExpiredPurchase(
        to="ada@aurora.example",
        organization="Aurora",
        item="1,000 tokens",
        amount=Decimal("1.234"),
        currency="BHD",
        expired_at=datetime(2026, 3, 14, 15, 4, tzinfo=UTC),
    )

    mail = purchase_expired(facts, message_id="expired/1", head=HEAD)

    assert mail.subject == "Your order of BHD1.234 has expired"
    assert "Nothing was charged and no tokens were added." in mail.text.replace("\n", " ")


def test_names_are_escaped_in_html_and_cannot_add_lines_to_the_text() -> None:
    name = '<img src=x onerror=1> & "Co"\r\n\r\nTotal paid: $0.00\u202e'

    mail = receipt(replace(RECEIPT, organization=name), message_id="receipt/1", head=HEAD)

    assert "<img" not in (mail.html or "")
    assert "Hello &lt;img src=x onerror=1&gt; &amp; &quot;Co&quot; Total paid: $0.00," in (mail.html or "")
    assert [line for line in mail.text.splitlines() if line.startswith("Total paid")] == []
    assert "\u202e" not in mail.text


def test_letters_load_nothing_and_name_no_other_place() -> None:
    html = receipt(RECEIPT, message_id="receipt/1", head=HEAD).html or ""

    assert html.count("://") == 1
    assert [tag in html for tag in ("<img", "<script", "<link", "<style", "url(", "@import")] == [False] * 6


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "https://",
        "https://pay.example/\r\nBcc: x@y.example",
        "//pay.example",
        "",
    ],
)
def test_a_link_that_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is no web address"):
        payment_action_required(replace(ACTION, action_url=url), message_id="action/1", head=HEAD)


@pytest.mark.parametrize("message_id", ["", "a b", "a>\r\nBcc: x@y.example", "<a>", "a@b", ".a", "a" * 201, "ü"])
def test_an_id_that_cannot_be_a_message_id_is_refused(message_id: str) -> None:
    with pytest.raises(ValueError, match="cannot be the id of a mail"):
        MailMessage(message_id=message_id, to="ada@aurora.example", subject="Hello", text="Hello")
