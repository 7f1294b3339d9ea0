"""Named places where a test may let a process die, so that recovery is proved at every step boundary.

Armed by SCRIP_FAILPOINTS, a comma-separated list of `<name>` entries, and SCRIP_FAILPOINT_FOLDER, where each point
leaves a file when it strikes: it strikes once, however often the step is repeated. Unarmed, a point costs one look-up
in an empty set. The doors refuse to start with armed points in production.
"""

import os
from pathlib import Path

KILLED = 137

ARMED: frozenset[str] = frozenset(filter(None, os.environ.get("SCRIP_FAILPOINTS", "").split(",")))
STRUCK = Path(os.environ.get("SCRIP_FAILPOINT_FOLDER", "."))

NAMES = (
    "api.before_start_purchase",
    "api.after_start_purchase",
    "api.before_store_event",
    "api.after_store_event",
    "purchase.before_place",
    "purchase.after_place",
    "payment.before_create",
    "payment.after_create",
    "payment.before_follow",
    "payment.after_follow",
    "purchase.before_complete",
    "purchase.inside_complete",
    "purchase.after_complete",
    "invoice.before_render",
    "invoice.after_render",
    "receipt.before_send",
    "receipt.after_send",
)


def failpoint(name: str) -> None:
    """The process dies here as by `kill -9`, once, when the point is armed."""
    if name not in ARMED:
        return
    try:
        (STRUCK / name).touch(exist_ok=False)
    except FileExistsError:
        return
    os._exit(KILLED)
