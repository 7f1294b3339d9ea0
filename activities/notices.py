"""Telling people what became of a purchase, by mail.

A letter's id is made of the purchase and the kind of letter, so that one sent twice is recognisably the same. Letters
are the last thing a story does and never hold it up: what cannot be delivered is logged by its code, without names. A
letter that waited, for the post or for another worker, until it was no longer true is not sent: nobody is asked to
confirm what is paid already.
"""

from collections.abc import Awaitable, Callable, Set
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.clock import Clock
from activities.mail import messages
from activities.mail.letters import Letterhead
from activities.mail.protocol import Mailer, MailMessage, MailUndeliverable
from activities.messages import Notice
from models.database import Connection, connection
from models.failpoints import failpoint
from models.invoices import invoices_of_purchases, read_document
from models.purchases import PurchaseView, require_purchase
from models.wallets import read_wallet
from rules.purchases import CLOSED_UNPAID, TERMINAL, PurchaseStatus

RECIPIENTS = """
SELECT o.name AS organization, coalesce(u.email, o.contact_email) AS address
FROM organizations o LEFT JOIN users u ON u.id::text = $2 AND u.organization_id = o.id AND u.is_active
WHERE o.id = $1
"""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Recipient:
    organization: str
    address: str


Composer = Callable[[Connection, PurchaseView, Recipient, Notice], Awaitable[MailMessage]]


@dataclass(frozen=True, slots=True)
class NoticeActivities:
    """Letters in the name of `head`, carried by `mailer`."""

    mailer: Mailer
    head: Letterhead
    clock: Clock

    @activity.defn
    async def send_notice(self, notice: Notice) -> None:
        """The letter was handed over, or is not true any more. Raises a final error when the address never takes it."""
        failpoint("receipt.before_send")
        # Who writes each letter, and what a purchase must be for it to be true.
        letters: dict[str, tuple[Composer, Set[PurchaseStatus]]] = {
            "receipt": (self._receipt, TERMINAL - CLOSED_UNPAID),
            "payment-failed": (self._payment_failed, {PurchaseStatus.FAILED}),
            "action-required": (self._action_required, {PurchaseStatus.REQUIRES_ACTION}),
            "purchase-expired": (self._expired, {PurchaseStatus.EXPIRED}),
        }
        compose, true_of = letters[notice.kind]
        async with connection() as db:
            purchase = await require_purchase(db, UUID(notice.purchase_id))
            if purchase.status not in true_of:
                log.info("letter.overtaken", kind=notice.kind, status=purchase.status)
                return
            recipient = await _recipient_of(db, purchase)
            message = await compose(db, purchase, recipient, notice)
        try:
            await self.mailer.send(message)
        except MailUndeliverable as error:
            raise ApplicationError(
                "the letter cannot be delivered", type="MailUndeliverable", non_retryable=True
            ) from error
        failpoint("receipt.after_send")

    async def _receipt(self, db: Connection, purchase: PurchaseView, to: Recipient, notice: Notice) -> MailMessage:
        invoice = (await invoices_of_purchases(db, [purchase.id]))[purchase.id]
        wallet = await read_wallet(db, purchase.organization_id, at=self.clock())
        facts = messages.Receipt(
            to=to.address,
            organization=to.organization,
            tokens=purchase.tokens,
            bonus_tokens=purchase.bonus_tokens,
            total=purchase.total_amount,
            currency=purchase.currency,
            paid_on=invoice.paid_at.date(),
            invoice_number=invoice.number,
            invoice_pdf=await read_document(db, invoice.id) or b"",
            tokens_available=wallet.available if wallet else None,
        )
        return messages.receipt(facts, message_id=message_id_of(notice), head=self.head)

    async def _payment_failed(
        self, db: Connection, purchase: PurchaseView, to: Recipient, notice: Notice
    ) -> MailMessage:
        facts = messages.PaymentFailure(
            to=to.address,
            organization=to.organization,
            item=purchase.description,
            amount=purchase.total_amount,
            currency=purchase.currency,
            reason=(purchase.failure_reason or "The payment was declined."),
        )
        return messages.payment_failed(facts, message_id=message_id_of(notice), head=self.head)

    async def _action_required(
        self, db: Connection, purchase: PurchaseView, to: Recipient, notice: Notice
    ) -> MailMessage:
        facts = messages.PaymentAction(
            to=to.address,
            organization=to.organization,
            item=purchase.description,
            amount=purchase.total_amount,
            currency=purchase.currency,
            action_url=purchase.action_url or "",
            expires_at=notice.deadline or purchase.placed_at,
        )
        return messages.payment_action_required(facts, message_id=message_id_of(notice), head=self.head)

    async def _expired(self, db: Connection, purchase: PurchaseView, to: Recipient, notice: Notice) -> MailMessage:
        facts = messages.ExpiredPurchase(
            to=to.address,
            organization=to.organization,
            item=purchase.description,
            amount=purchase.total_amount,
            currency=purchase.currency,
            expired_at=purchase.updated_at,
        )
        return messages.purchase_expired(facts, message_id=message_id_of(notice), head=self.head)


def message_id_of(notice: Notice) -> str:
    """The id of the letter: the same notice is the same letter, however often it is sent."""
    return f"purchase/{notice.purchase_id}/{notice.kind}"


async def _recipient_of(db: Connection, purchase: PurchaseView) -> Recipient:
    """Whoever bought, if that is a person who is still there; else the organization's contact."""
    row: Any = await db.fetch_one(RECIPIENTS, purchase.organization_id, purchase.purchased_by.removeprefix("user/"))
    return Recipient(row["organization"], row["address"])
