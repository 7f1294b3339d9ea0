"""What workflows and activities say to each other: one frozen dataclass a message, plain values only.

Fields may be added with a default, never removed or given another meaning: running workflows hold old ones. Ids travel
instead of objects, so that no personal data lies in a history.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class PurchaseRequest:
    """A buyer's order on its way into the `Purchase` workflow.

    fingerprint         of the input; a second request with the same key must bring the same one.
    action_window       how long the buyer may take for an action such as 3-D Secure.
    processing_window   how long the gateway may take before it is asked to give the payment up.
    poll_interval       how often the gateway is asked even when it sends no event.
    letter_attempts     how often a letter is tried, `letter_pause` the first pause between tries.
    """

    purchase_id: str
    organization_id: str
    key: str
    actor: str
    fingerprint: str
    package_id: str | None = None
    tokens: Decimal | None = None
    payment_method_id: str | None = None
    expected_total: Decimal | None = None
    request_id: str | None = None
    action_window: timedelta = timedelta(minutes=30)
    processing_window: timedelta = timedelta(days=7)
    poll_interval: timedelta = timedelta(minutes=5)
    letter_attempts: int = 3
    letter_pause: timedelta = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Placed:
    """The order is in the books at a frozen price, or was refused: then `refused` is the code."""

    refused: str | None = None
    description: str = ""
    tokens: Decimal = Decimal(0)
    total: Decimal = Decimal(0)
    currency: str = ""
    gateway: str = ""


@dataclass(frozen=True, slots=True)
class PaymentStep:
    """A purchase and the gateway's id of its payment, which is empty until the gateway answered."""

    purchase_id: str
    payment_id: str = ""


@dataclass(frozen=True, slots=True)
class Reported:
    """What a gateway reported about a payment; as `rules.payments.PaymentReport`, in words that travel."""

    purchase_id: str
    payment_id: str
    status: str
    amount: Decimal
    currency: str
    decline_code: str | None = None
    action_url: str | None = None


@dataclass(frozen=True, slots=True)
class Closing:
    """How a purchase ends without money: `status` is failed, cancelled or expired."""

    purchase_id: str
    status: str
    reason: str
    code: str | None = None
    reported: Reported | None = None
    actor: str = "scrip"


@dataclass(frozen=True, slots=True)
class Completed:
    invoice_number: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A letter about a purchase; `kind` says which, `deadline` until when the reader may act."""

    purchase_id: str
    kind: str
    deadline: datetime | None = None


@dataclass(frozen=True, slots=True)
class JobStep:
    """One page of a scheduled job: which job, and behind which place it goes on; None for its beginning."""

    name: str
    after: str | None = None


@dataclass(frozen=True, slots=True)
class JobPage:
    """What came of one page.

    looked_at, changed   of whatever the job is about: wallets, rules.
    failed               how many could not be dealt with and wait for the next run; the log says why.
    findings             what a person has to see, a line each.
    after                where the next page begins; None when there is none.
    """

    looked_at: int = 0
    changed: int = 0
    failed: int = 0
    findings: tuple[str, ...] = ()
    after: str | None = None


@dataclass(frozen=True, slots=True)
class JobReport:
    """What came of a run, the sums of its pages; at most a hundred findings are kept."""

    looked_at: int = 0
    changed: int = 0
    failed: int = 0
    findings: tuple[str, ...] = ()

    def with_page(self, page: JobPage) -> "JobReport":
        return JobReport(
            self.looked_at + page.looked_at,
            self.changed + page.changed,
            self.failed + page.failed,
            (*self.findings, *page.findings)[:100],
        )


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A run of a job, or the rest of one: `so_far` is what came of the pages before `after`."""

    name: str
    after: str | None = None
    so_far: JobReport = JobReport()
    pages_per_history: int = 100
