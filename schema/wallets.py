"""Wallets as the API shows them, with their history, their lots and their holds."""

from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Self
from uuid import UUID

import strawberry

from models.database import connection
from models.errors import WalletNotFound
from models.history import read_entries
from models.holds import read_holds
from models.invoices import read_invoices
from models.lots import read_lots
from models.past import read_balances
from models.payment_methods import list_payment_methods
from models.wallets import (
    WalletView,
    ensure_wallet,
    read_wallet,
    wallet_id_of,
)
from rules.permissions import Permission
from schema.balances import AsOf, WalletBalance, read_instant
from schema.context import Info
from schema.edge.costs import costs
from schema.edge.permissions import requires
from schema.entries import Lot, WalletEntry
from schema.enums import PurchaseStatus
from schema.exports import entries_csv_url
from schema.filters import (
    ActorName,
    DrawnLot,
    ExpiresBefore,
    HoldStatuses,
    Kinds,
    LotKinds,
    OccurredFrom,
    OccurredUntil,
    ReferenceId,
    ReferenceType,
    WithTokens,
    entry_filter,
    hold_filter,
    lot_filter,
)
from schema.holds import Hold
from schema.ids import global_id
from schema.invoices import Invoice
from schema.money import Money, money
from schema.nodes import Node
from schema.pages import (
    HOLDS,
    INVOICES,
    LOTS,
    After,
    Connection,
    First,
    moment_cursor,
    page_of,
    page_size,
    read_moment,
    read_sequence,
    sequence_cursor,
)
from schema.payment_methods import PaymentMethod
from schema.purchases import Purchase, purchases_of
from schema.scope import organization_of
from schema.tolls import HISTORY_UNITS


@strawberry.enum(description="Whether a wallet may be used.")
class WalletStatus(Enum):
    ACTIVE = strawberry.enum_value("active", description="Everything is allowed.")
    SUSPENDED = strawberry.enum_value(
        "suspended", description="Nothing is spent, held, captured or bought; what is held may be released."
    )


@strawberry.enum(description="How full a wallet is, by the operators' thresholds in tokens.")
class BalanceLevel(Enum):
    NORMAL = strawberry.enum_value("normal", description="Above both thresholds.")
    LOW = strawberry.enum_value("low", description="At or below the low threshold.")
    CRITICAL = strawberry.enum_value("critical", description="At or below the critical threshold, but not empty.")
    EMPTY = strawberry.enum_value("empty", description="Nothing is available.")


@strawberry.type(description="One organization's store of tokens.")
class Wallet(Node):
    organization_key: strawberry.Private[UUID]
    suspended: strawberry.Private[bool]
    # When it was read: what is asked below it is told of the same instant.
    at: strawberry.Private[datetime]
    currency_code: str = strawberry.field(description="The currency tokens are bought in, ISO 4217.")
    price_per_token: Decimal = strawberry.field(description="Before tax, in `currencyCode`, at most 6 places.")
    tax_rate: Decimal = strawberry.field(description="A share of one: 0.16 is 16 %.")
    payment_terms_days: int = strawberry.field(description="Days until an invoice is due.")
    validity_days: int | None = strawberry.field(
        description="Days of 24 hours until bought tokens expire, unless their package says otherwise; null for never."
    )
    available: Decimal = strawberry.field(
        description="Tokens that can be spent or held now; expired ones do not count."
    )
    held: Decimal = strawberry.field(description="Tokens reserved by holds.")
    total_purchased: Decimal = strawberry.field(description="All tokens ever bought.")
    total_granted: Decimal = strawberry.field(description="All tokens ever given, bonus tokens included.")
    total_spent: Decimal = strawberry.field(description="All tokens ever spent.")
    total_expired: Decimal = strawberry.field(description="All tokens ever lost to expiry.")
    total_refunded: Decimal = strawberry.field(description="All tokens ever taken back by refunds.")
    total_adjusted: Decimal = strawberry.field(description="The signed sum of all adjustments by hand.")
    entry_sequence: int = strawberry.field(description="The sequence of the last entry; 0 before the first.")
    suspended_at: datetime | None = strawberry.field(description="Since when it is suspended.")
    suspension_reason: str | None = strawberry.field(description="Why it is suspended.")
    created_at: datetime = strawberry.field(description="When it was made.")

    @classmethod
    def of(cls, view: WalletView, *, at: datetime) -> Self:
        return cls(
            key=view.id,
            organization_key=view.organization_id,
            suspended=not view.is_active,
            at=at,
            currency_code=view.currency,
            price_per_token=view.price_per_token,
            tax_rate=view.tax_rate,
            payment_terms_days=view.payment_terms_days,
            validity_days=view.validity_days,
            available=view.available,
            held=view.held,
            total_purchased=view.total_purchased,
            total_granted=view.total_granted,
            total_spent=view.total_consumed,
            total_expired=view.total_expired,
            total_refunded=view.total_refunded,
            total_adjusted=view.total_adjusted,
            entry_sequence=view.entry_sequence,
            suspended_at=view.suspended_at,
            suspension_reason=view.suspension_reason,
            created_at=view.created_at,
        )

    @strawberry.field(description="Whose wallet it is.")
    def organization_id(self) -> strawberry.ID:
        return global_id("Organization", self.organization_key)

    @strawberry.field(description="Whether it may be used.")
    def status(self) -> WalletStatus:
        return WalletStatus.SUSPENDED if self.suspended else WalletStatus.ACTIVE

    @strawberry.field(description="How full it is, by the operators' thresholds.")
    def balance_level(self, info: Info) -> BalanceLevel:
        options = info.context.product.options
        if self.available == 0:
            return BalanceLevel.EMPTY
        if self.available <= options.critical_balance:
            return BalanceLevel.CRITICAL
        return BalanceLevel.LOW if self.available <= options.low_balance else BalanceLevel.NORMAL

    @strawberry.field(description="What the available tokens would cost now, before tax.")
    def value(self) -> Money:
        return money(self.available * self.price_per_token, self.currency_code)

    @strawberry.field(
        description="What it held at an instant: the present numbers, or those that were answered at a past instant.",
        directives=costs(HISTORY_UNITS),
    )
    async def balance(self, info: Info, as_of: AsOf = None) -> WalletBalance:
        instant = self.at if as_of is None else read_instant(info, as_of)
        return WalletBalance.of(await info.context.loaders.page(read_balances, self.key, at=instant), instant)

    @strawberry.field(description="What happened, newest first. Filters add up; a cursor stays good when they change.")
    async def entries(
        self,
        info: Info,
        first: First = 20,
        after: After = None,
        kinds: Kinds = None,
        occurred_from: OccurredFrom = None,
        occurred_until: OccurredUntil = None,
        reference_type: ReferenceType = None,
        reference_id: ReferenceId = None,
        actor: ActorName = None,
        lot_id: DrawnLot = None,
    ) -> Connection[WalletEntry]:
        size, before = page_size(first), read_sequence(after)
        wanted = entry_filter(kinds, occurred_from, occurred_until, reference_type, reference_id, actor, lot_id)
        if wanted is None:
            return page_of([], size, continued=after is not None)
        page = info.context.loaders.page
        views = await page(read_entries, self.key, limit=size + 1, before=before, wanted=wanted)
        rows = [(sequence_cursor(view.sequence), WalletEntry.of(view)) for view in views]
        return page_of(rows, size, continued=after is not None)

    @strawberry.field(
        description="All entries, or those wanted, as CSV: an address to fetch with the same Authorization header."
    )
    def entries_csv_url(
        self,
        info: Info,
        kinds: Kinds = None,
        occurred_from: OccurredFrom = None,
        occurred_until: OccurredUntil = None,
        reference_type: ReferenceType = None,
        reference_id: ReferenceId = None,
        actor: ActorName = None,
        lot_id: DrawnLot = None,
    ) -> str:
        asked = (kinds, occurred_from, occurred_until, reference_type, reference_id, actor, lot_id)
        entry_filter(*asked)
        return entries_csv_url(info.context.product.options.public_url, self.organization_key, *asked)

    @strawberry.field(description="Its lots, newest first, the exhausted ones included.")
    async def lots(
        self,
        info: Info,
        first: First = 20,
        after: After = None,
        kinds: LotKinds = None,
        with_tokens: WithTokens = None,
        expires_before: ExpiresBefore = None,
    ) -> Connection[Lot]:
        size, before = page_size(first), read_moment(after, of=LOTS)
        wanted = lot_filter(kinds, with_tokens, expires_before)
        page = info.context.loaders.page
        views = await page(read_lots, self.key, limit=size + 1, before=before, at=self.at, wanted=wanted)
        rows = [(moment_cursor(view.created_at, view.id, of=LOTS), Lot.of(view)) for view in views]
        return page_of(rows, size, continued=after is not None)

    @strawberry.field(description="Its holds, newest first, the resolved ones included.")
    async def holds(
        self,
        info: Info,
        first: First = 20,
        after: After = None,
        statuses: HoldStatuses = None,
        reference_type: ReferenceType = None,
        reference_id: ReferenceId = None,
    ) -> Connection[Hold]:
        size, before = page_size(first), read_moment(after, of=HOLDS)
        wanted = hold_filter(statuses, reference_type, reference_id)
        page = info.context.loaders.page
        views = await page(read_holds, self.key, limit=size + 1, before=before, at=self.at, wanted=wanted)
        rows = [(moment_cursor(view.held_at, view.id, of=HOLDS), Hold.of(view)) for view in views]
        return page_of(rows, size, continued=after is not None)

    @strawberry.field(description="The organization's purchases, newest first.")
    async def purchases(
        self,
        info: Info,
        first: First = 20,
        after: After = None,
        statuses: Annotated[
            list[PurchaseStatus] | None,
            strawberry.argument(description="Only purchases in these states; null for all."),
        ] = None,
    ) -> Connection[Purchase]:
        return await purchases_of(info, self.organization_key, first, after, statuses)

    @strawberry.field(description="The organization's invoices, newest first.")
    async def invoices(self, info: Info, first: First = 20, after: After = None) -> Connection[Invoice]:
        size, before = page_size(first), read_moment(after, of=INVOICES)
        page = info.context.loaders.page
        views = await page(read_invoices, self.organization_key, limit=size + 1, before=before)
        rows = [(moment_cursor(view.issued_at, view.id, of=INVOICES), Invoice.of(view)) for view in views]
        return page_of(rows, size, continued=after is not None)

    @strawberry.field(description="The organization's payment methods, the default first.")
    async def payment_methods(self, info: Info) -> list[PaymentMethod]:
        views = await info.context.loaders.page(list_payment_methods, self.organization_key)
        return [PaymentMethod.of(view) for view in views]


async def wallet_of(info: Info, organization_id: UUID) -> Wallet | None:
    """The organization's wallet, made now when this is its first need; None when there is no such organization."""
    at = info.context.now
    async with connection() as db:
        view = await read_wallet(db, organization_id, at=at)
    if view is None:
        try:
            await ensure_wallet(organization_id, info.context.product.options.wallet_defaults)
        except WalletNotFound:
            return None
        async with connection() as db:
            view = await read_wallet(db, organization_id, at=at)
    if view is None:
        raise LookupError(f"no wallet {wallet_id_of(organization_id)} after it was made")
    return Wallet.of(view, at=at)


@strawberry.type
class WalletQueries:
    @strawberry.field(
        description="An organization's wallet; without an id the caller's own. Null when it is not the caller's.",
        directives=requires(Permission.TOKENS_VIEW),
    )
    async def wallet(
        self,
        info: Info,
        organization_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Whose wallet; null for the caller's own.")
        ] = None,
    ) -> Wallet | None:
        owner = organization_of(info, organization_id)
        return None if owner is None else await wallet_of(info, owner)
