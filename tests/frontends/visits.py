"""The TypeScript example at work: a program in a process of its own, and what it prints."""

import asyncio
import json
from pathlib import Path
from typing import Any

from embedded import web
from models.database import connection
from tests.builders import Member, a_member, a_payment_method, an_organization, gives
from tests.patience import PATIENCE_SECONDS
from tests.simulators.world import World
from workflows.purchase import purchase_workflow_id


async def a_customer(world: World) -> Member:
    """Somebody who can sign in, whose organization has 100 tokens and can pay."""
    aurora = await an_organization("Aurora Clinics")
    await a_payment_method(aurora)
    await gives(aurora, "100")
    return await a_member(aurora)


async def visit(world: World, ada: Member, example: Path) -> list[Any]:
    """What the example prints, step by step."""
    program = await asyncio.create_subprocess_exec(
        web.node_executable(), "dist/main.js", world.url, ada.email, ada.password, "visit",
        cwd=example, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, complaints = await asyncio.wait_for(program.communicate(), PATIENCE_SECONDS)
    assert (program.returncode, complaints.decode()) == (0, "")
    return [json.loads(line) for line in said.splitlines()]


VISIT = [
    {"signedIn": "Aurora Clinics"},
    {"wallet": {"available": "100.0000", "kinds": ["GRANT"]}},
    {"spend": "spent, 98.5000 left"},
    {"spend": "spent before, 98.5000 left"},
    {"spend": "1000000.0000 needed, 98.5000 there"},
    {"bought": {"tokens": "10.0000", "total": "$5.80"}},
]


async def remember_the_order(world: World) -> None:
    """The story of the example's only order is replayed when the test ends."""
    async with connection() as db:
        (order,) = await db.fetch("SELECT id FROM token_purchases")
    world.started.append(purchase_workflow_id(order["id"]))
