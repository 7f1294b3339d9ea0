"""One key per intention: the first answer is kept and given again, refusals included.

Whoever decides an intention holds the wallet's row lock, so two requests with one key meet there and the second one
finds the answer of the first. The unique constraint is the belt to that lock's braces.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson

from models.database import Connection
from models.errors import IdempotencyConflict, Refusal, refusal_as_answer, refusal_from_answer

RECALL = """
SELECT fingerprint, answer::text AS answer FROM idempotency_keys
WHERE organization_id = $1 AND operation = $2 AND key = $3
"""

RECALL_ALL = """
SELECT k.organization_id, k.operation, k.key, k.fingerprint, k.answer::text AS answer
FROM unnest($1::uuid[], $2::text[], $3::text[]) AS asked(organization_id, operation, key)
JOIN idempotency_keys k USING (organization_id, operation, key)
"""

REMEMBER = """
INSERT INTO idempotency_keys (organization_id, operation, key, fingerprint, answer)
SELECT $1, a.operation, a.key, a.fingerprint, a.answer::jsonb
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS a(operation, key, fingerprint, answer)
"""


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """What is remembered of a key: the hash of the input it was first used with, and the answer as JSON."""

    fingerprint: str
    answer: str


@dataclass(frozen=True, slots=True)
class Intention:
    """What a caller asks for once: the operation, the caller's key, and a hash of the input."""

    operation: str
    key: str
    fingerprint: str

    def told_again(self, first: FirstAnswer) -> Mapping[str, object]:
        """The remembered answer. Raises IdempotencyConflict when the input differs, and the first refusal again."""
        if first.fingerprint != self.fingerprint:
            raise IdempotencyConflict
        remembered: dict[str, object] = orjson.loads(first.answer)
        refusal = refusal_from_answer(remembered)
        if refusal is not None:
            raise refusal
        return remembered


async def recall(db: Connection, organization_id: UUID, intention: Intention) -> Mapping[str, object] | None:
    """The first answer to an intention, or None when it is new. Raises like `Intention.told_again`."""
    row = await db.fetch_one(RECALL, organization_id, intention.operation, intention.key)
    return None if row is None else intention.told_again(FirstAnswer(row["fingerprint"], row["answer"]))


async def recall_all(
    db: Connection, wanted: Sequence[tuple[UUID, Intention]]
) -> Mapping[tuple[UUID, str, str], FirstAnswer]:
    """The first answers to many organizations' intentions, by organization, operation and key; those that are new are
    left out."""
    rows = await db.fetch(
        RECALL_ALL,
        [organization_id for organization_id, _ in wanted],
        [intention.operation for _, intention in wanted],
        [intention.key for _, intention in wanted],
    )
    return {
        (row["organization_id"], row["operation"], row["key"]): FirstAnswer(row["fingerprint"], row["answer"])
        for row in rows
    }


async def remember(
    db: Connection, organization_id: UUID, intention: Intention, answer: Mapping[str, object] | Refusal
) -> None:
    """Keep the first answer, in the transaction that made it true."""
    await remember_all(db, organization_id, ((intention, answer_text(answer)),))


async def remember_all(db: Connection, organization_id: UUID, answers: Sequence[tuple[Intention, str]]) -> None:
    """Keep the first answers to many intentions, as `answer_text` wrote them, in one statement."""
    if not answers:
        return
    await db.execute(
        REMEMBER,
        organization_id,
        [intention.operation for intention, _ in answers],
        [intention.key for intention, _ in answers],
        [intention.fingerprint for intention, _ in answers],
        [text for _, text in answers],
    )


def answer_text(answer: Mapping[str, object] | Refusal) -> str:
    """An answer as the JSON that is remembered of it."""
    return orjson.dumps(refusal_as_answer(answer) if isinstance(answer, Refusal) else answer).decode()
