"""The whole schema, composed of its domains. Printed into schema.graphql by `python -m schema.root`."""

import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import strawberry

from models.database import Connection, connection
from models.holds import read_hold
from models.invoices import invoice_by_id
from models.notices import read_notice
from models.organizations import read_organization
from models.ownership import OWNED, owner_of
from models.packages import read_package
from models.payment_methods import find_payment_method
from models.wallets import read_entry, read_lot
from rules.permissions import Permission
from schema.access import AccessMutations, AccessQueries, Organization
from schema.adjusting import AdjustingMutations
from schema.administration import AdministrationMutations
from schema.batches import BatchMutations
from schema.budgets import BudgetMutations, BudgetQueries
from schema.buying import BuyingMutations
from schema.context import Info
from schema.edge.masking import ErrorCode, public_error
from schema.edge.permissions import requires
from schema.edge.schema import EdgeSchema, build_schema, utc_now
from schema.entries import Lot, WalletEntry
from schema.explanations import ExplanationQueries
from schema.holds import Hold, HoldMutations
from schema.ids import read_any_id
from schema.invoices import Invoice, InvoiceQueries
from schema.jobs import JobMutations, JobQueries
from schema.nodes import Node
from schema.notices import Notice, NoticeMutations, NoticeQueries, NoticeSubscriptions
from schema.packages import PackageQueries, TokenPackage
from schema.payment_methods import PaymentMethod, PaymentMethodMutations
from schema.problems import EXCEPTION_HANDLERS, PROBLEMS, Problem
from schema.purchases import Purchase, PurchaseQueries, visible_purchase
from schema.scalars import SCALARS
from schema.spending import SpendingMutations
from schema.updates import Subscriptions
from schema.wallets import WalletQueries, wallet_of

NODES_MAX = 100
PRINTED = Path(__file__).with_name("schema.graphql")


async def find_node(info: Info, id: str) -> Node | None:
    """The thing with a global id, when the caller may see it."""
    found = read_any_id(id)
    if found is None:
        return None
    kind, key = found
    actor = info.context.caller()
    async with connection() as db:
        if kind == "TokenPackage":
            package = await read_package(db, key)
            return None if package is None else TokenPackage.of(package)
        if kind == "Organization" and actor.may_see(key):
            organization = await read_organization(db, key)
            return None if organization is None else Organization.of(organization)
        if kind == "Purchase":
            purchase = await visible_purchase(info, id)
            return None if purchase is None else Purchase.of(purchase)
        if kind in OWNED:
            return await find_owned(info, db, kind, key)
    return None


async def find_owned(info: Info, db: Connection, kind: str, key: UUID) -> Node | None:
    """A wallet, an entry, a lot, an invoice, a payment method or a notice of an organisation the caller may see."""
    owner = await owner_of(db, kind, key)
    if owner is None or not info.context.caller().may_see(owner):
        return None
    if kind == "Wallet":
        return await wallet_of(info, owner)
    if kind == "Invoice":
        invoice = await invoice_by_id(db, key)
        return None if invoice is None else Invoice.of(invoice)
    if kind == "WalletEntry":
        entry = await read_entry(db, key)
        return None if entry is None else WalletEntry.of(entry)
    if kind == "Lot":
        lot = await read_lot(db, key)
        return None if lot is None else Lot.of(lot)
    if kind == "Hold":
        hold = await read_hold(db, key, at=info.context.now)
        return None if hold is None else Hold.of(hold)
    if kind == "Notice":
        notice = await read_notice(db, key)
        return None if notice is None else Notice.of(notice)
    method = await find_payment_method(db, key)
    return None if method is None else PaymentMethod.of(method)


@strawberry.type(description="Everything that can be read.")
class Query(
    AccessQueries,
    WalletQueries,
    ExplanationQueries,
    PackageQueries,
    PurchaseQueries,
    InvoiceQueries,
    BudgetQueries,
    NoticeQueries,
    JobQueries,
):
    @strawberry.field(
        description="Anything by its global id. Null when there is none or it is not the caller's.",
        directives=requires(Permission.TOKENS_VIEW),
    )
    async def node(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The global id.")]
    ) -> Node | None:
        return await find_node(info, id)

    @strawberry.field(
        description="Up to 100 things by their global ids, in that order; null for each that is not found.",
        directives=requires(Permission.TOKENS_VIEW),
    )
    async def nodes(
        self, info: Info, ids: Annotated[list[strawberry.ID], strawberry.argument(description="The global ids.")]
    ) -> list[Node | None]:
        if len(ids) > NODES_MAX:
            raise public_error(f"ids takes at most {NODES_MAX}.", ErrorCode.BAD_USER_INPUT, field="ids")
        return [await find_node(info, one) for one in ids]


@strawberry.type(description="Everything that can be changed.")
class Mutation(
    AccessMutations,
    BuyingMutations,
    SpendingMutations,
    BatchMutations,
    HoldMutations,
    BudgetMutations,
    AdjustingMutations,
    AdministrationMutations,
    PaymentMethodMutations,
    NoticeMutations,
    JobMutations,
):
    pass


@strawberry.type(description="Everything that can be watched.")
class Subscription(Subscriptions, NoticeSubscriptions):
    pass


TYPES = (*(kind for kind, _ in PROBLEMS.values()), Problem, Node)


def build(*, introspection: bool = True, clock: Callable[[], datetime] = utc_now) -> EdgeSchema:
    """The product's schema; `clock` decides when a session has expired."""
    return build_schema(
        Query,
        Mutation,
        Subscription,
        types=TYPES,
        scalar_map=SCALARS,
        exception_handlers=EXCEPTION_HANDLERS,
        introspection=introspection,
        clock=clock,
    )


def printed() -> str:
    """The schema in SDL, as it is committed."""
    return build().as_str().rstrip() + "\n"


if __name__ == "__main__":
    PRINTED.write_text(printed(), encoding="utf-8")
    sys.stdout.write(f"{PRINTED.name} written\n")
