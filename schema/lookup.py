"""Things by their global ids: all of one kind at once, and only those the caller may see.

However many ids are asked for, each kind among them costs two statements: whose they are, and what they are.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias
from uuid import UUID

from models.database import Connection, connection
from models.invoices import invoices_by_id
from models.organizations import organizations_by_id
from models.ownership import OWNED, owners_of
from models.packages import packages_by_id
from models.payment_methods import payment_methods_by_id
from models.purchases import purchases_by_id
from models.wallets import entries_by_id, lots_by_id, wallets_by_id
from schema.access import Organization
from schema.context import Info
from schema.ids import read_any_id
from schema.invoices import Invoice
from schema.nodes import Node
from schema.packages import TokenPackage
from schema.payment_methods import PaymentMethod
from schema.purchases import Purchase
from schema.wallets import Lot, Wallet, WalletEntry

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
    """Those of the keys that the caller may see. Packages are everybody's, an organisation is its own."""
    if kind == "TokenPackage":
        return keys
    may_see = info.context.caller().may_see
    owners = await owners_of(db, kind, keys) if kind in OWNED else {key: key for key in keys}
    return [key for key, owner in owners.items() if may_see(owner)]


async def _packages(_: Info, db: Connection, keys: Sequence[UUID]) -> Mapping[UUID, Node]:
    return {key: TokenPackage.of(view) for key, view in (await packages_by_id(db, keys)).items()}


async def _organizations(_: Info, db: Connection, keys: Sequence[UUID]) -> Mapping[UUID, Node]:
    return {key: Organization.of(view) for key, view in (await organizations_by_id(db, keys)).items()}


async def _wallets(info: Info, db: Connection, keys: Sequence[UUID]) -> Mapping[UUID, Node]:
    views = await wallets_by_id(db, keys, at=info.context.now)
    return {key: Wallet.of(view) for key, view in views.items()}


async def _entries(_: Info, db: Connection, keys: Sequence[UUID]) -> Mapping[UUID, Node]:
    return {key: WalletEntry.of(view) for key, view in (await entries_by_id(db, keys)).items()}


async def _lots(_: Info, db: Connection, keys: Sequence[UUID]) -> Mapping[UUID, Node]:
    return {key: Lot.of(view) for key, view in (await lots_by_id(db, keys)).items()}


async def _purchases(_: Info, db: Connection, keys: Sequence[UUID]) -> Mapping[UUID, Node]:
    return {key: Purchase.of(view) for key, view in (await purchases_by_id(db, keys)).items()}


async def _invoices(_: Info, db: Connection, keys: Sequence[UUID]) -> Mapping[UUID, Node]:
    return {key: Invoice.of(view) for key, view in (await invoices_by_id(db, keys)).items()}


async def _payment_methods(_: Info, db: Connection, keys: Sequence[UUID]) -> Mapping[UUID, Node]:
    return {key: PaymentMethod.of(view) for key, view in (await payment_methods_by_id(db, keys)).items()}


FINDERS: Mapping[str, Find] = {
    "TokenPackage": _packages,
    "Organization": _organizations,
    "Wallet": _wallets,
    "WalletEntry": _entries,
    "Lot": _lots,
    "Purchase": _purchases,
    "Invoice": _invoices,
    "PaymentMethod": _payment_methods,
}
