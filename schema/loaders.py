"""Rows that many objects of one answer need, fetched together; new for every operation, so nothing is ever stale."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from strawberry.dataloader import DataLoader

from models.database import connection
from models.holds import PartView, read_parts
from models.invoices import InvoiceLineView, InvoiceView, invoices_of_purchases, read_lines_of
from models.membership import MemberView, find_members, read_members_of
from models.past import EntryBehind, entries_behind
from models.volume import ScheduleView, schedules_of_packages
from models.wallets import DrawView, read_draws

BATCH_MAX = 500
ENTRIES_BEHIND_A_LOT = 5


@dataclass(frozen=True, slots=True)
class MembersAsked:
    """A page of an organisation's members: at most how many, those who came before which place, with removed ones."""

    organization_id: UUID
    page: tuple[int, tuple[datetime, UUID] | None, bool]


class Loaders:
    """The loaders of one operation, each made when it is first asked."""

    def __init__(self) -> None:
        self._draws: DataLoader[UUID, list[DrawView]] | None = None
        self._invoices: DataLoader[UUID, InvoiceView | None] | None = None
        self._lines: DataLoader[UUID, tuple[InvoiceLineView, ...]] | None = None
        self._entries_behind: DataLoader[tuple[UUID, datetime], list[EntryBehind]] | None = None
        self._parts: DataLoader[UUID, list[PartView]] | None = None
        self._schedules: DataLoader[UUID, ScheduleView | None] | None = None
        self._members: DataLoader[UUID, MemberView | None] | None = None
        self._member_pages: DataLoader[MembersAsked, list[MemberView]] | None = None

    @property
    def draws(self) -> DataLoader[UUID, list[DrawView]]:
        """Draws by entry."""
        self._draws = self._draws or DataLoader(_load_draws, max_batch_size=BATCH_MAX)
        return self._draws

    @property
    def invoices(self) -> DataLoader[UUID, InvoiceView | None]:
        """The invoice by purchase."""
        self._invoices = self._invoices or DataLoader(_load_invoices, max_batch_size=BATCH_MAX)
        return self._invoices

    @property
    def lines(self) -> DataLoader[UUID, tuple[InvoiceLineView, ...]]:
        """Lines by invoice."""
        self._lines = self._lines or DataLoader(_load_lines, max_batch_size=BATCH_MAX)
        return self._lines

    @property
    def entries_behind(self) -> DataLoader[tuple[UUID, datetime], list[EntryBehind]]:
        """The newest entries behind a lot up to an instant, by both."""
        self._entries_behind = self._entries_behind or DataLoader(_load_entries_behind, max_batch_size=BATCH_MAX)
        return self._entries_behind

    @property
    def parts(self) -> DataLoader[UUID, list[PartView]]:
        """Parts by hold."""
        self._parts = self._parts or DataLoader(_load_parts, max_batch_size=BATCH_MAX)
        return self._parts

    @property
    def schedules(self) -> DataLoader[UUID, ScheduleView | None]:
        """Volume tiers by package."""
        self._schedules = self._schedules or DataLoader(_load_schedules, max_batch_size=BATCH_MAX)
        return self._schedules

    @property
    def members(self) -> DataLoader[UUID, MemberView | None]:
        """People by their key, whosever members they are."""
        self._members = self._members or DataLoader(_load_members, max_batch_size=BATCH_MAX)
        return self._members

    @property
    def member_pages(self) -> DataLoader[MembersAsked, list[MemberView]]:
        """Pages of members by what is asked for; not kept, for the next mutation of a document may change them."""
        self._member_pages = self._member_pages or DataLoader(_load_member_pages, max_batch_size=BATCH_MAX, cache=False)
        return self._member_pages


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
        found = await invoices_of_purchases(db, list(purchase_ids))
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


async def _load_member_pages(asked: Sequence[MembersAsked]) -> Sequence[list[MemberView]]:
    """One statement for each page that is asked for, of however many organisations; a document asks for few."""
    found: dict[MembersAsked, list[MemberView]] = {}
    async with connection() as db:
        for page in dict.fromkeys(one.page for one in asked):
            limit, before, with_removed = page
            owners = list(dict.fromkeys(one.organization_id for one in asked if one.page == page))
            pages = await read_members_of(db, owners, limit=limit, before=before, with_removed=with_removed)
            found |= {MembersAsked(owner, page): members for owner, members in pages.items()}
    return [found[one] for one in asked]
