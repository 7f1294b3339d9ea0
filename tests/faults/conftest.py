"""What the tests of faults share: one furnished database on the session's PostgreSQL, cloned for every house."""

from decimal import Decimal

import pytest

from embedded.postgres import PostgresCluster
from tests.faults.houses import Bookkeeping, Neighbourhood, furnish
from tests.simulators.mailbox import Mailbox


@pytest.fixture(scope="session")
async def neighbourhood(
    cluster: PostgresCluster, template: str, mailbox: Mailbox, tmp_path_factory: pytest.TempPathFactory
) -> Neighbourhood:
    return Neighbourhood(await furnish(cluster, template), mailbox, tmp_path_factory.mktemp("houses"))


@pytest.fixture
def bought_once() -> Bookkeeping:
    """The books after 100 tokens have been bought, whatever happened on the way."""
    return Bookkeeping(lots=(Decimal(100),), invoices=(Decimal("58.00"),), documents=1, violations=())
