"""The provider's memory: one SQLite file in WAL mode.

Every change and the events that tell of it are committed together before anything is answered, so a killed process
has forgotten nothing it acknowledged. `synchronous=NORMAL` survives the death of the process; only a power cut may
take the last moments. All calls are short and synchronous, made from one event loop: that is what makes them serial.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from rules.payments import PaymentStatus

SCHEMA = """
CREATE TABLE IF NOT EXISTS payments (
    id TEXT PRIMARY KEY, key TEXT NOT NULL UNIQUE, fingerprint TEXT NOT NULL, amount TEXT NOT NULL,
    currency TEXT NOT NULL, method TEXT NOT NULL, description TEXT NOT NULL, return_url TEXT NOT NULL,
    metadata TEXT NOT NULL, status TEXT NOT NULL, decline_code TEXT, settles_at INTEGER, created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS payments_to_settle ON payments (settles_at) WHERE settles_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS refunds (
    id TEXT PRIMARY KEY, key TEXT NOT NULL UNIQUE, payment_id TEXT NOT NULL REFERENCES payments (id),
    amount TEXT NOT NULL, created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS refunds_of_payment ON refunds (payment_id);
CREATE TABLE IF NOT EXISTS faults (key TEXT PRIMARY KEY) STRICT;
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL, body TEXT NOT NULL, due_at INTEGER,
    tries INTEGER NOT NULL DEFAULT 0, delivered_at INTEGER
) STRICT;
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (due_at) WHERE due_at IS NOT NULL;
"""


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment. Times are milliseconds since 1970, UTC. `fingerprint` is of the request that made it."""

    id: str
    key: str
    fingerprint: str
    amount: Decimal
    currency: str
    method: str
    description: str
    return_url: str
    metadata: Mapping[str, str]
    status: PaymentStatus
    decline_code: str | None
    settles_at: int | None
    created_at: int


@dataclass(frozen=True, slots=True)
class Refund:
    id: str
    key: str
    payment_id: str
    amount: Decimal
    created_at: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """One sending of one event; the same event may be sent several times. `tries` counts those that failed."""

    id: int
    event_id: str
    body: str
    tries: int


class Store:
    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("PRAGMA busy_timeout = 5000")
        self._connection.executescript(SCHEMA)

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing. The body must not await."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def payment(self, payment_id: str) -> Payment | None:
        return _payment(self._one("SELECT * FROM payments WHERE id = ?", payment_id))

    def payment_by_key(self, key: str) -> Payment | None:
        return _payment(self._one("SELECT * FROM payments WHERE key = ?", key))

    def payments_to_settle(self, at: int) -> list[Payment]:
        rows = self._connection.execute("SELECT * FROM payments WHERE settles_at <= ? ORDER BY settles_at", (at,))
        return [payment for row in rows if (payment := _payment(row)) is not None]

    def next_settlement(self) -> int | None:
        row = self._one("SELECT min(settles_at) AS at FROM payments WHERE settles_at IS NOT NULL")
        return row["at"] if row else None

    def insert_payment(self, payment: Payment) -> None:
        self._connection.execute(
            "INSERT INTO payments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                payment.id,
                payment.key,
                payment.fingerprint,
                str(payment.amount),
                payment.currency,
                payment.method,
                payment.description,
                payment.return_url,
                json.dumps(dict(payment.metadata)),
                payment.status,
                payment.decline_code,
                payment.settles_at,
                payment.created_at,
            ),
        )

    def update_payment(self, payment: Payment) -> None:
        self._connection.execute(
            "UPDATE payments SET status = ?, decline_code = ?, settles_at = ? WHERE id = ?",
            (payment.status, payment.decline_code, payment.settles_at, payment.id),
        )

    def refund_by_key(self, key: str) -> Refund | None:
        row = self._one("SELECT * FROM refunds WHERE key = ?", key)
        return _refund(row) if row else None

    def refunds_of(self, payment_id: str) -> list[Refund]:
        rows = self._connection.execute(
            "SELECT * FROM refunds WHERE payment_id = ? ORDER BY created_at, id", (payment_id,)
        )
        return [_refund(row) for row in rows]

    def insert_refund(self, refund: Refund) -> None:
        self._connection.execute(
            "INSERT INTO refunds VALUES (?, ?, ?, ?, ?)",
            (refund.id, refund.key, refund.payment_id, str(refund.amount), refund.created_at),
        )

    def note_fault(self, key: str) -> bool:
        """True when this key has not met its fault yet; it has from now on."""
        return self._connection.execute("INSERT OR IGNORE INTO faults VALUES (?)", (key,)).rowcount == 1

    def insert_delivery(self, event_id: str, body: str, *, due_at: int) -> None:
        self._connection.execute(
            "INSERT INTO deliveries (event_id, body, due_at) VALUES (?, ?, ?)", (event_id, body, due_at)
        )

    def deliveries_due(self, at: int, *, limit: int) -> list[Delivery]:
        rows = self._connection.execute(
            "SELECT id, event_id, body, tries FROM deliveries WHERE due_at <= ? ORDER BY due_at, id LIMIT ?",
            (at, limit),
        )
        return [Delivery(**dict(row)) for row in rows]

    def next_delivery(self) -> int | None:
        row = self._one("SELECT min(due_at) AS at FROM deliveries WHERE due_at IS NOT NULL")
        return row["at"] if row else None

    def mark_delivered(self, delivery_id: int, *, at: int) -> None:
        self._connection.execute(
            "UPDATE deliveries SET due_at = NULL, delivered_at = ? WHERE id = ?", (at, delivery_id)
        )

    def postpone_delivery(self, delivery_id: int, *, until: int | None) -> None:
        """Count a failed try; None gives the delivery up."""
        self._connection.execute(
            "UPDATE deliveries SET due_at = ?, tries = tries + 1 WHERE id = ?", (until, delivery_id)
        )

    def _one(self, statement: str, *values: str) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._connection.execute(statement, values).fetchone()
        return row


def _payment(row: sqlite3.Row | None) -> Payment | None:
    if row is None:
        return None
    values = dict(row)
    values["amount"] = Decimal(values["amount"])
    values["metadata"] = json.loads(values["metadata"])
    values["status"] = PaymentStatus(values["status"])
    return Payment(**values)


def _refund(row: sqlite3.Row) -> Refund:
    values = dict(row)
    values["amount"] = Decimal(values["amount"])
    return Refund(**values)
