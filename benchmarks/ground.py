"""Where it is measured: a durable PostgreSQL of its own with the product's tables, and customers with tokens.

Customer 1, 2, 3 … is the organization whose id is that number, so that a script in another language finds it too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

from pydantic import SecretStr

from embedded.databases import APPLICATION, DATABASE, OWNER, provide
from embedded.postgres import PostgresCluster
from models.database import Connection, connection, open_database, transaction
from models.granting import GrantOrder, grant
from models.members import member_by_email, open_session
from models.migrate import migrate
from models.payment_methods import NewPaymentMethod, add_payment_method
from models.spending import SpendOrder
from models.tills import Tills
from models.wallets import ensure_wallet
from rules.lots import LotKind
from rules.permissions import Permission
from server import own_tokens, wallet_defaults
from settings import Settings

PASSWORD = "for-benchmarks"
SECRET = "benchmarks-only-0123456789-0123456789"
TOKENS_GRANTED = Decimal(100_000_000)
LOTS = 3
HISTORY_LENGTH = 120
MAY = (Permission.TOKENS_VIEW, Permission.TOKENS_SPEND, Permission.TOKENS_PURCHASE)


@dataclass(frozen=True, slots=True)
class Customer:
    """An organization with tokens, and the access token of a person who may spend them."""

    organization_id: UUID
    actor: str
    access_token: str


@dataclass(frozen=True, slots=True)
class Ground:
    """A running database with customers. `settings` are the product's for it, `folder` takes what others write."""

    folder: Path
    cluster: PostgresCluster
    dsn: str
    settings: Settings
    customers: Sequence[Customer]
    administrator_token: str


async def provided(cluster: PostgresCluster) -> str:
    """The product's roles, database and tables exist on a running cluster; the DSN the product signs in with."""
    await provide(cluster.dsn(), owner_password=PASSWORD, application_password=PASSWORD)
    await migrate(cluster.dsn(DATABASE, OWNER, password=PASSWORD), APPLICATION)
    return cluster.dsn(DATABASE, APPLICATION, password=PASSWORD)


async def furnished(cluster: PostgresCluster, dsn: str, folder: Path, *, customers: int) -> Ground:
    """The ground in an empty database of the cluster, with customers 1 to `customers`."""
    settings = settings_for(dsn, folder)
    async with open_database(dsn, 2, application_name="scrip-benchmarks"):
        made = [await a_customer(number, settings) for number in range(1, customers + 1)]
        _, administrator_token = await _signed_in(None, "administrator@scrip.example", settings, may=tuple(Permission))
    return Ground(folder, cluster, dsn, settings, made, administrator_token)


async def with_wallets(ground: Ground, wallets: int) -> None:
    """Customers 1 to `wallets` have tokens; those who are not furnished have one lot and nobody who signs in."""
    async with open_database(ground.dsn, 2, application_name="scrip-benchmarks"), transaction() as db:
        (row,) = await db.fetch("SELECT count(*) AS known FROM organizations")
        for number in range(row["known"] + 1, wallets + 1):
            await _a_plain_customer(db, number, ground.settings)


async def _a_plain_customer(db: Connection, number: int, settings: Settings) -> None:
    organization_id = UUID(int=number)
    await db.execute(
        "INSERT INTO organizations (id, slug, name, contact_email) VALUES ($1, $2, 'Aurora Clinics', $3)",
        organization_id,
        f"customer-{number}",
        f"billing-{number}@aurora.example",
    )
    await ensure_wallet(organization_id, wallet_defaults(settings))
    order = GrantOrder(organization_id, TOKENS_GRANTED, LotKind.PROMO, "to spend", "lot", "scrip")
    await grant(order, at=datetime.now(UTC))


def settings_for(dsn: str, folder: Path) -> Settings:
    """The product's own defaults, on this database, with a session that outlives the measurement."""
    return Settings(
        _env_file=None,
        database_url=SecretStr(dsn),
        jwt_secret=SecretStr(SECRET),
        jwt_expires_in=timedelta(hours=2),
        log_file=str(folder / "app.log"),
    )


async def a_customer(number: int, settings: Settings) -> Customer:
    """An organization with a wallet of a few lots and some history, and a person of it who is signed in."""
    organization_id = UUID(int=number)
    async with transaction() as db:
        await db.execute(
            "INSERT INTO organizations (id, slug, name, contact_email, address, tax_id)"
            " VALUES ($1, $2, 'Aurora Clinics', $3, '12 Harbour Road, Nairobi', 'KE-1')",
            organization_id,
            f"customer-{number}",
            f"billing-{number}@aurora.example",
        )
    await ensure_wallet(organization_id, wallet_defaults(settings))
    for lot in range(LOTS):
        order = GrantOrder(organization_id, TOKENS_GRANTED, LotKind.PROMO, "to spend", f"lot {lot}", "scrip")
        await grant(order, at=datetime.now(UTC))
    method = NewPaymentMethod(organization_id, "sandbox", f"pm_success:{number}", "card", "visa", "4242", 12, 2035)
    await add_payment_method(method, actor="scrip")
    actor, access_token = await _signed_in(organization_id, f"member-{number}@aurora.example", settings)
    customer = Customer(organization_id, actor, access_token)
    for entry in range(HISTORY_LENGTH if number == 1 else 0):
        spending = SpendOrder(organization_id, Decimal("1.5"), f"history {entry}", customer.actor, description="Report")
        await Tills().ask(spending, at=datetime.now(UTC))
    return customer


async def _signed_in(
    organization_id: UUID | None, email: str, settings: Settings, *, may: Sequence[Permission] = MAY
) -> tuple[str, str]:
    """The name and the access token of a person who is signed in."""
    async with transaction() as db:
        await db.execute(
            "INSERT INTO users (id, organization_id, email, name, permissions) VALUES ($1, $2, $3, 'Ada Wanjiku', $4)",
            uuid4(),
            organization_id,
            email,
            list(may),
        )
    async with connection() as db:
        member = await member_by_email(db, email)
    if member is None:
        raise LookupError(email)
    session_id, now = uuid4(), datetime.now(UTC)
    await open_session(member, session_id, "", expires_at=now + timedelta(hours=2), at=now)
    token, _ = own_tokens(settings).access_token(member.id, session_id, at=now)
    return f"user/{member.id}", token
