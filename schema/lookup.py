"""Things by their global ids: all of one kind at once, and only those the caller may see.

However many ids are asked for, each kind among them costs two statements at most: whose they are, and what they are.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias
from uuid import UUID

from models.budgets import budgets_by_id
from models.coupons import coupons_by_id
from models.database import Connection, connection
from models.held_quotes import quotes_by_id
from models.holds import holds_by_id
from models.invoices import invoices_by_id
from models.keys import keys_by_id
from models.lots import lots_by_id
from models.membership import find_members
from models.notices import notices_by_id
from models.organizations import organizations_by_id
from models.ownership import OWNED, owners_of
from models.packages import packages_by_id
from models.payment_methods import payment_methods_by_id
from models.purchases import purchases_by_id
from models.rates import rates_by_id
from models.volume import schedules_by_id
from models.wallets import entries_by_id, wallets_by_id
from rules.permissions import Permission
from schema.budgets import SpendBudget
from schema.context import Info
from schema.coupons import Coupon
from schema.entries import Lot, WalletEntry
from schema.holds import Hold
from schema.ids import read_any_id
from schema.invoices import Invoice
from schema.keys import ApiKey
from schema.nodes import Node
from schema.notices import Notice
from schema.organizations import Organization
from schema.packages import TokenPackage, VolumeSchedule
from schema.payment_methods import PaymentMethod
from schema.people import Member
from schema.purchases import Purchase
from schema.quotes import HeldPriceQuote
from schema.rates import TokenRate
from schema.wallets import Wallet

Find: TypeAlias = Callable[[Info, Connection, Sequence[UUID]], Awaitable[Mapping[UUID, Node]]]


async def find_nodes(info: Info, ids: Sequence[str]) -> list[Node | None]:
    """The things with these global ids, in their order; None for each that does not exist or is not the caller's."""
    wanted = [read_any_id(one) for one in ids]
    keys: dict[str, dict[UUID, None]] = {}
    for asked in wanted:
        if asked is not None and asked[0] in FINDERS:
            keys.setdefault(asked[0], {})[asked[1]] = None
    found: dict[tuple[str, UUID], Node] = {}
    async with connection() as db:
        for kind, some in keys.items():
            visible = await visible_keys(info, db, kind, list(some))
            if visible:
                things = await FINDERS[kind](info, db, visible)
                found |= {(kind, key): thing for key, thing in things.items()}
    return [None if asked is None else found.get(asked) for asked in wanted]


async def visible_keys(info: Info, db: Connection, kind: str, keys: Sequence[UUID]) -> Sequence[UUID]:
    """Those of the keys that the caller may see, as far as that is known before the things themselves are.

    What is on offer is everybody's but for coupons, which are seen by those who keep the catalogue; an organization is
    its own; members and API keys are shown to those who administer them, and looked at when they have been found.
    """
    actor = info.context.caller()
    if kind in ADMINISTERED:
        return keys if Permission.TOKENS_CONFIGURE in actor.permissions else []
    if kind == "Coupon":
        return keys if Permission.CATALOG_MANAGE in actor.permissions else []
    if kind in ON_OFFER:
        return keys
    owners = await owners_of(db, kind, keys) if kind in OWNED else {key: key for key in keys}
    return [key for key, owner in owners.items() if actor.may_see(owner)]


async def _packages(_: Info, db: Connection, keys: Sequence[UUID]) -> Mapping[UUID, Node]:
    return {key: TokenPackage.of(view) for key, view in (await packages_by_id(db, keys)).items()}


async def _organizations(_: Info, db: Connection, keys: Sequence[UUID]) -> Mapping[UUID, Node]:
    return {key: Organization.of(view) for key, view in (await organizations_by_id(db, keys)).items()}


async def _wallets(info: Info, db: Connection, keys: Sequence[UUID]) -> Mapping[UUID, Node]:
    at = info.context.now
    return {key: Wallet.of(view, at=at) for key, view in (await wallets_by_id(db, keys, at=at)).items()}


async def _entries(_: Info, db: Connection, keys: Sequence[UUID]) -> Mapping[UUID, Node]:
    return {key: WalletEntry.of(view) for key, view in (await entries_by_id(db, keys)).items()}


async def _lots(info: Info, db: Connection, keys: Sequence[UUID]) -> Mapping[UUID, Node]:
    return {key: Lot.of(view) for key, view in (await lots_by_id(db, keys, at=info.context.now)).items()}


async def _purchases(_: Info, db: Connection, keys: Sequence[UUID]) -> Mapping[UUID, Node]:
    return {key: Purchase.of(view) for key, view in (await purchases_by_id(db, keys)).items()}


async def _invoices(_: Info, db: Connection, keys: Sequence[UUID]) -> Mapping[UUID, Node]:
    return {key: Invoice.of(view) for key, view in (await invoices_by_id(db, keys)).items()}


async def _payment_methods(_: Info, db: Connection, keys: Sequence[UUID]) -> Mapping[UUID, Node]:
    return {key: PaymentMethod.of(view) for key, view in (await payment_methods_by_id(db, keys)).items()}


async def _holds(info: Info, db: Connection, keys: Sequence[UUID]) -> Mapping[UUID, Node]:
    return {key: Hold.of(view) for key, view in (await holds_by_id(db, keys, at=info.context.now)).items()}


async def _budgets(info: Info, db: Connection, keys: Sequence[UUID]) -> Mapping[UUID, Node]:
    return {key: SpendBudget.of(view) for key, view in (await budgets_by_id(db, keys, at=info.context.now)).items()}


async def _notices(_: Info, db: Connection, keys: Sequence[UUID]) -> Mapping[UUID, Node]:
    return {key: Notice.of(view) for key, view in (await notices_by_id(db, keys)).items()}


async def _quotes(_: Info, db: Connection, keys: Sequence[UUID]) -> Mapping[UUID, Node]:
    return {key: HeldPriceQuote.of(view) for key, view in (await quotes_by_id(db, keys)).items()}


async def _schedules(_: Info, db: Connection, keys: Sequence[UUID]) -> Mapping[UUID, Node]:
    return {key: VolumeSchedule.of(view) for key, view in (await schedules_by_id(db, keys)).items()}


async def _rates(_: Info, db: Connection, keys: Sequence[UUID]) -> Mapping[UUID, Node]:
    return {key: TokenRate.of(view) for key, view in (await rates_by_id(db, keys)).items()}


async def _coupons(_: Info, db: Connection, keys: Sequence[UUID]) -> Mapping[UUID, Node]:
    return {key: Coupon.of(view) for key, view in (await coupons_by_id(db, keys)).items()}


async def _members(info: Info, db: Connection, keys: Sequence[UUID]) -> Mapping[UUID, Node]:
    may_see = info.context.caller().may_see
    found = await find_members(db, keys)
    return {key: Member.of(view) for key, view in found.items() if may_see(view.organization_id)}


async def _keys(info: Info, db: Connection, keys: Sequence[UUID]) -> Mapping[UUID, Node]:
    may_see = info.context.caller().may_see
    found = await keys_by_id(db, keys)
    return {key: ApiKey.of(view) for key, view in found.items() if may_see(view.organization_id)}


ON_OFFER = frozenset({"TokenPackage", "VolumeSchedule", "TokenRate"})
ADMINISTERED = frozenset({"Member", "ApiKey"})
FINDERS: Mapping[str, Find] = {
    "TokenPackage": _packages,
    "Organization": _organizations,
    "Wallet": _wallets,
    "WalletEntry": _entries,
    "Lot": _lots,
    "Purchase": _purchases,
    "Invoice": _invoices,
    "PaymentMethod": _payment_methods,
    "Hold": _holds,
    "SpendBudget": _budgets,
    "Notice": _notices,
    "HeldPriceQuote": _quotes,
    "VolumeSchedule": _schedules,
    "TokenRate": _rates,
    "Coupon": _coupons,
    "Member": _members,
    "ApiKey": _keys,
}
