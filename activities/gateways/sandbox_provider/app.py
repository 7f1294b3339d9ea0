"""The provider's doors: an HTTP API for Scrip, a page for buyers, and one address for whoever watches it."""

import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from time import time_ns
from urllib.parse import parse_qs

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from activities.gateways.sandbox_provider.courier import Alarm, Courier, run_when_due
from activities.gateways.sandbox_provider.events import iso_time
from activities.gateways.sandbox_provider.intake import (
    Refused,
    read_key,
    read_payment_request,
    read_status,
    unknown_method,
)
from activities.gateways.sandbox_provider.methods import METHODS, card_of
from activities.gateways.sandbox_provider.options import ProviderOptions
from activities.gateways.sandbox_provider.page import confirmation_page
from activities.gateways.sandbox_provider.payments import DisputeStage, Payments
from activities.gateways.sandbox_provider.store import Payment, Refund, Store
from rules.payments import PaymentStatus

BODY_BYTES_MAX = 65_536
Endpoint = Callable[[Request], Awaitable[Response]]


def now_milliseconds() -> int:
    return time_ns() // 1_000_000


class Provider:
    """The provider of one process: its memory, its engine, its two loops, its routes.

    public_url    where buyers reach the 3-D Secure page.
    """

    def __init__(self, options: ProviderOptions, *, public_url: str) -> None:
        self._options = options
        self._public_url = public_url
        self._store = Store(options.data)
        self._alarms = [Alarm(now_milliseconds), Alarm(now_milliseconds)]
        self._payments = Payments(
            self._store, now=now_milliseconds, late_milliseconds=options.late_milliseconds, ring=self._ring
        )

    def app(self) -> Starlette:
        one_payment = "/v1/payments/{payment_id}"
        return Starlette(
            routes=[
                Route("/livez", self._live, methods=["GET"]),
                Route("/3ds/{payment_id}", self._show_confirmation, methods=["GET"]),
                Route("/3ds/{payment_id}", self._confirm, methods=["POST"]),
                Route("/v1/payments", self._guarded(self._create), methods=["POST"]),
                Route("/v1/payments", self._guarded(self._find), methods=["GET"]),
                Route(one_payment, self._guarded(self._fetch), methods=["GET"]),
                Route(f"{one_payment}/cancel", self._guarded(self._cancel), methods=["POST"]),
                Route(f"{one_payment}/refunds", self._guarded(self._refund), methods=["POST"]),
                Route(f"{one_payment}/simulate", self._guarded(self._simulate), methods=["POST"]),
                Route("/v1/payment-methods", self._guarded(self._list_methods), methods=["GET"]),
                Route("/v1/payment-methods/{token}", self._guarded(self._describe_method), methods=["GET"]),
            ],
            exception_handlers={Refused: _answer_refusal},
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.callback(self._store.close)
            client = await stack.enter_async_context(httpx2.AsyncClient(trust_env=False))
            tasks = [asyncio.create_task(loop) for loop in self._loops(client)]
            yield
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    def _loops(self, client: httpx2.AsyncClient) -> list[Coroutine[None, None, None]]:
        settling, delivering = self._alarms
        loops: list[Coroutine[None, None, None]] = [run_when_due(settling, self._store.next_settlement, self._settle)]
        if self._options.webhook_url and self._options.webhook_secret:
            courier = Courier(
                self._store,
                client,
                url=self._options.webhook_url,
                secret=self._options.webhook_secret,
                now=now_milliseconds,
            )
            loops.append(run_when_due(delivering, self._store.next_delivery, courier.deliver_due))
        return loops

    async def _settle(self) -> None:
        self._payments.settle_due()

    def _ring(self) -> None:
        for alarm in self._alarms:
            alarm.ring()

    def _guarded(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint for those who hold the API key."""
        expected = f"Bearer {self._options.api_key}".encode()

        async def guarded(request: Request) -> Response:
            if not hmac.compare_digest(request.headers.get("authorization", "").encode(), expected):
                raise Refused(401, "unauthorized", "the API key is missing or wrong")
            return await endpoint(request)

        return guarded

    async def _live(self, _: Request) -> Response:
        return JSONResponse({"status": "live"})

    async def _create(self, request: Request) -> Response:
        key = read_key(request.headers.get("idempotency-key"))
        creation = self._payments.create(key, read_payment_request(await _read_object(request)))
        if creation.is_answer_withheld:
            # The charge is committed; the caller must find that out by asking again.
            request.state.hang_up()
        return self._payment_answer(creation.payment)

    async def _find(self, request: Request) -> Response:
        payments = self._payments.find(request.query_params.get("key", ""))
        return JSONResponse({"payments": [self._as_json(payment) for payment in payments]})

    async def _fetch(self, request: Request) -> Response:
        return self._payment_answer(self._payments.fetch(request.path_params["payment_id"]))

    async def _cancel(self, request: Request) -> Response:
        return self._payment_answer(self._payments.cancel(request.path_params["payment_id"]))

    async def _refund(self, request: Request) -> Response:
        key = read_key(request.headers.get("idempotency-key"))
        body = await _read_object(request)
        refund = self._payments.refund(request.path_params["payment_id"], key, body.get("amount"))
        return JSONResponse(_refund_json(refund, self._payments.fetch(refund.payment_id).currency))

    async def _simulate(self, request: Request) -> Response:
        """For tests and demonstrations: what banks do behind everybody's back."""
        payment_id = request.path_params["payment_id"]
        body = await _read_object(request)
        if "dispute" not in body:
            return self._payment_answer(self._payments.force(payment_id, read_status(body.get("status"))))
        try:
            stage = DisputeStage(str(body["dispute"]))
        except ValueError:
            raise Refused(400, "invalid_dispute", f"dispute must be one of {', '.join(DisputeStage)}") from None
        return self._payment_answer(self._payments.dispute(payment_id, stage))

    async def _list_methods(self, _: Request) -> Response:
        return JSONResponse({"methods": [{"token": one.token, "story": one.story} for one in METHODS.values()]})

    async def _describe_method(self, request: Request) -> Response:
        card = card_of(request.path_params["token"])
        if card is None:
            raise unknown_method()
        return JSONResponse(
            {
                "token": card.token,
                "kind": "card",
                "brand": card.brand,
                "last4": card.last4,
                "expires_month": card.expires_month,
                "expires_year": card.expires_year,
            }
        )

    async def _show_confirmation(self, request: Request) -> Response:
        return confirmation_page(self._payments.fetch(request.path_params["payment_id"]))

    async def _confirm(self, request: Request) -> Response:
        form = parse_qs((await _read_body(request)).decode(errors="replace"), max_num_fields=5)
        decision = form.get("decision", [""])[0]
        if decision not in {"approve", "refuse"}:
            raise Refused(400, "invalid_decision", "decision must be approve or refuse")
        payment = self._payments.act(request.path_params["payment_id"], is_approved=decision == "approve")
        return RedirectResponse(payment.return_url, status_code=303)

    def _payment_answer(self, payment: Payment) -> Response:
        return JSONResponse(self._as_json(payment))

    def _as_json(self, payment: Payment) -> dict[str, object]:
        needs_action = payment.status is PaymentStatus.REQUIRES_ACTION
        return {
            "id": payment.id,
            "key": payment.key,
            "status": payment.status,
            "amount": str(payment.amount),
            "currency": payment.currency,
            "refunded": str(self._payments.refunded(payment.id)),
            "method": payment.method,
            "description": payment.description,
            "metadata": dict(payment.metadata),
            "decline_code": payment.decline_code,
            "action_url": f"{self._public_url}/3ds/{payment.id}" if needs_action else None,
            "created_at": iso_time(payment.created_at),
        }


def _refund_json(refund: Refund, currency: str) -> dict[str, str]:
    return {
        "id": refund.id,
        "payment_id": refund.payment_id,
        "key": refund.key,
        "status": "REFUNDED",
        "amount": str(refund.amount),
        "currency": currency,
    }


async def _read_body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise Refused(413, "body_too_large", f"a body has at most {BODY_BYTES_MAX} bytes")
    return body


async def _read_object(request: Request) -> Mapping[str, object]:
    try:
        body = json.loads(await _read_body(request))
    except (ValueError, RecursionError):
        raise Refused(400, "invalid_json", "the body is not JSON") from None
    if not isinstance(body, dict):
        raise Refused(400, "invalid_json", "the body is not a JSON object")
    return body


async def _answer_refusal(_: Request, refused: Exception) -> Response:
    if not isinstance(refused, Refused):
        raise refused
    return JSONResponse({"error": {"code": refused.code, "message": str(refused)}}, status_code=refused.status)
