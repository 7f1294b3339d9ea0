"""Sign-in by an OpenID issuer: its tokens name a person by a verified address, and its keys may change."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from schema import credentials
from tests.builders import Member, a_member, an_organization
from tests.conftest import Opening
from tests.schema.clients.forgery import encoded, signed
from tests.schema.clients.issuer import Issuer, new_key, running_issuer, token
from tests.simulators.world import World


@dataclass(frozen=True, slots=True)
class House:
    """The product with an issuer, and a member whom the issuer knows by her address."""

    world: World
    issuer: Issuer
    ada: Member

    async def viewer(self, credential: str) -> str | None:
        """The address of the caller as the API sees it; None when the credential is refused with 401."""
        headers = {"authorization": f"Bearer {credential}"}
        body = {"query": "{ viewer { email } }"}
        answer = await self.world.http.post(f"{self.world.url}/graphql", json=body, headers=headers)
        if answer.status_code == 401:
            return None
        email: str = answer.json()["data"]["viewer"]["email"]
        return email


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running_issuer() as running:
        yield running


@pytest.fixture
async def house(open_world: Opening, issuer: Issuer) -> AsyncIterator[House]:
    settings = {"jwks_url": issuer.url, "jwt_issuer": "https://issuer.example"}
    async with open_world(with_worker=False, **settings) as world:
        yield House(world, issuer, await a_member(await an_organization(), email="ada.issuer@aurora.example"))


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
async def test_a_token_of_the_issuer_is_its_persons(algorithm: str, house: House) -> None:
    key = house.issuer.publish("first", algorithm)

    assert await house.viewer(token(key, house.ada.email)) == house.ada.email
    assert await house.viewer(token(key, house.ada.email.upper())) == house.ada.email
    assert house.issuer.fetched == 1


async def test_the_own_sign_in_works_beside_the_issuer(house: House) -> None:
    house.issuer.publish("first", "RS256")

    assert await house.viewer(await house.world.token_of(house.ada)) == house.ada.email
    assert house.issuer.fetched == 0


async def test_a_token_that_the_issuer_did_not_give_for_us_is_refused(house: House) -> None:
    # given
    key = house.issuer.publish("first", "RS256")
    stranger = new_key("first", "RS256")
    good = token(key, house.ada.email)
    head, claims, signature = good.split(".")

    # when
    refused = {
        "another key under the same name": token(stranger, house.ada.email),
        "a key of an unknown name": token(new_key("unknown", "ES256"), house.ada.email),
        "another issuer": token(key, house.ada.email, iss="https://other.example"),
        "another audience": token(key, house.ada.email, aud="another-api"),
        "no audience": token(key, house.ada.email, aud=None),
        "no end": token(key, house.ada.email, exp=None),
        "over": token(key, house.ada.email, exp=1_700_000_000),
        "an end beyond the calendar": token(key, house.ada.email, exp=10**18),
        "not yet": token(key, house.ada.email, nbf=4_000_000_000),
        "no subject": token(key, house.ada.email, sub=None),
        "no address": token(key, None),
        "an address that is a list": token(key, house.ada.email, email=[house.ada.email]),
        "an address that is not verified": token(key, house.ada.email, email_verified=False),
        "an address that is not verified, as text": token(key, house.ada.email, email_verified="false"),
        "an address of which nobody says that it is verified": token(key, house.ada.email, email_verified=None),
        "an address nobody here has": token(key, "who@aurora.example"),
        "an address with a NUL": token(key, f"{house.ada.email}\x00"),
        "an address that becomes another one in lower case": token(key, house.ada.email.replace("i", "\u0130")),
        "the public key as a secret": signed({"alg": "HS256", "kid": "first"}, {"sub": "x"}, key.as_pem(private=False)),
        "no signature": f"{encoded({'alg': 'none'})}.{claims}.",
        "another token's signature": f"{head}.{claims}.{token(key, 'x@y.example').split('.')[2]}",
        "a cut signature": f"{head}.{claims}.{signature[:-6]}",
    }
    answers = {what: await house.viewer(one) for what, one in refused.items()}

    # then
    assert await house.viewer(good) == house.ada.email
    assert {what: email for what, email in answers.items() if email is not None} == {}


async def test_keys_may_change_and_the_old_ones_end(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    first = house.issuer.publish("first", "RS256")
    old = token(first, house.ada.email)
    assert await house.viewer(old) == house.ada.email

    # when: a key appears that the API has not seen, within the half minute in which it does not ask again
    second = house.issuer.publish("second", "ES256")
    new = token(second, house.ada.email)
    early = await house.viewer(new)
    fetched_early = house.issuer.fetched
    monkeypatch.setattr(credentials, "KEYS_RETRY_SECONDS", -1)

    # then
    assert (early, fetched_early) == (None, 1)
    assert await house.viewer(new) == house.ada.email
    assert await house.viewer(old) == house.ada.email
    assert house.issuer.fetched == 2
    del house.issuer.keys["first"]
    monkeypatch.setattr(credentials, "KEYS_FRESH_SECONDS", -1)
    assert await house.viewer(old) is None
    assert await house.viewer(new) == house.ada.email


async def test_an_issuer_that_is_away_keeps_nobody_out_whose_key_is_known(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    key = house.issuer.publish("first", "RS256")
    credential = token(key, house.ada.email)
    house.issuer.status = 500
    assert await house.viewer(credential) is None
    house.issuer.status = 200
    monkeypatch.setattr(credentials, "KEYS_RETRY_SECONDS", -1)
    assert await house.viewer(credential) == house.ada.email

    # when
    house.issuer.status = 500
    monkeypatch.setattr(credentials, "KEYS_FRESH_SECONDS", -1)

    # then
    assert await house.viewer(credential) == house.ada.email
