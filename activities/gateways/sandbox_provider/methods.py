"""The catalogue of test methods: what a payment does is written down here, not spread over the code.

Each method is a script of four independent habits: where a payment begins, what it becomes by itself later, how the
first answer arrives, and how its events travel. The engine in `payments.py` plays the script.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from rules.payments import PaymentStatus

TOKEN = re.compile(r"(pm_[a-z_]{1,60})(?::[A-Za-z0-9._-]{1,100})?")


class FirstAnswer(StrEnum):
    """How the first request for a key is answered."""

    NORMAL = "NORMAL"
    WITHHELD = "WITHHELD"
    FAULT = "FAULT"


class EventHabit(StrEnum):
    """How the events of a payment travel."""

    ONCE = "ONCE"
    THRICE = "THRICE"
    REORDERED = "REORDERED"
    NEVER = "NEVER"


@dataclass(frozen=True, slots=True)
class ScriptedMethod:
    """One test method.

    becomes          the status a PROCESSING payment takes by itself after the late delay; None is never.
    decline_code     given with DECLINED, at once or late.
    capture_wins     a cancellation finds the payment captured.
    """

    token: str
    story: str
    begins: PaymentStatus = PaymentStatus.CAPTURED
    becomes: PaymentStatus | None = None
    decline_code: str | None = None
    first_answer: FirstAnswer = FirstAnswer.NORMAL
    events: EventHabit = EventHabit.ONCE
    capture_wins: bool = False
    brand: str = "visa"
    last4: str = "4242"
    expires_month: int = 12
    expires_year: int = 2034


@dataclass(frozen=True, slots=True)
class Card:
    """What may be shown of a method."""

    token: str
    brand: str
    last4: str
    expires_month: int
    expires_year: int


def _declined(token: str, code: str, last4: str, *, expires_year: int = 2034) -> ScriptedMethod:
    return ScriptedMethod(
        token,
        f"declined, {code}",
        begins=PaymentStatus.DECLINED,
        decline_code=code,
        last4=last4,
        expires_year=expires_year,
    )


_SCRIPTS = (
    ScriptedMethod("pm_success", "captured at once"),
    _declined("pm_declined_insufficient_funds", "insufficient_funds", "9995"),
    _declined("pm_declined_expired_card", "expired_card", "0069", expires_year=2020),
    _declined("pm_declined_lost_card", "lost_card", "9987"),
    _declined("pm_declined_do_not_honor", "do_not_honor", "0002"),
    _declined("pm_declined_fraud", "fraudulent", "0019"),
    ScriptedMethod(
        "pm_three_d_secure",
        "the buyer approves or refuses on a page",
        begins=PaymentStatus.REQUIRES_ACTION,
        brand="mastercard",
        last4="3155",
    ),
    ScriptedMethod(
        "pm_late",
        "processing, captured after a delay",
        begins=PaymentStatus.PROCESSING,
        becomes=PaymentStatus.CAPTURED,
        last4="1111",
    ),
    ScriptedMethod(
        "pm_late_decline",
        "processing, declined after a delay",
        begins=PaymentStatus.PROCESSING,
        becomes=PaymentStatus.DECLINED,
        decline_code="insufficient_funds",
        last4="1129",
    ),
    ScriptedMethod("pm_silent", "processing for ever, until cancelled", begins=PaymentStatus.PROCESSING, last4="1137"),
    ScriptedMethod(
        "pm_timeout_after_charge",
        "captured, but the first answer is withheld",
        first_answer=FirstAnswer.WITHHELD,
        last4="5126",
    ),
    ScriptedMethod(
        "pm_fault_before_charge",
        "the first attempt answers 503 and charges nothing",
        first_answer=FirstAnswer.FAULT,
        last4="5134",
    ),
    ScriptedMethod(
        "pm_duplicate_events", "captured; each event is sent three times", events=EventHabit.THRICE, last4="6011"
    ),
    ScriptedMethod(
        "pm_reordered_events", "captured; older events arrive late", events=EventHabit.REORDERED, last4="6029"
    ),
    ScriptedMethod(
        "pm_lost_events",
        "processing, captured after a delay; no event is ever sent",
        begins=PaymentStatus.PROCESSING,
        becomes=PaymentStatus.CAPTURED,
        events=EventHabit.NEVER,
        last4="6037",
    ),
    ScriptedMethod(
        "pm_uncancellable",
        "processing; a cancellation finds it captured",
        begins=PaymentStatus.PROCESSING,
        capture_wins=True,
        last4="7112",
    ),
)
METHODS = {script.token: script for script in _SCRIPTS}


def script_of(token: str) -> ScriptedMethod | None:
    """The script a token plays, its suffix aside; None when there is no such method."""
    match = TOKEN.fullmatch(token)
    return METHODS.get(match[1]) if match else None


def card_of(token: str) -> Card | None:
    """What may be shown of a method. Tokens with different suffixes show different cards, always the same ones."""
    script = script_of(token)
    if script is None:
        return None
    last4 = script.last4 if token == script.token else f"{int(sha256(token.encode()).hexdigest(), 16) % 10_000:04d}"
    return Card(token, script.brand, last4, script.expires_month, script.expires_year)
