"""What callers may ask in a window of time, in cost units: of each caller, each organization and each address.

Every operation takes its units out of all three allowances that its caller shares in, whatever transport it came by;
operations that are refused take one. A credential that is not good takes some out of the address's, and an address
that has used up everything is turned away before anybody looks at its credential.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from graphql import GraphQLError

from models.actors import Actor
from models.allowances import Allowances
from rules.allowances import Allowance, network_of, seconds_left
from schema.edge.masking import ErrorCode, public_error

BAD_CREDENTIAL_UNITS = 10
# A list that comes whole, and numbers that are worked out from a wallet's whole history.
LIST_UNITS = 100
HISTORY_UNITS = 20
INVOICE_UNITS = 20
# For each 500 entries that the wallet has, whichever of them are wanted.
EXPORT_UNITS = 20


class Payer(Protocol):
    """Whoever sent an operation, and when."""

    @property
    def actor(self) -> Actor | None: ...

    @property
    def client_address(self) -> str | None: ...

    @property
    def now(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Rates:
    """Cost units in a window for one person or API key, one organization, one client address; 0 is without limit."""

    window: timedelta
    caller_units: int
    organization_units: int
    address_units: int


class Tolls:
    """The toll of one process."""

    def __init__(self, rates: Rates, allowances: Allowances) -> None:
        self.rates = rates
        self.allowances = allowances

    async def charge(self, payer: Payer, units: int) -> GraphQLError | None:
        """The units are paid for, or the refusal, and nothing is taken."""
        shared = [*self._of_actor(payer.actor), *self._of_address(payer.client_address)]
        return self._refusal(await self.allowances.take(units, shared, at=payer.now), payer.now)

    async def charge_bad_credential(self, address: str | None, *, at: datetime) -> GraphQLError | None:
        """As `charge`, for somebody whose credential is not good."""
        allowances = self._of_address(address)
        short = await self.allowances.take(BAD_CREDENTIAL_UNITS, allowances, at=at)
        if short is not None:
            # The few units that are left would let credentials be tried for nothing.
            self.allowances.forfeit(short, at=at)
        return self._refusal(short, at)

    def turned_away(self, address: str | None, *, at: datetime) -> GraphQLError | None:
        """The refusal of an address that is known to have nothing left. Asks nobody."""
        used_up = [each for each in self._of_address(address) if self.allowances.is_used_up(each, at=at)]
        return self._refusal(used_up[0] if used_up else None, at)

    def _of_actor(self, actor: Actor | None) -> list[Allowance]:
        if actor is None:
            return []
        shared = self._allowance(actor.name, self.rates.caller_units)
        if actor.organization_id is not None:
            shared += self._allowance(f"organization/{actor.organization_id}", self.rates.organization_units)
        return shared

    def _of_address(self, address: str | None) -> list[Allowance]:
        return [] if address is None else self._allowance(f"address/{network_of(address)}", self.rates.address_units)

    def _allowance(self, subject: str, units: int) -> list[Allowance]:
        return [Allowance(subject, units, self.rates.window)] if units else []

    def _refusal(self, used_up: Allowance | None, at: datetime) -> GraphQLError | None:
        if used_up is None:
            return None
        seconds = seconds_left(at, used_up.window)
        kind = used_up.subject.partition("/")[0]
        whose = kind if kind in ("organization", "address") else "caller"
        return public_error(
            f"This {whose} has asked for too much; try again in {seconds} seconds.",
            ErrorCode.RATE_LIMITED,
            limit=whose,
            retryAfter=seconds,
        )
