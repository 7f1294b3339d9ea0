"""Which gateways an installation has follows from its settings alone."""

from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from activities.gateways.protocol import InvalidEvent
from activities.gateways.registry import GatewayMisconfigured, UnknownGateway, build_gateways
from settings import Settings
from tests.activities.gateway_providers import sign_as_sandbox

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SANDBOX = {
    "sandbox_gateway_url": "http://127.0.0.1:9",
    "sandbox_api_key": SecretStr("key"),
    "sandbox_webhook_secret": SecretStr("new, old"),
}
STRIPE = {"stripe_api_key": SecretStr("sk_test_1"), "stripe_webhook_secret": SecretStr("whsec_1")}


def configured(**values: object) -> Settings:
    blank: dict[str, object] = dict.fromkeys([*SANDBOX, *STRIPE, "stripe_api_url"])
    return Settings.model_validate(blank | values)


@pytest.mark.parametrize(
    ("values", "names"),
    [({}, []), (SANDBOX, ["sandbox"]), (STRIPE, ["stripe"]), (SANDBOX | STRIPE, ["sandbox", "stripe"])],
)
async def test_a_gateway_exists_when_it_is_configured(values: dict[str, object], names: list[str]) -> None:
    gateways = build_gateways(configured(**values))

    assert list(gateways) == names
    assert [gateways[name].name for name in names] == names
    await gateways.aclose()


async def test_an_unknown_name_is_told_which_names_there_are() -> None:
    gateways = build_gateways(configured(**SANDBOX))

    with pytest.raises(UnknownGateway, match=r"No gateway 'stripe' is configured; configured: sandbox"):
        gateways["stripe"]
    assert "stripe" not in gateways
    await gateways.aclose()


@pytest.mark.parametrize(
    ("values", "missing", "variable"),
    [
        (SANDBOX, "sandbox_api_key", "SANDBOX_API_KEY"),
        (SANDBOX, "sandbox_webhook_secret", "SANDBOX_WEBHOOK_SECRET"),
        (STRIPE, "stripe_webhook_secret", "STRIPE_WEBHOOK_SECRET"),
    ],
)
@pytest.mark.parametrize("blank", [None, SecretStr("")])
def test_a_gateway_configured_by_half_is_refused_by_name(
    values: dict[str, object], missing: str, variable: str, blank: SecretStr | None
) -> None:
    with pytest.raises(GatewayMisconfigured, match=variable):
        build_gateways(configured(**(values | {missing: blank})))


@pytest.mark.parametrize("secrets", [",", "a,b,c"])
def test_one_secret_or_two_are_accepted_and_no_other_number(secrets: str) -> None:
    with pytest.raises(GatewayMisconfigured, match="SANDBOX_WEBHOOK_SECRET"):
        build_gateways(configured(**(SANDBOX | {"sandbox_webhook_secret": SecretStr(secrets)})))


async def test_both_secrets_of_the_settings_are_used() -> None:
    gateways = build_gateways(configured(**SANDBOX))
    body = b'{"id": "evt_1", "type": "payment.captured", "created_at": "2026-03-01T12:00:00Z", "data": {}}'

    for secret in ("new", "old"):
        headers = sign_as_sandbox(body, NOON, secret)
        assert gateways["sandbox"].parse_event(headers=headers, body=body, now=NOON).event_id == "evt_1"
    with pytest.raises(InvalidEvent):
        gateways["sandbox"].parse_event(headers=sign_as_sandbox(body, NOON, "new, old"), body=body, now=NOON)
    await gateways.aclose()
