"""`python -m benchmarks.api`: the product's API with three more fields, which answer from memory.

Everything else is what `server.py` serves: the same edge, authentication, protocol and event loop. So a field of the
product and a constant one of the same shape differ in the work behind them and in nothing else.
"""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

import strawberry
import uvloop
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

from models.logs import configure_logging
from rules.permissions import Permission
from schema.authentication import Doorkeeper
from schema.context import Context, Product
from schema.edge.middleware import harden
from schema.edge.permissions import requires
from schema.edge.schema import EdgeSchema, build_schema
from schema.edge.view import GraphQLView
from schema.entries import WalletEntry
from schema.enums import EntryKind
from schema.ids import global_id
from schema.pages import Connection, First, page_of, sequence_cursor
from schema.problems import EXCEPTION_HANDLERS
from schema.root import TYPES, Mutation, Query, Subscription
from schema.routes import Routes
from schema.scalars import SCALARS
from schema.spending import SpendTokensInput, SpendTokensResult, SpendTokensSuccess
from server import serve
from settings import Settings, load_settings

MOMENT = datetime(2026, 8, 1, 12, 0, 0, 123456, tzinfo=UTC)
ROWS_MAX = 100


def constant_entry(number: int) -> WalletEntry:
    return WalletEntry(
        key=UUID(int=number),
        sequence=number,
        kind=EntryKind.SPEND,
        tokens=Decimal("-1.5000"),
        held_tokens=Decimal("0.0000"),
        available_before=Decimal("300000000.0000"),
        available_after=Decimal("299999998.5000"),
        held_after=Decimal("0.0000"),
        reference_type=None,
        reference_id=None,
        description="Report",
        actor="user/00000000-0000-0000-0000-000000000000",
        occurred_at=MOMENT,
        recorded_at=MOMENT,
    )


SPENT = SpendTokensSuccess(
    entry_id=global_id("WalletEntry", UUID(int=1)),
    sequence=1,
    tokens=Decimal("1.5000"),
    available=Decimal("299999998.5000"),
    held=Decimal("0.0000"),
    occurred_at=MOMENT,
    replayed=False,
)
ROWS = [(sequence_cursor(number), constant_entry(number)) for number in range(ROWS_MAX + 1, 0, -1)]


@strawberry.type(description="A wallet whose history is always the same.")
class ConstantWallet:
    @strawberry.field(description="The same entries every time.")  # type: ignore[untyped-decorator]
    async def entries(self, first: First = 20) -> Connection[WalletEntry]:
        return page_of(ROWS[: first + 1], first, continued=False)


@strawberry.type
class MeasuredQuery(Query):
    @strawberry.field(  # type: ignore[untyped-decorator]
        description="A wallet from memory.", directives=requires(Permission.TOKENS_VIEW)
    )
    async def constant_wallet(self) -> ConstantWallet:
        return ConstantWallet()


@strawberry.type
class MeasuredMutation(Mutation):
    @strawberry.mutation(  # type: ignore[untyped-decorator]
        description="Takes what spending takes, and does nothing.", directives=requires(Permission.TOKENS_SPEND)
    )
    async def spend_nothing(
        self, input: Annotated[SpendTokensInput, strawberry.argument(description="As for spending.")]
    ) -> SpendTokensResult:
        return SPENT


def measured_schema(settings: Settings, product: Product) -> EdgeSchema:
    return build_schema(
        MeasuredQuery,
        MeasuredMutation,
        Subscription,
        types=TYPES,
        scalar_map=SCALARS,
        exception_handlers=EXCEPTION_HANDLERS,
        introspection=settings.introspection_enabled,
        clock=product.clock,
        toll=product.tolls.charge,
    )


def application(settings: Settings, product: Product) -> tuple[ASGIApp, Routes]:
    """As `server.application`, with the measured schema and without pages."""
    doorkeeper = Doorkeeper(product)
    routes = Routes(product, doorkeeper)
    view = GraphQLView[Context](
        measured_schema(settings, product),
        context_factory=doorkeeper.context_of,
        authenticate_connection=doorkeeper.connect,
    )
    return harden(Starlette(routes=[Route("/graphql", view), *routes.all()])), routes


def main() -> None:
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_file)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings, application))


if __name__ == "__main__":
    main()
