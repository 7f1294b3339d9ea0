"""Organizations, as they see themselves and as the platform keeps them."""

import re
from datetime import datetime
from typing import Annotated, Self, TypeAlias
from uuid import UUID

import strawberry

from models import errors
from models.database import connection
from models.intentions import Intention
from models.organizations import (
    NewOrganization,
    OrganizationChange,
    OrganizationView,
    change_organization,
    create_organization,
    read_organization,
    read_organizations,
    set_active,
)
from rules.identity import fingerprint
from rules.permissions import Permission
from schema.context import Info
from schema.edge.masking import ErrorCode, public_error
from schema.edge.permissions import requires
from schema.ids import read_id
from schema.members import WithRemoved, members_of
from schema.nodes import Node
from schema.pages import ORGANIZATIONS, After, Connection, First, moment_cursor, page_of, page_size, read_moment
from schema.people import NAME_LENGTH_MAX, Member, clean_email
from schema.problems import IdempotencyConflict, OrganizationNotFound, SlugTaken
from schema.scalars import clean_text, read_key
from schema.scope import acting_person, organization_of, required_organization

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
SLUG_LENGTH_MAX = 63
ADDRESS_LENGTH_MAX = 500
TAX_ID_LENGTH_MAX = 50


@strawberry.type(description="A customer of Scrip.")
class Organization(Node):
    name: str = strawberry.field(description="Its name, as on invoices.")
    slug: str = strawberry.field(description="Short and unique, for addresses.")
    contact_email: str = strawberry.field(description="Where letters about money go.")
    address: str = strawberry.field(description="Its address, as on invoices.")
    tax_id: str | None = strawberry.field(description="Its tax number, as on invoices; null when it has none.")
    is_active: bool = strawberry.field(description="Whether its people may sign in and its keys work.")
    created_at: datetime = strawberry.field(description="When it became a customer.")

    @classmethod
    def of(cls, view: OrganizationView) -> Self:
        return cls(
            key=view.id,
            name=view.name,
            slug=view.slug,
            contact_email=view.contact_email,
            address=view.address,
            tax_id=view.tax_id,
            is_active=view.is_active,
            created_at=view.created_at,
        )

    @strawberry.field(
        description="Who may sign in to it, newest first.", directives=requires(Permission.TOKENS_CONFIGURE)
    )
    async def members(
        self, info: Info, first: First = 20, after: After = None, removed: WithRemoved = False
    ) -> Connection[Member]:
        return await members_of(info, self.key, first, after, removed=removed)


@strawberry.input(description="A customer to be, made once.")
class CreateOrganizationInput:
    slug: str = strawberry.field(description="1 to 63 small letters, digits and hyphens between them; unique for good.")
    name: str = strawberry.field(description="Its name, as on invoices, 1 to 200 characters.")
    contact_email: str = strawberry.field(description="Where letters about money go.")
    idempotency_key: str = strawberry.field(description="Your own name for this. The same one never makes two.")
    address: str = strawberry.field(default="", description="As on invoices, up to 500 characters.")
    tax_id: str | None = strawberry.field(default=None, description="Up to 50 characters; null when it has none.")


@strawberry.input(description="What is to be different. What is left out, or null, stays as it is.")
class UpdateOrganizationInput:
    organization_id: strawberry.ID = strawberry.field(description="Which organization.")
    name: str | None = strawberry.field(default=None, description="As on invoices, 1 to 200 characters.")
    contact_email: str | None = strawberry.field(default=None, description="Where letters about money go.")
    address: str | None = strawberry.field(default=None, description="As on invoices, up to 500 characters.")
    tax_id: str | None = strawberry.field(default=None, description="Up to 50 characters; empty for none.")


@strawberry.input(description="What is to be different. What is left out, or null, stays as it is.")
class UpdateContactDataInput:
    contact_email: str | None = strawberry.field(default=None, description="Where letters about money go.")
    address: str | None = strawberry.field(default=None, description="As on invoices, up to 500 characters.")
    organization_id: strawberry.ID | None = strawberry.field(default=None, description="Null for the caller's own.")


@strawberry.input(description="Which organization.")
class OrganizationInput:
    organization_id: strawberry.ID = strawberry.field(description="The organization.")


@strawberry.type(description="The organization exists.")
class CreateOrganizationSuccess:
    organization: Organization = strawberry.field(description="The organization as it is now.")
    replayed: bool = strawberry.field(description="Whether it had been made before under this `idempotencyKey`.")


@strawberry.type(description="The organization as it is now.")
class OrganizationSuccess:
    organization: Organization = strawberry.field(description="The organization.")


CreateOrganizationResult: TypeAlias = Annotated[
    CreateOrganizationSuccess | SlugTaken | IdempotencyConflict, strawberry.union("CreateOrganizationResult")
]
UpdateOrganizationResult: TypeAlias = Annotated[
    OrganizationSuccess | OrganizationNotFound, strawberry.union("UpdateOrganizationResult")
]
UpdateContactDataResult: TypeAlias = Annotated[
    OrganizationSuccess | OrganizationNotFound, strawberry.union("UpdateContactDataResult")
]
DeactivateOrganizationResult: TypeAlias = Annotated[
    OrganizationSuccess | OrganizationNotFound, strawberry.union("DeactivateOrganizationResult")
]
ReactivateOrganizationResult: TypeAlias = Annotated[
    OrganizationSuccess | OrganizationNotFound, strawberry.union("ReactivateOrganizationResult")
]


def new_organization(input: CreateOrganizationInput) -> tuple[NewOrganization, Intention]:
    """The organization and the intention in the words of the models. Raises BAD_USER_INPUT."""
    slug = input.slug.strip()
    if len(slug) > SLUG_LENGTH_MAX or not SLUG.fullmatch(slug):
        message = f"slug must have 1 to {SLUG_LENGTH_MAX} small letters, digits and hyphens between them."
        raise public_error(message, ErrorCode.BAD_USER_INPUT, field="slug")
    new = NewOrganization(
        slug=slug,
        name=clean_text(input.name, "name", length_min=1, length_max=NAME_LENGTH_MAX),
        contact_email=clean_email(input.contact_email, "contactEmail"),
        address=clean_text(input.address, "address", length_max=ADDRESS_LENGTH_MAX),
        tax_id=_given(input.tax_id, "taxId", TAX_ID_LENGTH_MAX) or None,
    )
    asked = {"slug": slug, "name": new.name, "email": new.contact_email, "address": new.address, "tax_id": new.tax_id}
    return new, Intention("createOrganization", read_key(input.idempotency_key), fingerprint(asked))


def organization_key(organization_id: str) -> UUID:
    """Raises OrganizationNotFound for an id of anything else."""
    found = read_id(organization_id, "Organization")
    if found is None:
        raise errors.OrganizationNotFound
    return found


def _given(value: str | None, name: str, length_max: int, *, length_min: int = 0) -> str | None:
    return None if value is None else clean_text(value, name, length_min=length_min, length_max=length_max)


def _given_email(value: str | None) -> str | None:
    return None if value is None else clean_email(value, "contactEmail")


@strawberry.type
class OrganizationQueries:
    @strawberry.field(
        description="An organization; without an id the caller's own. Null when it is not the caller's.",
        directives=requires(Permission.TOKENS_VIEW),
    )
    async def organization(
        self,
        info: Info,
        id: Annotated[strawberry.ID | None, strawberry.argument(description="Which; null for one's own.")] = None,
    ) -> Organization | None:
        key = organization_of(info, id)
        if key is None:
            return None
        async with connection() as db:
            view = await read_organization(db, key)
        return None if view is None else Organization.of(view)

    @strawberry.field(
        description="All organizations, newest first, those that are not active too.",
        directives=requires(Permission.PLATFORM_ADMIN),
    )
    async def organizations(self, first: First = 20, after: After = None) -> Connection[Organization]:
        size, before = page_size(first), read_moment(after, of=ORGANIZATIONS)
        async with connection() as db:
            views = await read_organizations(db, limit=size + 1, before=before)
        rows = [(moment_cursor(view.created_at, view.id, of=ORGANIZATIONS), Organization.of(view)) for view in views]
        return page_of(rows, size, continued=after is not None)


@strawberry.type
class OrganizationMutations:
    @strawberry.mutation(
        description="Make a customer. Let its first member in with `addMember`.",
        directives=requires(Permission.PLATFORM_ADMIN),
    )
    async def create_organization(
        self,
        info: Info,
        input: Annotated[CreateOrganizationInput, strawberry.argument(description="The customer to be.")],
    ) -> CreateOrganizationResult:
        new, intention = new_organization(input)
        view, replayed = await create_organization(new, intention, by=info.context.caller())
        return CreateOrganizationSuccess(organization=Organization.of(view), replayed=replayed)

    @strawberry.mutation(
        description="Change what stands about an organization, its name and tax number included. Issued invoices stay "
        "as they are.",
        directives=requires(Permission.PLATFORM_ADMIN),
    )
    async def update_organization(
        self,
        info: Info,
        input: Annotated[UpdateOrganizationInput, strawberry.argument(description="What is to be different.")],
    ) -> UpdateOrganizationResult:
        change = OrganizationChange(
            name=_given(input.name, "name", NAME_LENGTH_MAX, length_min=1),
            contact_email=_given_email(input.contact_email),
            address=_given(input.address, "address", ADDRESS_LENGTH_MAX),
            tax_id=_given(input.tax_id, "taxId", TAX_ID_LENGTH_MAX),
        )
        view = await change_organization(organization_key(input.organization_id), change, by=info.context.caller())
        return OrganizationSuccess(organization=Organization.of(view))

    @strawberry.mutation(
        description="Change how an organization is reached. Who it is, by name and tax number, the platform changes.",
        directives=requires(Permission.TOKENS_CONFIGURE),
    )
    async def update_contact_data(
        self,
        info: Info,
        input: Annotated[UpdateContactDataInput, strawberry.argument(description="What is to be different.")],
    ) -> UpdateContactDataResult:
        actor, _ = acting_person(info)
        owner = required_organization(info, input.organization_id)
        change = OrganizationChange(
            contact_email=_given_email(input.contact_email),
            address=_given(input.address, "address", ADDRESS_LENGTH_MAX),
        )
        return OrganizationSuccess(organization=Organization.of(await change_organization(owner, change, by=actor)))

    @strawberry.mutation(
        description="From the next request on nobody signs in to the organization and none of its keys works. It keeps "
        "what it has, and payments under way are settled.",
        directives=requires(Permission.PLATFORM_ADMIN),
    )
    async def deactivate_organization(
        self, info: Info, input: Annotated[OrganizationInput, strawberry.argument(description="Which.")]
    ) -> DeactivateOrganizationResult:
        return await _activated(info, input, is_active=False)

    @strawberry.mutation(
        description="The organization's people and keys may come in again.",
        directives=requires(Permission.PLATFORM_ADMIN),
    )
    async def reactivate_organization(
        self, info: Info, input: Annotated[OrganizationInput, strawberry.argument(description="Which.")]
    ) -> ReactivateOrganizationResult:
        return await _activated(info, input, is_active=True)


async def _activated(info: Info, input: OrganizationInput, *, is_active: bool) -> OrganizationSuccess:
    key = organization_key(input.organization_id)
    view = await set_active(key, is_active, by=info.context.caller())
    return OrganizationSuccess(organization=Organization.of(view))
