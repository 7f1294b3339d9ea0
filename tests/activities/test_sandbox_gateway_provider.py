"""The sandbox provider seen from outside Scrip: its page for buyers, its door, its words, its start."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio

import activities.gateways.sandbox_provider as package
from activities.gateways.sandbox_provider.courier import PAUSE_MAX_MILLISECONDS, TRIES_MAX, pause_after
from activities.gateways.sandbox_provider.events import signed_headers
from activities.gateways.sandbox_provider.methods import METHODS, card_of, script_of
from activities.gateways.sandbox_provider.options import WrongOption, read_options
from tests.activities.gateway_processes import API_KEY, ROOT, sandbox_provider
from tests.patience import PATIENCE_SECONDS

REQUEST = {
    "amount": "58.00",
    "currency": "USD",
    "method": "pm_three_d_secure",
    "description": "<script>alert('tokens & more')</script>",
    "return_url": "http://buyer.example:8080/back?purchase=1&step=2",
}


@pytest_asyncio.fixture(scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx2.AsyncClient]:
    with sandbox_provider(tmp_path_factory.mktemp("sandbox") / "payments.sqlite") as provider:
        headers = {"authorization": f"Bearer {API_KEY}"}
        async with httpx2.AsyncClient(
            base_url=provider.url, headers=headers, timeout=PATIENCE_SECONDS, trust_env=False
        ) as client:
            yield client


@pytest_asyncio.fixture(scope="module")
async def browser() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(timeout=PATIENCE_SECONDS, trust_env=False) as client:
        yield client


async def ask_for_confirmation(api: httpx2.AsyncClient, key: str) -> tuple[str, str]:
    """The payment's id and the address of its page."""
    payment = (await api.post("/v1/payments", json=REQUEST, headers={"idempotency-key": key})).json()
    return payment["id"], payment["action_url"]


async def status_of(api: httpx2.AsyncClient, payment_id: str) -> tuple[str, str | None]:
    payment = (await api.get(f"/v1/payments/{payment_id}")).json()
    return payment["status"], payment["decline_code"]


async def test_the_page_asks_with_two_buttons_and_runs_no_script(
    api: httpx2.AsyncClient, browser: httpx2.AsyncClient
) -> None:
    _, page_url = await ask_for_confirmation(api, "page-1")

    page = await browser.get(page_url)

    assert page.status_code == 200
    assert "58.00 USD" in page.text
    assert "&lt;script&gt;alert(&#x27;tokens &amp; more&#x27;)&lt;/script&gt;" in page.text
    assert "<script" not in page.text
    assert page.text.count('<button name="decision"') == 2
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "form-action 'self' http://buyer.example:8080;" in policy


@pytest.mark.parametrize(
    ("decision", "outcome"),
    [("approve", ("CAPTURED", None)), ("refuse", ("DECLINED", "authentication_failed"))],
)
async def test_the_buyers_first_click_decides_and_leads_back(
    api: httpx2.AsyncClient, browser: httpx2.AsyncClient, decision: str, outcome: tuple[str, str | None]
) -> None:
    payment_id, page_url = await ask_for_confirmation(api, f"click-{decision}")

    click = await browser.post(page_url, data={"decision": decision})
    other = await browser.post(page_url, data={"decision": "refuse" if decision == "approve" else "approve"})

    assert (click.status_code, click.headers["location"]) == (303, REQUEST["return_url"])
    assert (other.status_code, other.headers["location"]) == (303, REQUEST["return_url"])
    assert await status_of(api, payment_id) == outcome
    page = await browser.get(page_url)
    assert "<button" not in page.text
    assert 'href="http://buyer.example:8080/back?purchase=1&amp;step=2"' in page.text


@pytest.mark.parametrize("form", [{}, {"decision": "later"}, {"decision": ""}])
async def test_a_click_on_nothing_decides_nothing(
    api: httpx2.AsyncClient, browser: httpx2.AsyncClient, form: dict[str, str]
) -> None:
    payment_id, page_url = await ask_for_confirmation(api, "no-click")

    assert (await browser.post(page_url, data=form)).status_code == 400

    assert await status_of(api, payment_id) == ("REQUIRES_ACTION", None)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/payments"),
        ("GET", "/v1/payments?key=a"),
        ("GET", "/v1/payments/pay_1"),
        ("POST", "/v1/payments/pay_1/cancel"),
        ("POST", "/v1/payments/pay_1/refunds"),
        ("POST", "/v1/payments/pay_1/simulate"),
        ("GET", "/v1/payment-methods"),
        ("GET", "/v1/payment-methods/pm_success"),
    ],
)
@pytest.mark.parametrize("header", [{}, {"authorization": "Bearer wrong"}, {"authorization": API_KEY}])
async def test_the_api_answers_nobody_without_its_key(
    api: httpx2.AsyncClient, browser: httpx2.AsyncClient, method: str, path: str, header: dict[str, str]
) -> None:
    answer = await browser.request(method, f"{api.base_url}".rstrip("/") + path, headers=header)

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")


async def test_anybody_may_ask_whether_it_lives(api: httpx2.AsyncClient, browser: httpx2.AsyncClient) -> None:
    assert (await browser.get(f"{api.base_url}".rstrip("/") + "/livez")).json() == {"status": "live"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"amount": 58.0}, "invalid_amount"),
        ({"amount": "1e3"}, "invalid_amount"),
        ({"amount": "NaN"}, "invalid_amount"),
        ({"amount": "-5"}, "invalid_amount"),
        ({"amount": "0.00"}, "invalid_amount"),
        ({"amount": "٥"}, "invalid_amount"),
        ({"currency": "usd"}, "invalid_currency"),
        ({"return_url": "javascript:alert(1)"}, "invalid_return_url"),
        ({"return_url": "//buyer.example"}, "invalid_return_url"),
        ({"return_url": "https://buyer.example/\r\nset-cookie: a=b"}, "invalid_return_url"),
        ({"description": ""}, "invalid_request"),
        ({"description": "x" * 501}, "invalid_request"),
        ({"metadata": {"a": 1}}, "invalid_metadata"),
        ({"method": "pm_success:"}, "unknown_payment_method"),
        ({"method": "4242424242424242"}, "unknown_payment_method"),
    ],
)
async def test_a_request_that_is_wrong_is_named_and_makes_nothing(
    api: httpx2.AsyncClient, change: dict[str, object], code: str
) -> None:
    answer = await api.post("/v1/payments", json=REQUEST | change, headers={"idempotency-key": "wrong"})

    assert (answer.is_client_error, answer.json()["error"]["code"]) == (True, code)
    assert (await api.get("/v1/payments?key=wrong")).json() == {"payments": []}


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 60_000, b"\xff"])
async def test_a_body_that_is_no_object_is_refused(api: httpx2.AsyncClient, body: bytes) -> None:
    answer = await api.post("/v1/payments", content=body, headers={"idempotency-key": "no-object"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")


async def test_a_body_larger_than_64_kib_is_refused(api: httpx2.AsyncClient) -> None:
    answer = await api.post("/v1/payments", content=b" " * 65_537, headers={"idempotency-key": "large"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")


async def test_a_payment_without_a_key_is_refused(api: httpx2.AsyncClient) -> None:
    answer = await api.post("/v1/payments", json=REQUEST)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "idempotency_key_required")


async def test_a_payment_says_how_much_of_it_went_back(api: httpx2.AsyncClient) -> None:
    headers = {"idempotency-key": "refunded"}
    payment = (await api.post("/v1/payments", json=REQUEST | {"method": "pm_success"}, headers=headers)).json()

    await api.post(f"/v1/payments/{payment['id']}/refunds", json={"amount": "8.50"}, headers=headers)

    assert Decimal((await api.get(f"/v1/payments/{payment['id']}")).json()["refunded"]) == Decimal("8.50")


async def test_every_test_method_is_documented_and_listed(api: httpx2.AsyncClient) -> None:
    listed = [method["token"] for method in (await api.get("/v1/payment-methods")).json()["methods"]]

    documented = [line.split("`")[1] for line in (package.__doc__ or "").splitlines() if line.startswith("| `")]
    assert listed == documented == list(METHODS)


def test_methods_with_different_suffixes_show_different_cards() -> None:
    plain, first, second = (card_of(token) for token in ("pm_success", "pm_success:acme-1", "pm_success:acme-2"))

    assert [card.last4 for card in (plain, first, second) if card] == ["4242", "4746", "7237"]
    assert script_of("pm_success:acme-1") is METHODS["pm_success"]


def test_events_are_signed_as_standard_webhooks_publishes_it() -> None:
    # The example in the reference libraries of github.com/standard-webhooks/standard-webhooks.
    secret, event_id = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek"

    headers = signed_headers(secret, event_id, '{"test": 2432232314}', at=1_614_265_330_999)

    assert headers == {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_delivery_is_given_up_after_a_bounded_time() -> None:
    pauses = [pause_after(tries) for tries in range(TRIES_MAX - 1)]

    assert pauses[:4] == [250, 500, 1000, 2000]
    assert max(pauses) == PAUSE_MAX_MILLISECONDS
    assert sum(pauses) == 363_750


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"SANDBOX_DATA": "x"}, "SANDBOX_API_KEY"),
        ({"SANDBOX_API_KEY": "k"}, "SANDBOX_DATA"),
        ({"SANDBOX_API_KEY": "k", "SANDBOX_DATA": "x", "SANDBOX_PORT": "many"}, "SANDBOX_PORT"),
        ({"SANDBOX_API_KEY": "k", "SANDBOX_DATA": "x", "SANDBOX_PORT": "65536"}, "SANDBOX_PORT"),
        ({"SANDBOX_API_KEY": "k", "SANDBOX_DATA": "x", "SANDBOX_LATE_SECONDS": "NaN"}, "SANDBOX_LATE_SECONDS"),
        ({"SANDBOX_API_KEY": "k", "SANDBOX_DATA": "x", "SANDBOX_LATE_SECONDS": "soon"}, "SANDBOX_LATE_SECONDS"),
        ({"SANDBOX_API_KEY": "k", "SANDBOX_DATA": "x", "SANDBOX_WEBHOOK_URL": "http://x"}, "SANDBOX_WEBHOOK_SECRET"),
    ],
)
def test_a_missing_or_wrong_option_is_named(variables: dict[str, str], named: str) -> None:
    with pytest.raises(WrongOption, match=named):
        read_options(variables)


def test_a_provider_without_a_key_does_not_start(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SANDBOX_")}

    start = subprocess.run(
        [sys.executable, "-m", "activities.gateways.sandbox_provider"],
        cwd=ROOT,
        env={**environment, "SANDBOX_DATA": str(tmp_path / "data.sqlite")},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )

    assert (start.returncode, start.stdout, start.stderr) == (2, "", "SANDBOX_API_KEY is not set\n")
