"""What no client should send to settings, suspensions and corrections: a clear answer each, and nothing changes."""

from typing import Any

import asyncpg

from schema.ids import global_id
from tests.builders import Member, a_member
from tests.schema.clients.books import everything
from tests.schema.clients.documents import answered
from tests.schema.clients.scene import Scene, a_scene
from tests.schema.test_bad_input import BAD, NOT_NUMBERS, NOT_QUANTITIES, TEXTS, mutation
from tests.simulators.world import World


async def a_clerk(world: World, scene: Scene) -> Member:
    """Somebody of Aurora's who may decide everything, signed in."""
    clerk = await a_member(scene.aurora, permissions=("tokens.view", "tokens.configure", "finance.manage"))
    await world.token_of(clerk)
    return clerk


def inputs(scene: Scene) -> dict[str, dict[str, Any]]:
    org = scene.aurora.global_id
    return {
        "adjustBalance": {"organizationId": org, "tokens": "5", "reason": "because", "idempotencyKey": "bad"},
        "suspendWallet": {"organizationId": org, "reason": "because"},
        "reactivateWallet": {"organizationId": org, "reason": "because"},
    }


async def answers_to(world: World, clerk: Member, asked: dict[str, tuple[str, dict[str, Any]]]) -> dict[str, str]:
    return {
        what: answered(await world.ask(mutation(name), clerk, input=given)) for what, (name, given) in asked.items()
    }


async def test_bad_texts_are_refused_as_input(world: World, owner: asyncpg.Connection) -> None:
    # given
    scene = await a_scene(world)
    clerk, good = await a_clerk(world, scene), inputs(scene)
    before = await everything(owner)
    fields = {
        "adjustBalance": ("reason", "idempotencyKey"),
        "suspendWallet": ("reason",),
        "reactivateWallet": ("reason",),
    }
    asked: dict[str, tuple[str, dict[str, Any]]] = {}
    for name, names in fields.items():
        for field in names:
            for what, text in {**TEXTS, "too long": "x" * 501}.items():
                asked[f"{name}.{field}: {what}"] = (name, {**good[name], field: text})
            if name != "reactivateWallet":
                asked[f"{name}.{field}: nothing"] = (name, {**good[name], field: " "})
                asked[f"{name}.{field}: null"] = (name, {**good[name], field: None})

    # when
    answers = await answers_to(world, clerk, asked)

    # then
    assert answers == dict.fromkeys(asked, BAD)
    assert len(answers) == 4 * (len(TEXTS) + 1) + 3 * 2
    assert await everything(owner) == before


async def test_tokens_that_are_no_correction_are_refused(world: World, owner: asyncpg.Connection) -> None:
    # given
    scene = await a_scene(world)
    clerk, good = await a_clerk(world, scene), inputs(scene)["adjustBalance"]
    before = await everything(owner)
    beyond = ("0", "-0.0000", "0.00001", "-0.00001", "1000000001", "-1000000001", 0)

    # when
    no_numbers = await answers_to(
        world,
        clerk,
        {f"{given!r}": ("adjustBalance", {**good, "tokens": given}) for given in (*NOT_QUANTITIES, *NOT_NUMBERS, None)},
    )
    out_of_range = await answers_to(
        world, clerk, {f"{given!r}": ("adjustBalance", {**good, "tokens": given}) for given in beyond}
    )
    odd = await answers_to(
        world,
        clerk,
        {
            "taken out with an expiry": (
                "adjustBalance",
                {**good, "tokens": "-1", "expiresAt": "2099-01-01T00:00:00Z"},
            ),
            "an expiry of nonsense": ("adjustBalance", {**good, "expiresAt": "soon"}),
            "an expiry in the past": ("adjustBalance", {**good, "expiresAt": "2020-01-01T00:00:00Z"}),
            "nobody's wallet": ("adjustBalance", {**good, "organizationId": global_id("Organization", scene.ada.id)}),
            "more than there is": ("adjustBalance", {**good, "tokens": "-100.0001", "idempotencyKey": "odd"}),
        },
    )

    # then
    assert no_numbers == dict.fromkeys(no_numbers, BAD)
    assert out_of_range == dict.fromkeys(out_of_range, "InvalidTokens")
    assert odd == {
        "taken out with an expiry": BAD,
        "an expiry of nonsense": BAD,
        "an expiry in the past": "InvalidExpiry",
        "nobody's wallet": "WalletNotFound",
        "more than there is": "InsufficientTokens",
    }
    after = await everything(owner)
    changed = {table for table in before if before[table] != after[table]}
    assert changed == {"idempotency_keys"}


SETTINGS: dict[str, dict[Any, str]] = {
    "pricePerToken": {
        "0": "InvalidSetting", "-1": "InvalidSetting", "1000000.000001": "InvalidSetting", "1000001": "InvalidSetting",
        "1e30": BAD, "NaN": BAD, "0.0000001": BAD, None: BAD, 0.5: BAD, True: BAD,
    },
    "taxRate": {
        "-0.1": "InvalidSetting", "1.000001": "InvalidSetting", "16": "InvalidSetting", "NaN": BAD, "Infinity": BAD,
        None: BAD, "": BAD,
    },
    "paymentTermsDays": {
        -1: "InvalidSetting", 366: "InvalidSetting", 2**31 - 1: "InvalidSetting", 2**31: BAD, "30": BAD, 1.5: BAD,
        None: BAD,
    },
    "validityDays": {
        0: "InvalidSetting", -1: "InvalidSetting", 36501: "InvalidSetting", 2**31: BAD, "1": BAD, 0.5: BAD,
    },
}  # fmt: skip


async def test_settings_that_cannot_be_are_refused_and_none_is_changed(world: World, owner: asyncpg.Connection) -> None:
    # given
    scene = await a_scene(world)
    clerk = await a_clerk(world, scene)
    before = await everything(owner)

    # when: each beside another setting that could be
    answers = {}
    for name, values in SETTINGS.items():
        other = {"taxRate": "0.2"} if name != "taxRate" else {"validityDays": 5}
        for value in values:
            told = await world.ask(mutation("updateWalletSettings"), clerk, input={**other, name: value})
            answers[name, value] = answered(told)
    nothing = answered(await world.ask(mutation("updateWalletSettings"), clerk, input={}))
    unknown = answered(await world.ask(mutation("updateWalletSettings"), clerk, input={"currency": "EUR"}))

    # then
    assert answers == {(name, value): told for name, values in SETTINGS.items() for value, told in values.items()}
    assert (nothing, unknown) == (BAD, BAD)
    assert await everything(owner) == before
