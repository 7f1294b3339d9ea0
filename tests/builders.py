"""What tests need to exist, with defaults for everything a test does not care about."""

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from models.actors import Actor
from models.budgets import BudgetOrder, set_budget
from models.completion import complete_purchase
from models.database import transaction
from models.granting import GrantOrder, grant
from models.holding import HoldOrder, OrderAboutHold, ReleaseOrder
from models.intentions import Intention
from models.invoices import Seller
from models.keys import NewKey, create_key, hash_secret
from models.locking import lock_wallet
from models.notices import NewNotice, record
from models.outcomes import Booked, Held
from models.passwords import hash_password
from models.payment_methods import NewPaymentMethod, add_payment_method
from models.purchases import PurchaseOrder, PurchaseView, place
from models.quotes import Wish
from models.spending import SpendOrder, check_amount
from models.tills import Tills
from models.wallets import WalletDefaults, ensure_wallet
from rules.budgets import BudgetPeriod
from rules.identity import derived_id
from rules.lots import LotKind
from rules.notices import NoticeKind
from rules.payments import PaymentReport, PaymentStatus
from rules.permissions import parse_permissions
from schema.credentials import key_token, new_key_secret
from schema.ids import global_id, read_id

numbers = itertools.count(1)
SELLER = Seller("Scrip", "1 Quay Street, Mombasa", "KE-0", "billing@scrip.example")
PASSWORD = "correct horse battery staple"
HASHES: dict[str, str] = {}
EVERYTHING = ("tokens.view", "tokens.spend", "tokens.purchase", "tokens.configure")
PLATFORM = ("tokens.view", "finance.view", "finance.manage", "catalog.manage", "platform.admin")


@dataclass(frozen=True, slots=True)
class Organization:
    id: UUID
    name: str

    @property
    def global_id(self) -> str:
        return global_id("Organization", self.id)


@dataclass(slots=True)
class Member:
    id: UUID
    email: str
    organization: Organization | None
    permissions: tuple[str, ...]
    password: str = PASSWORD
    access_token: str | None = field(default=None, repr=False)


def defaults(
    *,
    price: str = "0.50",
    tax_rate: str = "0.16",
    currency: str = "USD",
    terms_days: int = 30,
    expires_after_days: int | None = None,
) -> WalletDefaults:
    return WalletDefaults(
        currency=currency,
        price_per_token=Decimal(price),
        tax_rate=Decimal(tax_rate),
        payment_terms_days=terms_days,
        expiration_enabled=expires_after_days is not None,
        expiration_days=expires_after_days or 365,
    )


async def an_organization(name: str = "Aurora Clinics", *, wallet: WalletDefaults | None = None) -> Organization:
    """An organization with an empty wallet."""
    number = next(numbers)
    organization_id = derived_id("organization", "test", number)
    async with transaction() as db:
        await db.execute(
            "INSERT INTO organizations (id, slug, name, contact_email, address, tax_id)"
            " VALUES ($1, $2, $3, $4, '12 Harbour Road, Nairobi', 'KE-1')",
            organization_id,
            f"organization-{number}",
            name,
            f"billing-{number}@aurora.example",
        )
    await ensure_wallet(organization_id, wallet or defaults())
    return Organization(organization_id, name)


async def a_member(
    organization: Organization | None, *, permissions: tuple[str, ...] = EVERYTHING, email: str | None = None
) -> Member:
    """Somebody who can sign in. Without an organization they are of the platform."""
    number = next(numbers)
    address = email or f"member-{number}@aurora.example"
    user_id = derived_id("user", "test", number)
    if PASSWORD not in HASHES:
        HASHES[PASSWORD] = await hash_password(PASSWORD)
    async with transaction() as db:
        await db.execute(
            "INSERT INTO users (id, organization_id, email, name, password_hash, permissions)"
            " VALUES ($1, $2, $3, 'Ada Wanjiku', $4, $5)",
            user_id,
            None if organization is None else organization.id,
            address,
            HASHES[PASSWORD],
            list(permissions),
        )
    return Member(user_id, address, organization, permissions)


async def a_program(
    organization: Organization,
    *,
    scopes: tuple[str, ...] = EVERYTHING,
    expires_at: datetime | None = None,
    at: datetime | None = None,
    maker: Member | None = None,
) -> Member:
    """A program that asks with an API key of an organization as a member asks with their token. Unless it is said who
    made the key, it was an owner who is not returned; the key's id is the program's."""
    maker = maker or await a_member(organization)
    number, secret = next(numbers), new_key_secret()
    new = NewKey(
        organization.id, f"Program {number}", parse_permissions(scopes), expires_at, hash_secret(secret), maker.id
    )
    actor = Actor(maker.id, organization.id, parse_permissions(maker.permissions), None)
    intention = Intention("createApiKey", f"program-{number}", "")
    view, _ = await create_key(new, intention, by=actor, at=at or datetime.now(UTC))
    return Member(view.id, "", organization, scopes, access_token=key_token(view.id, secret))


async def a_package(
    tokens: str = "100",
    *,
    name: str = "Starter",
    bonus: str = "0",
    price: str | None = None,
    currency: str = "USD",
    validity_days: int | None = None,
    is_active: bool = True,
) -> str:
    """A package; returns its global id."""
    package_id = derived_id("package", "test", next(numbers))
    async with transaction() as db:
        await db.execute(
            "INSERT INTO token_packages (id, name, token_quantity, bonus_tokens, price, currency, validity_days,"
            " is_active)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            package_id,
            name,
            Decimal(tokens),
            Decimal(bonus),
            None if price is None else Decimal(price),
            None if price is None else currency,
            validity_days,
            is_active,
        )
    return global_id("TokenPackage", package_id)


async def a_payment_method(organization: Organization, token: str = "pm_success", *, gateway: str = "sandbox") -> str:
    """A payment method of the sandbox; returns its global id. Its token is made the organization's own."""
    own_token = f"{token}:test-{next(numbers)}"
    view = await add_payment_method(
        NewPaymentMethod(organization.id, gateway, own_token, "card", "visa", "4242", 12, 2030), actor="scrip"
    )
    return global_id("PaymentMethod", view.id)


async def a_buyer(token: str = "pm_success") -> Member:
    """Somebody who may do everything in an organization of their own, which pays with a method of the sandbox."""
    organization = await an_organization()
    member = await a_member(organization)
    await a_payment_method(organization, token)
    return member


async def gives(
    organization: Organization,
    tokens: str,
    *,
    expires_at: datetime | None = None,
    priority: int = 50,
    at: datetime | None = None,
) -> None:
    """The organization has more tokens, in a lot of their own."""
    order = GrantOrder(
        organization.id,
        Decimal(tokens),
        LotKind.PROMO,
        "for a test",
        f"grant-{next(numbers)}",
        "scrip",
        expires_at=expires_at,
        priority=priority,
    )
    await grant(order, at=at or datetime.now(UTC))


async def spend(order: SpendOrder, *, at: datetime) -> Booked:
    """Tokens are spent by a process that does nothing else. Raises what the API would answer."""
    check_amount(order.tokens)
    booked = await Tills().ask(order, at=at)
    assert isinstance(booked, Booked)
    return booked


async def settle_hold(order: OrderAboutHold, *, at: datetime) -> Held:
    """A hold is made, captured, released or extended by a process that does nothing else."""
    held = await Tills().ask(order, at=at)
    assert isinstance(held, Held)
    return held


async def holds(
    organization: Organization,
    tokens: str,
    *,
    seconds: int = 300,
    actor: str = "user/test",
    at: datetime,
    key: str | None = None,
) -> UUID:
    """Tokens of the organization are held; returns the hold's id."""
    order = HoldOrder(
        organization_id=organization.id,
        key=key or f"hold-{next(numbers)}",
        actor=actor,
        tokens=Decimal(tokens),
        seconds=seconds,
    )
    return (await settle_hold(order, at=at)).hold.id


async def releases(organization: Organization, hold_id: UUID, *, at: datetime) -> None:
    """A hold of the organization is given up."""
    order = ReleaseOrder(
        organization_id=organization.id, key=f"release-{next(numbers)}", actor="user/test", hold_id=hold_id
    )
    await settle_hold(order, at=at)


async def sets_a_budget(
    organization: Organization,
    actor: str,
    limit: str,
    *,
    period: BudgetPeriod = BudgetPeriod.DAY,
    at: datetime,
) -> UUID:
    """The actor may use so many tokens of the organization in each window; returns the budget's id."""
    order = BudgetOrder(organization.id, actor, period, Decimal(limit), set_by="user/test")
    async with transaction() as db:
        wallet = await lock_wallet(db, organization.id, at=at)
        return (await set_budget(db, wallet, order, at=at)).id


async def a_notice(
    organization: Organization, lot: str, *, level: int = 30, tokens: str = "12", expires_at: datetime | None = None
) -> str:
    """A notice that tokens of a lot, by its global id, will probably be lost; returns its global id."""
    key = read_id(lot, "Lot")
    assert key is not None
    ends = expires_at or datetime.now(UTC) + timedelta(days=level)
    notice = NewNotice(
        organization.id, NoticeKind.TOKENS_EXPIRING, "lot", key, level=level, tokens=Decimal(tokens), expires_at=ends
    )
    async with transaction() as db:
        await record(db, notice)
    return global_id("Notice", notice.id)


async def an_order(
    organization: Organization, tokens: str = "100", *, package: str | None = None, at: datetime
) -> PurchaseView:
    """A pending purchase as the buying story places it, without the story; of a package when its global id is given."""
    package_id = None if package is None else read_id(package, "TokenPackage")
    wish = Wish(package_id, Decimal(tokens) if package_id is None else None)
    token = f"pm_success:{organization.id}"
    method = NewPaymentMethod(organization.id, "sandbox", token, "card", "visa", "4242", 12, 2030)
    await add_payment_method(method, actor="scrip")
    async with transaction() as db:
        return await place(db, PurchaseOrder(organization.id, wish, None, f"order-{next(numbers)}", "scrip"), at=at)


def captured(purchase: PurchaseView) -> PaymentReport:
    """What the gateway says when the money of a purchase has moved."""
    return PaymentReport(f"pay_{purchase.id}", PaymentStatus.CAPTURED, purchase.total_amount, purchase.currency)


async def is_paid(purchase: PurchaseView, *, at: datetime) -> str:
    """The purchase is completed without its story; returns its invoice's number."""
    async with transaction() as db:
        result = await complete_purchase(db, purchase.id, captured(purchase), seller=SELLER, at=at)
    return str(result["invoice_number"])
