"""`python -m embedded.sample_data` fills an empty database with something to look at, and says what it made as JSON.

Two organizations with their members, people of the platform, what is on offer, and payment methods of the sandbox
gateway. Repeating it changes nothing. It refuses a production environment: its passwords are in this file.
"""

import asyncio
import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from activities.gateways.protocol import PaymentGateway
from activities.gateways.registry import build_gateways
from embedded.sample_catalogue import add_catalogue
from models import audit
from models.actors import SCRIP_ITSELF
from models.database import Connection, open_database, transaction
from models.granting import GrantOrder, grant
from models.packages import packages_on_sale
from models.passwords import hash_password
from models.payment_methods import NewPaymentMethod, add_payment_method
from models.wallets import ensure_wallet
from rules.identity import derived_id
from rules.lots import LotKind
from rules.permissions import ROLES, Permission, Role
from schema.ids import global_id
from server import wallet_defaults
from settings import Environment, Settings, load_settings

PASSWORD = "scrip-sample-1"


@dataclass(frozen=True, slots=True)
class SampleOrganization:
    slug: str
    name: str
    email: str
    address: str
    tax_id: str
    methods: tuple[str, ...]

    @property
    def id(self) -> UUID:
        return derived_id("organization", self.slug)


@dataclass(frozen=True, slots=True)
class SampleUser:
    email: str
    name: str
    role: Role
    organization: SampleOrganization | None = None

    @property
    def permissions(self) -> list[Permission]:
        return sorted(ROLES[self.role])


AURORA = SampleOrganization(
    "aurora", "Aurora Clinics", "billing@aurora.example", "12 Harbour Road, Nairobi, Kenya", "KE-P051234567X",
    ("pm_success:aurora", "pm_three_d_secure:aurora", "pm_declined_insufficient_funds:aurora"),
)  # fmt: skip
BOREAL = SampleOrganization(
    "boreal", "Boreal Insurance", "accounts@boreal.example", "7 Northern Line, Oslo, Norway", "NO-987654321",
    ("pm_success:boreal", "pm_late:boreal"),
)  # fmt: skip
ORGANIZATIONS = (AURORA, BOREAL)

USERS = (
    SampleUser("ada@aurora.example", "Ada Wanjiku", Role.OWNER, AURORA),
    SampleUser("vera@aurora.example", "Vera Otieno", Role.VIEWER, AURORA),
    SampleUser("bjorn@boreal.example", "Bjørn Dahl", Role.OWNER, BOREAL),
    SampleUser("finance@scrip.example", "Fina Ledger", Role.FINANCE),
    SampleUser("catalog@scrip.example", "Cato Price", Role.OPERATOR),
)

PACKAGES = (("Starter", 100, 0), ("Business", 500, 0), ("Enterprise", 2000, 0), ("Premium", 5000, 250))

ADD_ORGANIZATION = """
INSERT INTO organizations (id, slug, name, contact_email, address, tax_id) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING RETURNING id
"""
ADD_USER = """
INSERT INTO users (id, organization_id, email, name, password_hash, permissions, role, user_type)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'institution') ON CONFLICT DO NOTHING RETURNING id
"""
ADD_PACKAGE = """
INSERT INTO token_packages (id, name, token_quantity, bonus_tokens, description, display_order)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING id
"""


async def add_organizations(settings: Settings) -> None:
    for one in ORGANIZATIONS:
        async with transaction() as db:
            made = await db.fetch_one(ADD_ORGANIZATION, one.id, one.slug, one.name, one.email, one.address, one.tax_id)
            if made is not None:
                await _audit(db, one.id, "organization", one.id)
        await ensure_wallet(one.id, wallet_defaults(settings))


async def add_users() -> None:
    for user in USERS:
        user_id = derived_id("user", user.email)
        owner = None if user.organization is None else user.organization.id
        async with transaction() as db:
            if await db.fetch_one("SELECT 1 AS here FROM users WHERE id = $1", user_id) is not None:
                continue
            hashed = await hash_password(PASSWORD)
            made = await db.fetch_one(
                ADD_USER, user_id, owner, user.email, user.name, hashed, user.permissions, user.role.value
            )
            if made is not None:
                await _audit(db, owner, "user", user_id)


async def add_packages() -> None:
    for order, (name, tokens, bonus) in enumerate(PACKAGES, start=1):
        package_id = derived_id("package", name)
        description = f"{tokens} tokens" + (f" and {bonus} on top" if bonus else "")
        async with transaction() as db:
            made = await db.fetch_one(
                ADD_PACKAGE, package_id, name, Decimal(tokens), Decimal(bonus), description, order
            )
            if made is not None:
                await _audit(db, None, "package", package_id)


async def add_payment_methods(gateway: PaymentGateway) -> list[dict[str, object]]:
    made: list[dict[str, object]] = []
    for one in ORGANIZATIONS:
        for token in one.methods:
            told = await gateway.describe_method(token)
            new = NewPaymentMethod(
                one.id, gateway.name, token, told.kind, told.brand, told.last4, told.expires_month, told.expires_year
            )
            view = await add_payment_method(new, actor=SCRIP_ITSELF)
            made.append(
                {
                    "id": global_id("PaymentMethod", view.id),
                    "organization_id": global_id("Organization", one.id),
                    "gateway_token": token,
                }
            )
    return made


async def welcome_grants() -> None:
    """Something to spend before anything was bought."""
    for one in ORGANIZATIONS:
        order = GrantOrder(one.id, Decimal(25), LotKind.PROMO, "Welcome", "welcome", SCRIP_ITSELF)
        await grant(order, at=datetime.now(UTC))


async def _audit(db: Connection, organization_id: UUID | None, resource: str, resource_id: UUID) -> None:
    await audit.record(
        db,
        organization_id,
        action=f"{resource}.created",
        resource=resource,
        resource_id=resource_id,
        actor=SCRIP_ITSELF,
    )


def described_users() -> list[dict[str, object]]:
    return [
        {
            "email": user.email,
            "password": PASSWORD,
            "name": user.name,
            "organization": None if user.organization is None else user.organization.slug,
            "organization_id": None if user.organization is None else global_id("Organization", user.organization.id),
            "role": user.role.value,
            "permissions": [permission.value for permission in user.permissions],
        }
        for user in USERS
    ]


async def load(settings: Settings) -> dict[str, object]:
    """Everything is there; returns what there is, with global ids."""
    gateways = build_gateways(settings)
    try:
        async with open_database(settings.database_url.get_secret_value(), 2, application_name="scrip-sample-data"):
            await add_organizations(settings)
            await add_users()
            await add_packages()
            await add_catalogue(datetime.now(UTC))
            methods = await add_payment_methods(gateways["sandbox"])
            await welcome_grants()
            async with transaction() as db:
                packages = await packages_on_sale(db)
    finally:
        await gateways.aclose()
    return {
        "organizations": [
            {"id": global_id("Organization", one.id), "slug": one.slug, "name": one.name} for one in ORGANIZATIONS
        ],
        "users": described_users(),
        "packages": [
            {
                "id": global_id("TokenPackage", view.id),
                "name": view.name,
                "tokens": None if view.tokens is None else f"{view.tokens:f}",
            }
            for view in packages
        ],
        "payment_methods": methods,
    }


def main() -> int:
    settings = load_settings()
    if settings.environment is Environment.PRODUCTION:
        sys.stderr.write("Sample data is not for production\n")
        return 2
    sys.stdout.write(json.dumps(asyncio.run(load(settings))) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
