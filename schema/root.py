"""The whole schema, composed of its domains. Printed into schema.graphql by `python -m schema.root`."""

import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated

import strawberry

from rules.permissions import Permission
from schema.access import AccessMutations, AccessQueries
from schema.adjusting import AdjustingMutations
from schema.administration import AdministrationMutations
from schema.batches import BatchMutations
from schema.budgets import BudgetMutations, BudgetQueries
from schema.buying import BuyingMutations
from schema.catalogue import CatalogueMutations
from schema.context import Info
from schema.coupons import CouponMutations, CouponQueries
from schema.edge.costs import Toll, sized
from schema.edge.masking import ErrorCode, public_error
from schema.edge.permissions import requires
from schema.edge.schema import EdgeSchema, build_schema, utc_now
from schema.edge.trusted import TrustedDocuments
from schema.explanations import ExplanationQueries
from schema.holds import HoldMutations
from schema.invoices import InvoiceQueries
from schema.jobs import JobMutations, JobQueries
from schema.keys import KeyMutations, KeyQueries
from schema.lookup import find_nodes
from schema.members import MemberMutations, MemberQueries
from schema.nodes import Node
from schema.notices import NoticeMutations, NoticeQueries, NoticeSubscriptions
from schema.organizations import OrganizationMutations, OrganizationQueries
from schema.packages import PackageQueries
from schema.payment_methods import PaymentMethodMutations
from schema.problems import EXCEPTION_HANDLERS, PROBLEMS, Problem
from schema.purchases import PurchaseQueries
from schema.quotes import QuoteMutations, QuoteQueries
from schema.rates import RateMutations, RateQueries
from schema.scalars import SCALARS
from schema.spending import SpendingMutations
from schema.updates import Subscriptions
from schema.wallets import WalletQueries

NODES_MAX = 100
PRINTED = Path(__file__).with_name("schema.graphql")


@strawberry.type(description="Everything that can be read.")
class Query(
    AccessQueries,
    OrganizationQueries,
    MemberQueries,
    KeyQueries,
    WalletQueries,
    ExplanationQueries,
    PackageQueries,
    QuoteQueries,
    CouponQueries,
    RateQueries,
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
        (found,) = await find_nodes(info, [id])
        return found

    @strawberry.field(
        description="Up to 100 things by their global ids, in that order; null for each that is not found.",
        directives=[*requires(Permission.TOKENS_VIEW), *sized("ids")],
    )
    async def nodes(
        self, info: Info, ids: Annotated[list[strawberry.ID], strawberry.argument(description="The global ids.")]
    ) -> list[Node | None]:
        if len(ids) > NODES_MAX:
            raise public_error(f"ids takes at most {NODES_MAX}.", ErrorCode.BAD_USER_INPUT, field="ids")
        return await find_nodes(info, ids)


@strawberry.type(description="Everything that can be changed.")
class Mutation(
    AccessMutations,
    OrganizationMutations,
    MemberMutations,
    KeyMutations,
    CatalogueMutations,
    CouponMutations,
    RateMutations,
    QuoteMutations,
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


def build(
    *,
    introspection: bool = True,
    clock: Callable[[], datetime] = utc_now,
    toll: Toll | None = None,
    trusted: TrustedDocuments | None = None,
) -> EdgeSchema:
    """The product's schema.

    clock    decides when a session has expired, toll who has asked for too much, trusted which documents may be run.
    Raises   ManifestRefused when one of them cannot be.
    """
    return build_schema(
        Query,
        Mutation,
        Subscription,
        types=TYPES,
        scalar_map=SCALARS,
        exception_handlers=EXCEPTION_HANDLERS,
        introspection=introspection,
        clock=clock,
        toll=toll,
        trusted=trusted,
    )


def printed() -> str:
    """The schema in SDL, as it is committed."""
    return build().as_str().rstrip() + "\n"


if __name__ == "__main__":
    PRINTED.write_text(printed(), encoding="utf-8")
    sys.stdout.write(f"{PRINTED.name} written\n")
