"""The API's door: settings in, a running product out. GraphQL, webhooks, invoices, health, GraphiQL.

`python server.py` serves until SIGTERM: then it is no longer ready, ends its subscriptions, finishes what it has begun
and leaves. It runs no workflow; those are the worker's.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType

import uvicorn
import uvloop
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.clock import utc_now
from activities.gateways.registry import Gateways, build_gateways
from models import failpoints
from models.allowances import Allowances
from models.database import open_database
from models.feed import Sequencer
from models.hub import Hub
from models.logs import configure_logging
from models.tills import Tills
from models.wallets import WalletDefaults
from schema.authentication import Doorkeeper
from schema.context import Context, Options, Product
from schema.credentials import IssuerTokens, OwnTokens, TokenOptions
from schema.edge.deadline import UVICORN_OPTIONS, DeadlineProtocol
from schema.edge.graphiql import PATH as GRAPHIQL_PATH
from schema.edge.graphiql import graphiql_route
from schema.edge.middleware import harden
from schema.edge.trusted import ManifestRefused, TrustedDocuments, read_manifest
from schema.edge.view import GraphQLView
from schema.root import build
from schema.routes import Routes
from schema.tolls import Rates, Tolls
from settings import Environment, Settings, load_settings

WEB = Path(__file__).parent / "web" / "dist"


def wallet_defaults(settings: Settings) -> WalletDefaults:
    return WalletDefaults(
        currency=settings.default_currency,
        price_per_token=settings.default_token_price,
        tax_rate=settings.token_invoice_tax_rate,
        payment_terms_days=settings.token_invoice_due_days,
        expiration_enabled=settings.token_expiration_enabled,
        expiration_days=settings.token_expiration_days,
    )


def options_from(settings: Settings) -> Options:
    return Options(
        token_system_enabled=settings.enable_token_system,
        background_jobs_enabled=settings.enable_background_jobs,
        low_balance=settings.token_low_balance_threshold,
        critical_balance=settings.token_critical_balance_threshold,
        wallet_defaults=wallet_defaults(settings),
        default_gateway=settings.default_gateway,
        temporal_ui_url=settings.temporal_ui_url,
        temporal_namespace=settings.temporal_namespace,
        public_url=settings.public_url,
        answer_timeout=settings.purchase_answer_timeout,
        action_window=settings.purchase_action_window,
        processing_window=settings.purchase_processing_window,
        poll_interval=settings.purchase_poll_interval,
        letter_attempts=settings.email_retry_attempts,
        letter_pause=timedelta(milliseconds=settings.email_retry_delay),
    )


def own_tokens(settings: Settings) -> OwnTokens:
    return OwnTokens(
        TokenOptions(
            access_secret=settings.jwt_secret.get_secret_value(),
            refresh_secret=settings.jwt_refresh_secret.get_secret_value(),
            access_lifetime=settings.jwt_expires_in,
            refresh_lifetime=settings.jwt_refresh_expires_in,
            issuer=settings.jwt_issuer,
            audience=settings.jwt_audience,
        )
    )


def issuer_tokens(settings: Settings) -> IssuerTokens | None:
    if settings.jwks_url is None:
        return None
    return IssuerTokens(settings.jwks_url, issuer=settings.jwt_issuer, audience=settings.jwt_audience)


def rates(settings: Settings) -> Rates:
    return Rates(
        window=timedelta(milliseconds=settings.rate_limit_window_ms),
        caller_units=settings.rate_limit_caller_units,
        organization_units=settings.rate_limit_tenant_units,
        address_units=settings.rate_limit_address_units,
    )


async def connect_temporal(settings: Settings, *, lazy: bool) -> Client:
    """A client of Temporal; a lazy one connects when it is first used, and cannot serve a worker."""
    key = settings.temporal_api_key
    return await Client.connect(
        settings.temporal_address,
        namespace=settings.temporal_namespace,
        api_key=None if key is None else key.get_secret_value(),
        tls=settings.temporal_tls,
        data_converter=pydantic_data_converter,
        lazy=lazy,
    )


@asynccontextmanager
async def running(settings: Settings, temporal: Client) -> AsyncIterator[Product]:
    """The parts of the product that live as long as the process; the database must be open."""
    dsn = settings.database_url.get_secret_value()
    gateways: Gateways = build_gateways(settings)
    hub, sequencer = Hub(dsn), Sequencer(dsn)
    sequencer.start()
    await hub.start()
    try:
        yield Product(
            options=options_from(settings),
            temporal=temporal,
            hub=hub,
            tills=Tills(),
            gateways=gateways,
            own_tokens=own_tokens(settings),
            issuer_tokens=issuer_tokens(settings),
            clock=utc_now,
            tolls=Tolls(rates(settings), Allowances()),
        )
    finally:
        await hub.stop()
        await sequencer.stop()
        await gateways.aclose()


def trusted_documents(settings: Settings) -> TrustedDocuments:
    """The documents of the manifest, if there is one. Raises ManifestRefused."""
    if settings.trusted_documents is None:
        return TrustedDocuments()
    texts = read_manifest(Path(settings.trusted_documents))
    return TrustedDocuments(texts, is_enforced=settings.trusted_documents_enforced)


def application(settings: Settings, product: Product) -> tuple[ASGIApp, Routes]:
    """The ASGI application around a running product. Raises ManifestRefused."""
    trusted = trusted_documents(settings)
    doorkeeper = Doorkeeper(product)
    routes = Routes(product, doorkeeper)
    view = GraphQLView[Context](
        build(
            introspection=settings.introspection_enabled,
            clock=product.clock,
            toll=product.tolls.charge,
            trusted=trusted,
        ),
        context_factory=doorkeeper.context_of,
        authenticate_connection=doorkeeper.connect,
        allowed_origins=[origin.strip() for origin in settings.allowed_origins.split(",") if origin.strip()],
        toll=product.tolls.charge,
    )
    served = [Route("/graphql", view), WebSocketRoute("/graphql", view), *routes.all()]
    # GraphiQL writes its own documents, beginning with the introspection.
    pages = [graphiql_route(WEB)] if settings.graphiql_enabled and not trusted.is_enforced else []
    return harden(Starlette(routes=[*served, *pages]), relaxed_paths=[GRAPHIQL_PATH]), routes


class Server(uvicorn.Server):
    """uvicorn, which on a signal first says that it is draining and ends the subscriptions it would wait for."""

    def __init__(self, config: uvicorn.Config, product: Product, routes: Routes) -> None:
        super().__init__(config)
        self._product = product
        self._routes = routes

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._routes.is_draining = True
        self._product.hub.finish()
        super().handle_exit(signal.SIGTERM if sig == signal.SIGINT else sig, frame)


def uvicorn_config(settings: Settings, app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=DeadlineProtocol,
        ws="websockets-sansio",
        log_config=None,
        access_log=False,
        lifespan="off",
        # Whose word is taken for the client's address and scheme; of everybody else the socket's peer is the client.
        forwarded_allow_ips=settings.trusted_proxies,
        **UVICORN_OPTIONS,
    )


async def serve(
    settings: Settings, assembled: Callable[[Settings, Product], tuple[ASGIApp, Routes]] = application
) -> None:
    """The API answers until it is told to stop; what it serves is `assembled` once its connections are open."""
    dsn = settings.database_url.get_secret_value()
    # Lazy, so that the API says "not ready" instead of not starting while Temporal is away.
    temporal = await connect_temporal(settings, lazy=True)
    async with (
        open_database(dsn, settings.database_pool_size, application_name="scrip-api"),
        running(settings, temporal) as product,
    ):
        app, routes = assembled(settings, product)
        await Server(uvicorn_config(settings, app), product, routes).serve()


def refuse_armed_failpoints(settings: Settings) -> None:
    if failpoints.ARMED and settings.environment is Environment.PRODUCTION:
        raise SystemExit("SCRIP_FAILPOINTS is set; failpoints are for tests and refused in production")


def explained(error: ValidationError) -> str:
    """What is wrong with the environment, one variable a line, without the values."""
    lines = [f"  {'.'.join(map(str, each['loc'])).upper() or 'settings'}: {each['msg']}" for each in error.errors()]
    return "The environment is not right:\n" + "\n".join(lines) + "\n"


def main() -> int:
    try:
        settings = load_settings()
    except ValidationError as error:
        sys.stderr.write(explained(error))
        return 2
    refuse_armed_failpoints(settings)
    configure_logging(settings.log_level, settings.log_file)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(settings))
    except ManifestRefused as refused:
        sys.stderr.write(f"{refused}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
