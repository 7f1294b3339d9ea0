"""Invoice numbers: `TOK-2026-000001`, gapless within a series and a calendar year (UTC)."""

from datetime import datetime

INVOICE_PREFIX = "TOK"
CREDIT_NOTE_PREFIX = "TCN"
DIGITS = 6


def series_of(prefix: str, issued_at: datetime) -> str:
    """The series that an invoice issued at an instant belongs to: `TOK-2026`."""
    return f"{prefix}-{issued_at.year:04d}"


def number_in(series: str, ordinal: int) -> str:
    """The number of the `ordinal`-th (from 1) document of a series; more than six digits simply grow."""
    return f"{series}-{ordinal:0{DIGITS}d}"
