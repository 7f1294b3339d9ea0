"""A letter is sent while it is true: one that waited until its purchase had moved on is not."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from activities.mail.letters import Letterhead
from activities.mail.protocol import MailMessage
from activities.messages import Notice
from activities.notices import NoticeActivities
from models.database import Connection, transaction
from models.purchases import PurchaseView, close_unpaid, follow_payment
from rules.payments import PaymentStatus
from rules.purchases import PurchaseStatus
from tests.builders import an_order, an_organization, captured, is_paid

PLACED = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
LATER = PLACED + timedelta(minutes=5)
KINDS = ("receipt", "payment-failed", "action-required", "purchase-expired")
ACTION_URL = "https://pay.example/three-d-secure"


@dataclass
class Postbag:
    """A mailer that keeps what it is given."""

    letters: list[MailMessage] = field(default_factory=list)

    async def send(self, message: MailMessage) -> None:
        self.letters.append(message)


async def asks_to_act(purchase: PurchaseView) -> None:
    report = replace(captured(purchase), status=PaymentStatus.REQUIRES_ACTION, action_url=ACTION_URL)
    async with transaction() as db:
        await follow_payment(db, purchase.id, PurchaseStatus.REQUIRES_ACTION, report)


def ends(status: PurchaseStatus) -> Callable[[PurchaseView], Awaitable[None]]:
    async def end(purchase: PurchaseView) -> None:
        async with transaction() as db:
            await close_unpaid(db, purchase.id, status, code=None, reason="so it went", report=None)

    return end


async def completes(purchase: PurchaseView) -> None:
    await is_paid(purchase, at=LATER)


async def stays(purchase: PurchaseView) -> None: ...


# What became of a purchase, and the one letter that is true of it.
FATES = {
    "nothing yet": (stays, []),
    "an action to take": (asks_to_act, ["action-required"]),
    "paid": (completes, ["receipt"]),
    "failed": (ends(PurchaseStatus.FAILED), ["payment-failed"]),
    "expired": (ends(PurchaseStatus.EXPIRED), ["purchase-expired"]),
    "cancelled": (ends(PurchaseStatus.CANCELLED), []),
}


@pytest.mark.parametrize("fate", FATES)
async def test_only_the_letter_that_is_true_is_sent(db: Connection, fate: str) -> None:
    # given
    purchase = await an_order(await an_organization(), at=PLACED)
    happens, true_letters = FATES[fate]
    await happens(purchase)
    postbag = Postbag()
    head = Letterhead(product="Scrip", seller_name="S", seller_address="A", support_email="help@scrip.example")
    activities = NoticeActivities(postbag, head, lambda: LATER)

    # when every letter there is comes to be sent
    for kind in KINDS:
        await activities.send_notice(Notice(str(purchase.id), kind, LATER))

    # then
    sent = [letter.message_id for letter in postbag.letters]
    assert sent == [f"purchase/{purchase.id}/{kind}" for kind in true_letters]
