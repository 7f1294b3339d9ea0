"""What a member or an API key may do, which ready-made roles bundle it, and who may hand it out.

There is no implication between permissions: who may configure may not thereby view. Permissions are the truth; a role
says only how they were set.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum


class Permission(StrEnum):
    """The `tokens.` ones hold within one's own organization; the others are the platform's."""

    TOKENS_VIEW = "tokens.view"
    TOKENS_SPEND = "tokens.spend"
    TOKENS_PURCHASE = "tokens.purchase"
    TOKENS_CONFIGURE = "tokens.configure"
    FINANCE_VIEW = "finance.view"
    FINANCE_MANAGE = "finance.manage"
    CATALOG_MANAGE = "catalog.manage"
    PLATFORM_ADMIN = "platform.admin"


class Role(StrEnum):
    """The first four are for people of a customer, the others for people of the platform."""

    OWNER = "owner"
    BUYER = "buyer"
    SPENDER = "spender"
    VIEWER = "viewer"
    FINANCE = "finance"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"


# What stands in `users.role` of somebody whose permissions were set one by one.
NO_ROLE = "custom"

WITHIN_AN_ORGANIZATION = frozenset(
    {Permission.TOKENS_VIEW, Permission.TOKENS_SPEND, Permission.TOKENS_PURCHASE, Permission.TOKENS_CONFIGURE}
)
OF_THE_PLATFORM = frozenset(Permission) - WITHIN_AN_ORGANIZATION

# Finance and operators act in organizations that are not their own, which is what platform.admin allows.
ROLES: Mapping[Role, frozenset[Permission]] = {
    Role.OWNER: WITHIN_AN_ORGANIZATION,
    Role.BUYER: frozenset({Permission.TOKENS_VIEW, Permission.TOKENS_PURCHASE}),
    Role.SPENDER: frozenset({Permission.TOKENS_VIEW, Permission.TOKENS_SPEND}),
    Role.VIEWER: frozenset({Permission.TOKENS_VIEW}),
    Role.FINANCE: frozenset(
        {Permission.TOKENS_VIEW, Permission.FINANCE_VIEW, Permission.FINANCE_MANAGE, Permission.PLATFORM_ADMIN}
    ),
    Role.OPERATOR: frozenset(
        {
            Permission.TOKENS_VIEW,
            Permission.TOKENS_CONFIGURE,
            Permission.CATALOG_MANAGE,
            Permission.PLATFORM_ADMIN,
        }
    ),
    Role.ADMINISTRATOR: frozenset(Permission),
}


def parse_permissions(names: Iterable[str]) -> frozenset[Permission]:
    """The known permissions among stored names; an unknown name grants nothing."""
    known = {permission.value for permission in Permission}
    return frozenset(Permission(name) for name in names if name in known)


def role_of(name: str, permissions: frozenset[Permission]) -> Role | None:
    """The role a stored name stands for, as long as the permissions are still those of the role."""
    role = next((role for role in Role if role.value == name), None)
    return role if role is not None and ROLES[role] == permissions else None


def not_grantable(
    granter: frozenset[Permission], before: frozenset[Permission], after: frozenset[Permission]
) -> frozenset[Permission]:
    """The permissions that this granter may not give or take away; empty when the change is theirs to make.

    Nobody gives what they do not have, and what is the platform's is given and taken by its administrators only.
    Administrators may give anything, or nobody could give a new customer's first member what no customer has given yet.
    """
    if Permission.PLATFORM_ADMIN in granter:
        return frozenset()
    return (after - before - granter) | ((after ^ before) & OF_THE_PLATFORM)


def not_delegable(creator: frozenset[Permission], scopes: frozenset[Permission]) -> frozenset[Permission]:
    """The scopes that a key of this creator's may not have: what they lack themselves, and what is the platform's."""
    return scopes - (creator & WITHIN_AN_ORGANIZATION)
