"""What is answered over plain HTTP: gateways' webhooks, invoices as PDF, exports, and the health of the process."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from structlog import get_logger

from activities.gateways.protocol import GatewayEvent, InvalidEvent
from models.database import connection
from models.failpoints import failpoint
from models.gateway_events import StoredEvent, store_event
from models.invoices import read_document
from rules.permissions import Permission
from schema.authentication import Doorkeeper, too_much
from schema.context import Product
from schema.edge.view import RequestRefused
from schema.exports import PATH as ENTRIES_CSV
from schema.exports import Exports
from schema.invoices import visible_invoice
from schema.tolls import INVOICE_UNITS

VERSION = "0.1.0"
FRESH_SECONDS = 2.0
# A document is as much to send as a page of a list.
READY = (
    "SELECT current_setting('synchronous_commit') AS durable, to_regclass('token_purchases') IS NOT NULL AS migrated"
)

log = get_logger(__name__)


@dataclass(slots=True)
class Routes:
    """The plain routes of one process."""

    product: Product
    doorkeeper: Doorkeeper
    started: float = field(default_factory=time.monotonic)
    is_draining: bool = False
    _readiness: tuple[float, dict[str, bool]] | None = None

    def all(self) -> list[Route]:
        return [
            Route("/webhooks/{gateway}", self.webhook, methods=["POST"]),
            Route("/invoices/{number}.pdf", self.invoice_pdf, methods=["GET"]),
            Route(ENTRIES_CSV, Exports(self.doorkeeper).entries_csv, methods=["GET"]),
            Route("/livez", self.livez, methods=["GET"]),
            Route("/readyz", self.readyz, methods=["GET"]),
            Route("/api/health", self.health, methods=["GET"]),
        ]

    async def webhook(self, request: Request) -> Response:
        """A verified event is stored once and answered with 200, whatever it is about; others are refused with 400."""
        name = request.path_params["gateway"]
        if name not in list(self.product.gateways):
            return _problem(404, "There is no such gateway.")
        body = await request.body()
        try:
            event = self.product.gateways[name].parse_event(headers=request.headers, body=body, now=_now())
        except InvalidEvent:
            log.warning("webhook.refused", gateway=name)
            return _problem(400, "The event is not signed by the gateway, or too old.")
        failpoint("api.before_store_event")
        is_new = await store_event(_stored(name, event))
        failpoint("api.after_store_event")
        log.info("webhook.stored", gateway=name, kind=event.kind, is_new=is_new)
        return JSONResponse({"received": True})

    async def invoice_pdf(self, request: Request) -> Response:
        """The PDF of an invoice for whoever may see it; not yours is not found."""
        try:
            context = await self.doorkeeper.context_of(request)
            if (unpaid := await self.product.tolls.charge(context, INVOICE_UNITS)) is not None:
                raise too_much(unpaid)
        except RequestRefused as refused:
            return _problem(refused.status, refused.message, refused.headers)
        if context.actor is None:
            return _problem(401, "Sign in first.")
        number = request.path_params["number"]
        may_view = Permission.TOKENS_VIEW in context.actor.permissions
        invoice = await visible_invoice(context.actor.may_see, number) if may_view else None
        if invoice is None:
            return _problem(404, "There is no such invoice.")
        async with connection() as db:
            content = await read_document(db, invoice.id)
        if content is None:
            return _problem(404, "The invoice is being made; try again in a moment.", {"retry-after": "1"})
        name = f'inline; filename="{invoice.number}.pdf"'
        return Response(content, media_type="application/pdf", headers={"content-disposition": name})

    async def livez(self, _: Request) -> Response:
        """The event loop answers; nothing else is asked."""
        return PlainTextResponse("ok")

    async def readyz(self, _: Request) -> Response:
        """Whether requests should come here: database durable and migrated, Temporal reachable, not draining."""
        checks = await self._checks()
        ready = all(checks.values())
        return JSONResponse({"ready": ready, "checks": checks}, status_code=200 if ready else 503)

    async def health(self, _: Request) -> Response:
        """The health that the original's operators know, answered truthfully."""
        checks = await self._checks()
        healthy = all(checks.values())
        services = {name: "up" if works else "down" for name, works in checks.items()}
        return JSONResponse(
            {
                "status": "healthy" if healthy else "degraded",
                "timestamp": _now().isoformat(),
                "uptime": round(time.monotonic() - self.started, 1),
                "version": VERSION,
                "services": services,
            },
            status_code=200 if healthy else 503,
        )

    async def _checks(self) -> dict[str, bool]:
        now = time.monotonic()
        if self._readiness is None or now - self._readiness[0] > FRESH_SECONDS:
            checks = {"database": await _works(self._ask_database), "temporal": await _works(self._ask_temporal)}
            self._readiness = (now, checks)
        return {**self._readiness[1], "accepting": not self.is_draining}

    async def _ask_database(self) -> bool:
        async with connection() as db:
            row = await db.fetch_one(READY)
        return row is not None and row["durable"] == "on" and bool(row["migrated"])

    async def _ask_temporal(self) -> bool:
        return await self.product.temporal.service_client.check_health(timeout=timedelta(seconds=1))


async def _works(ask: Callable[[], Awaitable[bool]]) -> bool:
    """Whether a dependency answers well. Whatever it raises means that it does not."""
    try:
        return await ask()
    except Exception as error:
        log.warning("readiness.failed", error_type=type(error).__name__)
        return False


def _stored(gateway: str, event: GatewayEvent) -> StoredEvent:
    return StoredEvent(
        gateway=gateway,
        event_id=event.event_id,
        kind=event.kind,
        payment_id=event.payment_id,
        purchase_key=event.key,
        claimed_status=None if event.status is None else event.status.value,
        occurred_at=event.occurred_at,
    )


def _problem(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": {"message": message}}, status_code=status, headers=headers)


def _now() -> datetime:
    return datetime.now(UTC)
