"""`kill -9` of the worker and of the API at every step boundary of a purchase: one charge, one lot, one invoice.

Each failpoint has a product of its own, as processes; four of them run side by side. A killed step waits for its
time-out of ten seconds before Temporal gives it to the new worker, which is most of the time this takes.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest

from embedded.postgres import PostgresCluster
from models.database import Connection, open_database, transaction
from models.failpoints import NAMES
from models.reconciliation import violations
from schema.ids import read_id
from tests.builders import a_member, a_package, a_payment_method, an_organization
from tests.conftest import APPLICATION, OWNER
from tests.faults.doors import scenario
from tests.simulators.mailbox import Mailbox

AT_ONCE = 5

COUNTS = """
SELECT (SELECT count(*) FROM token_lots WHERE kind = 'PAID') AS lots, (SELECT count(*) FROM token_invoices) AS invoices,
       (SELECT count(*) FROM token_purchases) AS purchases, (SELECT count(*) FROM token_invoice_documents) AS documents,
       (SELECT count(*) FROM payments WHERE status = 'CAPTURED') AS captured,
       (SELECT current_balance FROM organization_token_wallets) AS available
"""


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What was found when the dust had settled."""

    struck: bool
    deaths: int
    charges: list[str]
    counts: dict[str, Any]
    broken_rules: list[str]
    receipts: int


class Crashes:
    """All scenarios, begun together when the first test asks, a few at a time."""

    def __init__(self, cluster: PostgresCluster, template: str, mailbox: Mailbox, folder: Any) -> None:
        self._parts = (cluster, template, mailbox, folder)
        self._places = asyncio.Semaphore(AT_ONCE)
        # Only one database can be open in this process at a time.
        self._desk = asyncio.Lock()
        self._running = {name: asyncio.create_task(self._run(name)) for name in NAMES}

    async def aftermath(self, name: str) -> Aftermath:
        return await self._running[name]

    async def stop(self) -> None:
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _run(self, name: str) -> Aftermath:
        async with self._places:
            return await self._crash(name)

    async def _crash(self, name: str) -> Aftermath:
        cluster, template, mailbox, folder = self._parts
        database = f"crash_{name.replace('.', '_')}"
        admin = await asyncpg.connect(cluster.dsn())
        await admin.execute(f"CREATE DATABASE {database} TEMPLATE {template} OWNER {OWNER} STRATEGY file_copy")
        await admin.close()
        dsn = cluster.dsn(database, APPLICATION, password="for-tests")
        async with self._desk, open_database(dsn, 2, application_name="scrip-tests"):
            aurora = await an_organization()
            ada = await a_member(aurora)
            starter, method = await a_package("100"), await a_payment_method(aurora, "pm_late")
        async with scenario(dsn, mailbox, folder / name, failpoint=name) as product:
            await product.signs_in(ada.email, ada.password)
            bought = await product.buys_until_completed(
                packageId=starter, paymentMethodId=method, idempotencyKey="through everything"
            )
            key = str(read_id(bought["id"], "Purchase"))
            # A worker that dies with a letter in its hand lets go of it after forty seconds.
            await mailbox.wait_for(key, "receipt", patience_seconds=90)
            await self._until_struck(product, name)
            charges = [payment["status"] for payment in await product.payments(key)]
            struck, deaths = product.struck(name), product.api.deaths + product.worker.deaths
        async with self._desk, open_database(dsn, 2, application_name="scrip-tests"), transaction() as db:
            letters = [letter for letter in await mailbox.letters(key) if "/receipt@" in letter["message_id"]]
            return Aftermath(struck, deaths, charges, await _counts(db), await _broken(db), len(letters))

    async def _until_struck(self, product: Any, name: str) -> None:
        """A point after the receipt, or at the gateway's event, may strike a moment after the purchase completed."""
        async with asyncio.timeout(60):
            while not (product.struck(name) and product.api.deaths + product.worker.deaths > 0):
                await asyncio.sleep(0.1)


async def _counts(db: Connection) -> dict[str, Any]:
    row = await db.fetch_one(COUNTS)
    assert row is not None
    return dict(row)


async def _broken(db: Connection) -> list[str]:
    return [violation.rule for violation in await violations(db)]


@pytest.fixture(scope="module")
async def crashes(
    cluster: PostgresCluster, template: str, mailbox: Mailbox, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Crashes]:
    begun = Crashes(cluster, template, mailbox, tmp_path_factory.mktemp("crashes"))
    yield begun
    await begun.stop()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("failpoint", NAMES)
async def test_a_purchase_survives_a_kill_at(failpoint: str, crashes: Crashes) -> None:
    found = await crashes.aftermath(failpoint)

    assert (found.struck, found.deaths) == (True, 1)
    assert found.charges == ["CAPTURED"]
    assert found.counts == {
        "lots": 1,
        "invoices": 1,
        "purchases": 1,
        "documents": 1,
        "captured": 1,
        "available": 100,
    }
    assert found.broken_rules == []
    assert found.receipts == 1
