"""Books that grow: so many of everything that lists show."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from models.database import connection
from models.ownership import TABLES
from models.quotes import Wish
from models.spending import SpendOrder
from models.wallets import wallet_id_of
from rules.tiers import TIERS_MAX
from schema.ids import global_id
from tests.builders import (
    Member,
    Organization,
    a_member,
    a_notice,
    a_payment_method,
    a_program,
    an_order,
    an_organization,
    gives,
    holds,
    is_paid,
    sets_a_budget,
    spend,
)
from tests.offers import a_coupon, a_custom_package, a_quote, a_rate, tiered

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ALL_TABLES = {
    **TABLES,
    "TokenPackage": "token_packages",
    "VolumeSchedule": "volume_schedules",
    "TokenRate": "token_rates",
    "Coupon": "coupons",
    "Organization": "organizations",
    "Member": "users",
    "ApiKey": "api_keys",
}


async def ids_of(kind: str, count: int, *, first: UUID | None = None) -> list[str]:
    """Global ids of some things of a kind, whosever they are; the one in front can be chosen."""
    async with connection() as db:
        rows = await db.fetch(f"SELECT id FROM {ALL_TABLES[kind]} ORDER BY id = $2 DESC, id LIMIT $1", count, first)
    return [global_id(kind, row["id"]) for row in rows]


@dataclass(slots=True)
class Books:
    """Aurora's books and what is around them, as they have grown to `size` of everything."""

    aurora: Organization
    ada: Member
    size: int = 0
    packages: list[UUID] = field(default_factory=list)

    async def grow(self, size: int) -> None:
        """There are so many of everything that a list shows, more only of what is shown by pages."""
        at = NOW - 1000 * SECOND + size * SECOND
        for number in range(self.size, size):
            await self._people(at)
            await self._offers(number, at)
        await tiered(None, tiers=_tiers(min(size, TIERS_MAX)), at=at)
        await self._tokens(size, at)
        for lot in await ids_of("Lot", size):
            await a_notice(self.aurora, lot)
        self.size = size

    async def _people(self, at: datetime) -> None:
        """One customer more with a member, one person of the platform, one key, and a member who has a budget."""
        await a_member(await an_organization())
        await a_member(None)
        await a_program(self.aurora)
        member = await a_member(self.aurora)
        await sets_a_budget(self.aurora, f"user/{member.id}", "10", at=at)
        await a_payment_method(self.aurora)

    async def _offers(self, number: int, at: datetime) -> None:
        """One custom package with tiers more, a coupon for all so far, a rate and a quote."""
        package = await a_custom_package(token_price="0.25")
        await tiered(package.id, at=at)
        self.packages.append(package.id)
        await a_coupon(f"SPRING-{number}", package_ids=tuple(self.packages[:50]))
        await a_rate(operation(number), at=at)
        await a_quote(self.aurora, Wish(None, Decimal(5)), at=at)

    async def _tokens(self, size: int, at: datetime) -> None:
        """A hold of one token for each; the newest hold has that many lots, and the newest spend has that many."""
        for _ in range(self.size, size):
            await gives(self.aurora, "1", at=at)
            await holds(self.aurora, "1", seconds=7200, at=at)
        for _ in range(size):
            await is_paid(await an_order(self.aurora, "2", at=at), at=at)
        later = at + SECOND / 2
        await holds(self.aurora, str(2 * size), seconds=7200, at=later)
        for _ in range(size):
            await gives(self.aurora, "2", at=later)
        everything = SpendOrder(self.aurora.id, Decimal(2 * size), f"all of {size}", f"user/{self.ada.id}")
        await spend(everything, at=later)

    async def variables(self, document: str, kind: str) -> dict[str, Any]:
        """What a document of the tables asks with, of as many as there are."""
        given: dict[str, Any] = {}
        if "$n:" in document:
            given["n"] = self.size
        if "$ids:" in document:
            # Nobody else's wallet has anything in it.
            given["ids"] = await ids_of(kind, self.size, first=wallet_id_of(self.aurora.id))
        if "$items:" in document:
            given["items"] = [{"operation": operation(number), "units": "2"} for number in range(self.size)]
        return given


async def new_books() -> Books:
    aurora = await an_organization()
    return Books(aurora, await a_member(aurora))


def operation(number: int) -> str:
    return f"report.r{number}"


def _tiers(count: int) -> tuple[tuple[str | None, str], ...]:
    """So many tiers, each a little cheaper than the one before."""
    limits = [*(str(10 * place) for place in range(1, count)), None]
    return tuple((limit, f"0.{place:03d}") for place, limit in enumerate(limits))
