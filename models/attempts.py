"""Attempts to sign in: each is counted before its password is looked at, and forgotten when the password was right.

Whoever counts holds the address's row for the moment of counting only; the password is looked at afterwards. So of any
number of attempts at once no more than five are guesses, in all processes together. An address that nobody has is
counted like any other, under the hash of its lower-case form as the database itself makes it.
"""

from datetime import datetime, timedelta

from models import audit
from models.actors import SCRIP_ITSELF
from models.database import Connection, transaction
from models.errors import SignInLocked
from rules.lockout import Attempts, counted, lock_end

ADDRESS = "encode(sha256(convert_to(lower($1), 'UTF8')), 'hex')"

# Answers with what was known before, and holds the row until the transaction ends.
LOOK_UP = f"""
INSERT INTO sign_in_attempts AS known (address_hash, recent, updated_at) VALUES ({ADDRESS}, '{{}}', $2)
ON CONFLICT (address_hash) DO UPDATE SET updated_at = EXCLUDED.updated_at
RETURNING address_hash, recent, locks, locked_until
"""

WRITE = "UPDATE sign_in_attempts SET recent = $2, locks = $3, locked_until = $4 WHERE address_hash = $1"
FORGET = f"DELETE FROM sign_in_attempts WHERE address_hash = {ADDRESS}"

# A few at each attempt, so that addresses nobody tries any more do not stay.
TIDY = """
DELETE FROM sign_in_attempts WHERE address_hash IN (
    SELECT address_hash FROM sign_in_attempts WHERE updated_at < $1 ORDER BY updated_at LIMIT 10 FOR UPDATE SKIP LOCKED)
"""
# The longest lock and the time in which it is remembered, and a day more.
KEPT = timedelta(days=3)


async def count_attempt(email: str, *, at: datetime) -> None:
    """One more attempt is counted for an address. Raises SignInLocked, and counts nothing, while it is locked."""
    async with transaction() as db:
        row = await db.fetch_one(LOOK_UP, email, at)
        if row is None:
            raise LookupError("an attempt was neither made nor found")
        known = Attempts(tuple(row["recent"]), row["locks"], row["locked_until"])
        until = lock_end(known, at=at)
        if until is not None:
            raise SignInLocked(retry_at=until)
        after = counted(known, at=at)
        await db.execute(WRITE, row["address_hash"], list(after.recent), after.locks, after.locked_until)
        if after.locked_until != known.locked_until:
            await _audit(db, row["address_hash"], after)
        await db.execute(TIDY, at - KEPT)


async def forget_attempts(email: str) -> None:
    """The address is as if nobody had ever mistyped its password; a lock is over too."""
    async with transaction() as db:
        await db.execute(FORGET, email)


async def _audit(db: Connection, address_hash: str, after: Attempts) -> None:
    """On the platform's chain, whether or not somebody has the address: otherwise the time it takes would tell."""
    await audit.record(
        db,
        None,
        action="sign_in.locked",
        resource="address",
        resource_id=address_hash,
        actor=SCRIP_ITSELF,
        details={"locks": after.locks, "until": after.locked_until.isoformat() if after.locked_until else None},
    )
