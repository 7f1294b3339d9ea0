"""One key per intention: the first answer is kept and given again, refusals included.

Whoever decides an intention holds the wallet's row lock, so two requests with one key meet there and the second one
finds the answer of the first. The unique constraint is the belt to that lock's braces.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import orjson

from models.database import Connection
from models.errors import IdempotencyConflict, Refusal, refusal_as_answer, refusal_from_answer

RECALL = """
SELECT fingerprint, answer::text AS answer FROM idempotency_keys
WHERE organization_id = $1 AND operation = $2 AND key = $3
"""

REMEMBER = """
INSERT INTO idempotency_keys (organization_id, operation, key, fingerprint, answer) VALUES ($1, $2, $3, $4, $5::jsonb)
"""


@dataclass(frozen=True, slots=True)
class Intention:
    """What a caller asks for once: the operation, the caller's key, and a hash of the input."""

    operation: str
    key: str
    fingerprint: str

    def first_answer(self, fingerprint: str, answer: str) -> Mapping[str, object]:
        """The remembered answer. Raises IdempotencyConflict when the input differs, and the first refusal again."""
        if fingerprint != self.fingerprint:
            raise IdempotencyConflict
        remembered: dict[str, object] = orjson.loads(answer)
        refusal = refusal_from_answer(remembered)
        if refusal is not None:
            raise refusal
        return remembered


async def recall(db: Connection, organization_id: UUID, intention: Intention) -> Mapping[str, object] | None:
    """The first answer to an intention, or None when it is new. Raises like `Intention.first_answer`."""
    row = await db.fetch_one(RECALL, organization_id, intention.operation, intention.key)
    return None if row is None else intention.first_answer(row["fingerprint"], row["answer"])


async def remember(
    db: Connection, organization_id: UUID, intention: Intention, answer: Mapping[str, object] | Refusal
) -> None:
    """Keep the first answer, in the transaction that made it true."""
    plain = refusal_as_answer(answer) if isinstance(answer, Refusal) else answer
    text = orjson.dumps(plain).decode()
    await db.execute(REMEMBER, organization_id, intention.operation, intention.key, intention.fingerprint, text)
