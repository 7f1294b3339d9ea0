"""What API tests do with tokens: one document for each mutation, asking for everything it can answer."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from rules.budgets import BudgetPeriod, window_of
from tests.builders import Member, Organization, a_member, an_organization, gives
from tests.simulators.world import World

MOVED = "entryId sequence tokens available held occurredAt replayed"
HELD = """hold { id tokens status capturedTokens heldAt expiresAt resolvedAt referenceType referenceId description actor
    parts { lotId lotKind tokens } } available held occurredAt replayed"""
REFUSALS = {
    "InsufficientTokens": "needed available",
    "BudgetExceeded": "period limit needed left resetsAt",
    "WalletSuspended": "reason",
    "WalletBusy": "retryAfterMs",
    "BatchRefused": "position because",
    "HoldResolved": "status capturedTokens resolvedAt",
    "CaptureExceedsHold": "asked held",
    "HoldTooLong": "latest",
    "InvalidHoldTime": "minimumSeconds maximumSeconds",
    "InvalidBatch": "minimum maximum",
}


def told_by(*refusals: str) -> str:
    """What these refusals tell, and the code of any other."""
    return " ".join(f"... on {name} {{ {REFUSALS[name]} }}" for name in refusals) + " ... on Problem { code message }"


def document(name: str, success: str, *refusals: str) -> str:
    title = name[0].upper() + name[1:]
    return f"""mutation ($input: {title}Input!) {{ answer: {name}(input: $input) {{
        __typename ... on {title}Success {{ {success} }} {told_by(*refusals)} }} }}"""


SPENDING = ("InsufficientTokens", "BudgetExceeded", "WalletSuspended", "WalletBusy")
ITEMS = f"""items {{ idempotencyKey result {{
    __typename ... on SpendTokensSuccess {{ {MOVED} }} {told_by(*SPENDING, "BatchRefused")} }} }}"""
BUDGET = "budget { id subjectId period limit used left resetsAt }"

DOCUMENTS: Mapping[str, str] = {
    "spendTokens": document("spendTokens", MOVED, *SPENDING, "BatchRefused"),
    "spendTokensBatch": document("spendTokensBatch", f"spent refused spentTokens {ITEMS}", "InvalidBatch"),
    "holdTokens": document("holdTokens", HELD, *SPENDING, "InvalidHoldTime"),
    "captureHold": document("captureHold", HELD, *SPENDING, "HoldResolved", "CaptureExceedsHold"),
    "releaseHold": document("releaseHold", HELD, "HoldResolved"),
    "extendHold": document("extendHold", HELD, "HoldResolved", "HoldTooLong", "InvalidHoldTime", "WalletSuspended"),
    "setSpendBudget": document("setSpendBudget", BUDGET),
    "removeSpendBudget": document("removeSpendBudget", "removed"),
}
ENTRIES = """{ wallet { entries(first: 100) { nodes {
    kind tokens heldTokens availableAfter heldAfter referenceType referenceId description actor occurredAt
    draws { lotId tokens } } } } }"""
LOTS = "{ wallet { lots { nodes { id remainingTokens heldTokens } } } }"
LIST = """query ($first: Int!, $after: Cursor, $statuses: [HoldStatus!], $type: String, $id: String) {
  wallet { holds(first: $first, after: $after, statuses: $statuses, referenceType: $type, referenceId: $id) {
    nodes { id tokens status capturedTokens heldAt expiresAt resolvedAt description }
    pageInfo { hasNextPage endCursor } } } }"""
BUDGETS = "{ spendBudgets { nodes { id subjectId period limit used left resetsAt } } }"
SUSPEND = "UPDATE organization_token_wallets SET is_active = false, suspended_at = now(), suspension_reason = 'unpaid'"


async def aurora_with(*tokens: str) -> tuple[Organization, Member]:
    """An organization with a lot for each number of tokens, the oldest first, and somebody who may do everything."""
    aurora = await an_organization()
    for each in tokens:
        await gives(aurora, each)
    return aurora, await a_member(aurora)


async def does(world: World, member: Member, name: str, **given: object) -> dict[str, Any]:
    """The answer to one mutation."""
    told: dict[str, Any] = (await world.data(DOCUMENTS[name], member, input=given))["answer"]
    return told


async def balances(world: World, member: Member) -> tuple[str, str]:
    """What is available in the member's wallet now, and what is held."""
    wallet = (await world.data("{ wallet { available held } }", member))["wallet"]
    return wallet["available"], wallet["held"]


async def history(world: World, member: Member) -> list[dict[str, Any]]:
    """The entries of the member's wallet, oldest first."""
    entries: list[dict[str, Any]] = (await world.data(ENTRIES, member))["wallet"]["entries"]["nodes"]
    return entries[::-1]


async def movements(world: World, member: Member) -> list[tuple[str, str, str]]:
    """Of each entry its kind, and what it changed of all tokens and of the held ones."""
    return [(entry["kind"], entry["tokens"], entry["heldTokens"]) for entry in await history(world, member)]


async def lots(world: World, member: Member) -> dict[str, tuple[str, str]]:
    """What remains in each lot of the member's wallet and how much of that is held, by lot, oldest first."""
    found = (await world.data(LOTS, member))["wallet"]["lots"]["nodes"]
    return {lot["id"]: (lot["remainingTokens"], lot["heldTokens"]) for lot in found[::-1]}


async def listed(world: World, member: Member, **chosen: object) -> list[dict[str, Any]]:
    """The holds of the member's wallet, newest first."""
    found: list[dict[str, Any]] = (await world.data(LIST, member, first=100, **chosen))["wallet"]["holds"]["nodes"]
    return found


async def budgets(world: World, member: Member) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await world.data(BUDGETS, member))["spendBudgets"]["nodes"]
    return found


async def suspend(owner: asyncpg.Connection) -> None:
    """Every wallet is suspended."""
    await owner.execute(SUSPEND)


async def far_from_midnight() -> None:
    """Budgets begin anew with the day: no test lies on the border of two."""
    while True:
        now = datetime.now(UTC)
        begins, ends = window_of(BudgetPeriod.DAY, now)
        if begins + timedelta(seconds=5) < now < ends - timedelta(minutes=1):
            return
        await asyncio.sleep(1)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def refusal(told: Mapping[str, Any]) -> dict[str, Any]:
    """A refusal but for its sentence."""
    return {name: value for name, value in told.items() if name != "message"}


def kinds(answers: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How often each type was answered."""
    names = [answer["__typename"] for answer in answers]
    return {name: names.count(name) for name in sorted(set(names))}
