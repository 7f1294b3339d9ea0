"""How long a step may take and how often it is tried, each with its reason.

BOOKS       our own database: tried until it succeeds, for once the money has moved nothing may be lost.
CHARGE      a buyer is waiting, and every try carries the same key; after half an hour the payment is looked up instead.
GATEWAY     asking a gateway for the truth: patient, until it answers.
PAPER       rendering the invoice: tried until it succeeds; the invoice itself is already issued.
JOBS        a page of a scheduled job: work that has died is noticed within half a minute. After half an hour of failing
            the run ends, so that people see it, and the next run tries again.
LETTERS     people like to be told, but no story waits for the post for ever: a day, then the letter is given up.
"""

from datetime import timedelta
from typing import TypedDict

from temporalio.common import RetryPolicy

BOOKS_QUEUE = "scrip"
GATEWAY_QUEUE = "scrip-gateway"

# How long a worker may take for a story's next step, which it does in milliseconds. A step that was given to a worker
# just as it ended comes to another after this: sooner than a buyer, who is answered after five seconds, notices.
STEP = timedelta(seconds=3)
# A story goes on where it is remembered. When that worker has died, this is how long its next step waits for it before
# any other takes it up. Stories are short, so reading one again costs little.
STICKY = timedelta(seconds=2)


class StepOptions(TypedDict, total=False):
    task_queue: str
    start_to_close_timeout: timedelta
    schedule_to_close_timeout: timedelta
    heartbeat_timeout: timedelta
    retry_policy: RetryPolicy


class LocalOptions(TypedDict):
    start_to_close_timeout: timedelta
    retry_policy: RetryPolicy


PATIENT = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=30))

# On the path a buyer waits for: no hop over the server. Keyed, because a lost task runs it again.
AT_ONCE: LocalOptions = {"start_to_close_timeout": timedelta(seconds=10), "retry_policy": PATIENT}

BOOKS: StepOptions = {"start_to_close_timeout": timedelta(seconds=10), "retry_policy": PATIENT}

CHARGE: StepOptions = {
    "task_queue": GATEWAY_QUEUE,
    # Short, because this is how long a buyer waits when a worker dies in the middle of a charge.
    "start_to_close_timeout": timedelta(seconds=10),
    "schedule_to_close_timeout": timedelta(minutes=30),
    "retry_policy": RetryPolicy(initial_interval=timedelta(milliseconds=500), maximum_interval=timedelta(seconds=20)),
}

GATEWAY: StepOptions = {
    "task_queue": GATEWAY_QUEUE,
    "start_to_close_timeout": timedelta(seconds=10),
    "retry_policy": RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=5)),
}

PAPER: StepOptions = {"start_to_close_timeout": timedelta(seconds=10), "retry_policy": PATIENT}

JOBS: StepOptions = {
    "start_to_close_timeout": timedelta(minutes=15),
    "heartbeat_timeout": timedelta(seconds=30),
    "schedule_to_close_timeout": timedelta(minutes=30),
    "retry_policy": PATIENT,
}

LETTERS: StepOptions = {
    "start_to_close_timeout": timedelta(seconds=40),
    "schedule_to_close_timeout": timedelta(days=1),
    "retry_policy": RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=30)),
}


def letters(*, attempts: int, first_pause: timedelta) -> StepOptions:
    """LETTERS with the operator's number of attempts and first pause between them."""
    retry = RetryPolicy(initial_interval=first_pause, maximum_interval=timedelta(minutes=30), maximum_attempts=attempts)
    return {**LETTERS, "retry_policy": retry}
