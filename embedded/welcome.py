"""What people read when everything runs: where to look, whom to be, and one command that buys tokens.

The command carries a fresh access token and a fresh idempotency key, so it works when it is pasted as it is, and
pasting it twice buys once.
"""

import json
import shlex
from collections.abc import Mapping
from typing import Final
from uuid import uuid4

import httpx2
from pydantic import BaseModel

from embedded.failures import CannotStart

SIGN_IN: Final = (
    "mutation SignIn($input: SignInInput!) { signIn(input: $input) { ... on SignInSuccess { accessToken } } }"
)
PURCHASE: Final = (
    "mutation BuyTokens($input: StartPurchaseInput!) "
    "{ startPurchase(input: $input) { __typename ... on StartPurchaseSuccess "
    "{ replayed purchase { id status tokens total { formatted } invoice { number pdfUrl } workflow { url } } } "
    "... on Problem { code message } } }"
)
BUYS: Final = "tokens.purchase"
SECONDS_MAX: Final = 15.0


class SignInFailed(CannotStart):
    """The API did not let a user of the sample data in."""

    def __init__(self, email: str, answer: str) -> None:
        super().__init__(f"{email} of the sample data could not sign in: {answer[:500]}")


class SampleUser(BaseModel):
    email: str
    password: str
    organization_id: str | None
    organization: str | None
    permissions: list[str]


class SamplePackage(BaseModel):
    id: str


class SamplePaymentMethod(BaseModel):
    id: str
    organization_id: str


class Sample(BaseModel):
    """What this page needs of what `embedded.sample_data` prints."""

    users: list[SampleUser]
    packages: list[SamplePackage]
    payment_methods: list[SamplePaymentMethod]


async def welcome(addresses: Mapping[str, str], printed: Mapping[str, object]) -> str:
    """The summary, several lines. Signs a buyer in for its last line. Raises SignInFailed."""
    sample = Sample.model_validate(printed)
    lines = [
        "Scrip is ready.",
        f"  GraphiQL     {addresses['graphiql']}",
        f"  GraphQL      {addresses['graphql']}",
        f"  Temporal UI  {addresses['temporal_ui']}",
        f"  Mailbox      {addresses['mailbox']}",
        "",
        "Sign in as:",
        *(f"  {user.email}  {user.password}  ({user.organization or 'the platform'})" for user in sample.users),
    ]
    command = await _purchase_command(addresses["graphql"], sample)
    if command is not None:
        lines += ["", "Buy tokens from a shell:", f"  {command}"]
    return "\n".join([*lines, "", "Ctrl-C stops everything."])


async def _purchase_command(graphql: str, sample: Sample) -> str | None:
    for user in sample.users:
        method = next((each for each in sample.payment_methods if each.organization_id == user.organization_id), None)
        if BUYS in user.permissions and method is not None and sample.packages:
            order = {
                "organizationId": user.organization_id,
                "packageId": sample.packages[0].id,
                "paymentMethodId": method.id,
                "idempotencyKey": str(uuid4()),
            }
            return purchase_command(graphql, await _sign_in(graphql, user), order)
    return None


def purchase_command(graphql: str, access_token: str, order: Mapping[str, str | None]) -> str:
    """One line for sh that sends `order` as the input of startPurchase."""
    body = json.dumps({"query": PURCHASE, "variables": {"input": dict(order)}})
    headers = ("-H", "Content-Type: application/json", "-H", f"Authorization: Bearer {access_token}")
    return shlex.join(("curl", "-sS", graphql, *headers, "-d", body))


async def _sign_in(graphql: str, user: SampleUser) -> str:
    body = {"query": SIGN_IN, "variables": {"input": {"email": user.email, "password": user.password}}}
    async with httpx2.AsyncClient(trust_env=False, timeout=SECONDS_MAX) as client:
        answer = await client.post(graphql, json=body)
    try:
        return str(answer.json()["data"]["signIn"]["accessToken"])
    except (ValueError, KeyError, TypeError):
        raise SignInFailed(user.email, answer.text) from None
