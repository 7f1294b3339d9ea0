"""What callers may still ask for, shared by all processes and asked of the database now and then.

Each process takes portions of an allowance out of one row per subject and window, and spends them in memory, so most
requests cost no round trip. A portion that a process does not use is lost with its window. See `rules.allowances`.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from models.database import connection
from rules.allowances import Allowance, charge, portion, window_start

# A lease that is thrown out is only lost; this bounds the memory of a process that many addresses call.
LEASES_MAX = 50_000

# Never gives more than what is left. Nothing is returned when nothing is.
LEASE = """
INSERT INTO rate_allowances AS known (subject, window_start, taken, granted)
VALUES ($1, $2, least($3::bigint, $4::bigint), least($3::bigint, $4::bigint))
ON CONFLICT ON CONSTRAINT rate_allowances_once DO UPDATE
SET taken = known.taken + least($3::bigint, $4::bigint - known.taken),
    granted = least($3::bigint, $4::bigint - known.taken)
WHERE known.taken < $4::bigint
RETURNING granted
"""

TIDY = """
DELETE FROM rate_allowances WHERE id IN (
    SELECT id FROM rate_allowances WHERE window_start < $1 LIMIT 10000 FOR UPDATE SKIP LOCKED)
"""


@dataclass(slots=True)
class _Lease:
    """What this process has of one subject's allowance in one window."""

    start: datetime
    left: int = 0
    leased: int = 0
    is_last: bool = False


class Allowances:
    """The allowances of one process. `leases_taken` counts its round trips."""

    def __init__(self) -> None:
        self._leases: OrderedDict[str, _Lease] = OrderedDict()
        self._leasing = asyncio.Lock()
        self._tidied: datetime | None = None
        self.leases_taken = 0

    async def take(self, units: int, allowances: Sequence[Allowance], *, at: datetime) -> Allowance | None:
        """The units are taken out of all the allowances, or out of none; then the one that has too little is returned.
        Raises what the database raises when a portion is needed and cannot be had."""
        while True:
            leased = [(each, self._lease(each, at), charge(units, each)) for each in allowances]
            short = next((each for each in leased if each[1].left < each[2]), None)
            if short is None:
                for _, lease, units_of_it in leased:
                    lease.left -= units_of_it
                return None
            allowance, lease, _ = short
            if lease.is_last:
                return allowance
            await self._lease_more(units, allowance, at)

    def is_used_up(self, allowance: Allowance, *, at: datetime) -> bool:
        """Whether this process knows that nothing at all is left of an allowance in this window."""
        lease = self._leases.get(allowance.subject)
        return lease is not None and lease.start == window_start(at, allowance.window) and _is_empty(lease)

    def forfeit(self, allowance: Allowance, *, at: datetime) -> None:
        """What this process still has of an allowance is gone; nothing is given back."""
        self._lease(allowance, at).left = 0

    def _lease(self, allowance: Allowance, at: datetime) -> _Lease:
        start = window_start(at, allowance.window)
        lease = self._leases.get(allowance.subject)
        if lease is None or lease.start != start:
            lease = self._leases[allowance.subject] = _Lease(start)
            if len(self._leases) > LEASES_MAX:
                self._leases.popitem(last=False)
        return lease

    async def _lease_more(self, units: int, allowance: Allowance, at: datetime) -> None:
        # One at a time: a hundred requests that find a lease empty together need one portion, not a hundred.
        async with self._leasing:
            lease = self._lease(allowance, at)
            needed = charge(units, allowance) - lease.left
            if needed <= 0 or lease.is_last:
                return
            wanted = portion(allowance, leased=lease.leased, needed=needed)
            async with connection() as db:
                row = await db.fetch_one(LEASE, allowance.subject, lease.start, wanted, allowance.units)
                if self._tidied != lease.start:
                    self._tidied = lease.start
                    await db.execute(TIDY, lease.start - allowance.window)
            granted = 0 if row is None else int(row["granted"])
            self.leases_taken += 1
            lease.left += granted
            lease.leased += granted
            lease.is_last = granted < wanted


def _is_empty(lease: _Lease) -> bool:
    return lease.is_last and lease.left == 0
