"""What Scrip writes to people about their purchases.

Pure functions from facts to a `MailMessage`. The caller gives the id of the mail (`receipt/<purchase id>`), because
only it knows which event of the business the mail belongs to. Every mail states the amount, what happened, and what
the reader can do about it. Nothing here decides whether or to whom to write.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from activities.documents.figures import day, instant, money, one_line, quantity
from activities.mail.letters import Letter, Letterhead, Link, as_html, as_text
from activities.mail.protocol import Attachment, MailMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A paid purchase. `total` is what was charged, tax included; `tokens_available` is the balance afterwards."""

    to: str
    organization: str
    tokens: Decimal
    bonus_tokens: Decimal
    total: Decimal
    currency: str
    paid_on: date
    invoice_number: str
    invoice_pdf: bytes
    payment_method: str | None = None
    tokens_available: Decimal | None = None
    wallet_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentFailure:
    """A charge that was declined. `item` says what for, `reason` why in words for people; `next_attempt_on` is None
    when nobody will try again by itself."""

    to: str
    organization: str
    item: str
    amount: Decimal
    currency: str
    reason: str
    next_attempt_on: date | None = None
    payment_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentAction:
    """A charge that waits for the buyer, at `action_url`, until `expires_at`."""

    to: str
    organization: str
    item: str
    amount: Decimal
    currency: str
    action_url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiredPurchase:
    """An order that nobody paid in time. Nothing was charged."""

    to: str
    organization: str
    item: str
    amount: Decimal
    currency: str
    expired_at: datetime
    wallet_url: str | None = None


def receipt(facts: Receipt, *, message_id: str, head: Letterhead) -> MailMessage:
    """Thank you, here are your tokens, and the invoice as a PDF."""
    total = money(facts.total, facts.currency)
    rows = [
        ("Tokens", quantity(facts.tokens)),
        ("Bonus tokens", quantity(facts.bonus_tokens) if facts.bonus_tokens else None),
        ("Total paid", total),
        ("Paid on", day(facts.paid_on)),
        ("Paid with", facts.payment_method),
        ("Invoice", facts.invoice_number),
        ("Available now", _tokens(facts.tokens_available) if facts.tokens_available is not None else None),
    ]
    letter = Letter(
        heading=f"Your receipt for {total}",
        greeting=_greeting(facts.organization),
        opening=("Thank you. Your payment has arrived and the tokens are in your wallet.",),
        facts=_present(rows),
        link=_link("Open your wallet", facts.wallet_url),
        closing=("The invoice is attached as a PDF.",),
    )
    invoice = Attachment(f"{facts.invoice_number}.pdf", "application/pdf", facts.invoice_pdf)
    subject = f"Receipt {facts.invoice_number}: {total} for {_tokens(facts.tokens + facts.bonus_tokens)}"
    return _mail(letter, head, message_id=message_id, to=facts.to, subject=subject, attachments=(invoice,))


def payment_failed(facts: PaymentFailure, *, message_id: str, head: Letterhead) -> MailMessage:
    """The charge was declined; why, and what happens next."""
    amount = money(facts.amount, facts.currency)
    if facts.next_attempt_on is None:
        outlook = "We will not try again by ourselves. Please pay with another method."
    else:
        outlook = f"We will try again on {day(facts.next_attempt_on)}. You can change the payment method before then."
    letter = Letter(
        heading=f"Your payment of {amount} did not go through",
        greeting=_greeting(facts.organization),
        opening=("Your payment was declined, so nothing was charged and no tokens were added.",),
        facts=_present([("For", facts.item), ("Amount", amount), ("Reason", facts.reason)]),
        link=_link("Update your payment method", facts.payment_url),
        closing=(outlook,),
    )
    return _mail(letter, head, message_id=message_id, to=facts.to, subject=f"Payment of {amount} did not go through")


def payment_action_required(facts: PaymentAction, *, message_id: str, head: Letterhead) -> MailMessage:
    """The bank asks the buyer to confirm; where, and until when. Raises ValueError for a URL that is not http(s)."""
    amount = money(facts.amount, facts.currency)
    deadline = instant(facts.expires_at)
    letter = Letter(
        heading=f"Please confirm your payment of {amount}",
        greeting=_greeting(facts.organization),
        opening=("Your bank asks you to confirm this payment. The tokens are added as soon as you have done so.",),
        facts=_present([("For", facts.item), ("Amount", amount), ("Confirm before", deadline)]),
        link=Link("Confirm the payment", facts.action_url),
        closing=("If you do not confirm in time, the order expires and nothing is charged.",),
    )
    return _mail(letter, head, message_id=message_id, to=facts.to, subject=f"Please confirm your payment of {amount}")


def purchase_expired(facts: ExpiredPurchase, *, message_id: str, head: Letterhead) -> MailMessage:
    """The order is over, nothing was charged."""
    amount = money(facts.amount, facts.currency)
    letter = Letter(
        heading=f"Your order of {amount} has expired",
        greeting=_greeting(facts.organization),
        opening=("This order was not paid in time. Nothing was charged and no tokens were added.",),
        facts=_present([("For", facts.item), ("Amount", amount), ("Expired", instant(facts.expired_at))]),
        link=_link("Order again", facts.wallet_url),
        closing=("If you still want the tokens, simply order again.",),
    )
    return _mail(letter, head, message_id=message_id, to=facts.to, subject=f"Your order of {amount} has expired")


def _mail(
    letter: Letter,
    head: Letterhead,
    *,
    message_id: str,
    to: str,
    subject: str,
    attachments: tuple[Attachment, ...] = (),
) -> MailMessage:
    return MailMessage(
        message_id=message_id,
        to=to,
        subject=one_line(subject),
        text=as_text(letter, head),
        html=as_html(letter, head),
        attachments=attachments,
    )


def _greeting(organization: str) -> str:
    return f"Hello {organization},"


def _tokens(count: Decimal) -> str:
    return f"{quantity(count)} {'token' if count == 1 else 'tokens'}"


def _present(rows: list[tuple[str, str | None]]) -> tuple[tuple[str, str], ...]:
    return tuple((label, value) for label, value in rows if value)


def _link(label: str, url: str | None) -> Link | None:
    return None if url is None else Link(label, url)
