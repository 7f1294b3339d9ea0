"""Rows that many objects of one answer need, fetched together.

What is asked for while a level of an answer is worked out is one statement. Nothing is kept: the next mutation of a
document, and the next event of a subscription, may have changed it.
"""

from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

from strawberry.dataloader import DataLoader

from models.database import Connection, connection
from models.holds import PartView, read_parts
from models.invoices import InvoiceLineView, InvoiceView, invoices_of_purchases, read_lines_of
from models.membership import MemberView, find_members
from models.past import EntryBehind, entries_behind
from models.volume import ScheduleView, schedules_of_packages
from models.wallets import DrawView, read_draws

BATCH_MAX = 500
ENTRIES_BEHIND_A_LOT = 5

Key = TypeVar("Key")
Value = TypeVar("Value")
Page = ParamSpec("Page")


class Loaders:
    """The loaders of one operation, each made when it is first asked."""

    def __init__(self) -> None:
        self._loaders: dict[Hashable, DataLoader[Any, Any]] = {}

    def _loader(
        self, load: Callable[[list[Key]], Awaitable[Sequence[Value]]], *name: Hashable
    ) -> DataLoader[Key, Value]:
        """The loader that has this name, or else the one of `load`."""
        known = name or (load,)
        if known not in self._loaders:
            self._loaders[known] = DataLoader(load, max_batch_size=BATCH_MAX, cache=False)
        return self._loaders[known]

    @property
    def draws(self) -> DataLoader[UUID, list[DrawView]]:
        """Draws by entry."""
        return self._loader(_load_draws)

    @property
    def invoices(self) -> DataLoader[UUID, InvoiceView | None]:
        """The invoice by purchase."""
        return self._loader(_load_invoices)

    @property
    def lines(self) -> DataLoader[UUID, tuple[InvoiceLineView, ...]]:
        """Lines by invoice."""
        return self._loader(_load_lines)

    @property
    def entries_behind(self) -> DataLoader[tuple[UUID, datetime], list[EntryBehind]]:
        """The newest entries behind a lot up to an instant, by both."""
        return self._loader(_load_entries_behind)

    @property
    def parts(self) -> DataLoader[UUID, list[PartView]]:
        """Parts by hold."""
        return self._loader(_load_parts)

    @property
    def schedules(self) -> DataLoader[UUID, ScheduleView | None]:
        """Volume tiers by package."""
        return self._loader(_load_schedules)

    @property
    def members(self) -> DataLoader[UUID, MemberView | None]:
        """People by their key, whosever members they are."""
        return self._loader(_load_members)

    async def page(
        self,
        read: Callable[Concatenate[Connection, Sequence[UUID], Page], Awaitable[Mapping[UUID, Value]]],
        owner: UUID,
        *args: Page.args,
        **how: Page.kwargs,
    ) -> Value:
        """What `read` finds for an owner, together with whatever it is asked in the same words about other owners."""

        async def load(owners: list[UUID]) -> Sequence[Value]:
            async with connection() as db:
                found = await read(db, owners, *args, **how)
            return [found[each] for each in owners]

        return await self._loader(load, read, args, *how.items()).load(owner)


async def _load_parts(hold_ids: Sequence[UUID]) -> Sequence[list[PartView]]:
    async with connection() as db:
        found = await read_parts(db, hold_ids)
    return [found[hold_id] for hold_id in hold_ids]


async def _load_draws(entry_ids: Sequence[UUID]) -> Sequence[list[DrawView]]:
    async with connection() as db:
        found = await read_draws(db, entry_ids)
    return [found[entry_id] for entry_id in entry_ids]


async def _load_invoices(purchase_ids: Sequence[UUID]) -> Sequence[InvoiceView | None]:
    async with connection() as db:
        found = await invoices_of_purchases(db, purchase_ids)
    return [found.get(purchase_id) for purchase_id in purchase_ids]


async def _load_lines(invoice_ids: Sequence[UUID]) -> Sequence[tuple[InvoiceLineView, ...]]:
    async with connection() as db:
        found = await read_lines_of(db, invoice_ids)
    return [found[invoice_id] for invoice_id in invoice_ids]


async def _load_entries_behind(asked: Sequence[tuple[UUID, datetime]]) -> Sequence[list[EntryBehind]]:
    """One statement for each instant that is asked about, of which an answer has one."""
    found: dict[tuple[UUID, datetime], list[EntryBehind]] = {}
    async with connection() as db:
        for at in dict.fromkeys(instant for _, instant in asked):
            lots = [lot_id for lot_id, instant in asked if instant == at]
            behind = await entries_behind(db, lots, at=at, limit=ENTRIES_BEHIND_A_LOT)
            found |= {(lot_id, at): entries for lot_id, entries in behind.items()}
    return [found[one] for one in asked]


async def _load_schedules(package_ids: Sequence[UUID]) -> Sequence[ScheduleView | None]:
    async with connection() as db:
        found = await schedules_of_packages(db, package_ids)
    return [found.get(package_id) for package_id in package_ids]


async def _load_members(user_ids: Sequence[UUID]) -> Sequence[MemberView | None]:
    async with connection() as db:
        found = await find_members(db, user_ids)
    return [found.get(user_id) for user_id in user_ids]
