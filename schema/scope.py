"""Whose data a caller may touch. Not yours is not found, and no more is said about it."""

from uuid import UUID

from models.actors import Actor
from models.errors import OrganizationNotFound, TokenSystemDisabled, WalletNotFound
from rules.permissions import Permission
from schema.context import Info
from schema.edge.masking import ErrorCode, public_error
from schema.ids import read_id


def organization_of(info: Info, organization_id: str | None) -> UUID | None:
    """The organization that is meant, when the caller may see it; without an id the caller's own. None otherwise."""
    actor = info.context.caller()
    if organization_id is None:
        return actor.organization_id
    found = read_id(organization_id, "Organization")
    return found if found is not None and actor.may_see(found) else None


def wallet_owner(info: Info, organization_id: str | None) -> UUID:
    """As `organization_of`. Raises WalletNotFound."""
    found = organization_of(info, organization_id)
    if found is None:
        raise WalletNotFound
    return found


def required_organization(info: Info, organization_id: str | None) -> UUID:
    """As `organization_of`. Raises OrganizationNotFound."""
    found = organization_of(info, organization_id)
    if found is None:
        raise OrganizationNotFound
    return found


def membership_of(info: Info, organization_id: str | None) -> UUID | None:
    """The organization whose members are meant; without an id the caller's own, and for administrators who belong to
    none the platform itself, which is None. Raises OrganizationNotFound."""
    actor = info.context.caller()
    if organization_id is None and actor.organization_id is None and Permission.PLATFORM_ADMIN in actor.permissions:
        return None
    return required_organization(info, organization_id)


def acting_person(info: Info) -> tuple[Actor, UUID]:
    """The caller, who is a person, and their key. Raises FORBIDDEN for an API key: what lets others in is done by
    people, so that a key that was stolen cannot outlive its being revoked."""
    actor = info.context.caller()
    if actor.user_id is None:
        raise public_error("This is not for API keys; a person has to sign in.", ErrorCode.FORBIDDEN)
    return actor, actor.user_id


def refuse_when_disabled(info: Info) -> None:
    """Spending and buying can be switched off by the operators (ENABLE_TOKEN_SYSTEM). Raises TokenSystemDisabled."""
    if not info.context.product.options.token_system_enabled:
        raise TokenSystemDisabled
