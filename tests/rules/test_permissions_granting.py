"""Who may hand out which permission, and what the roles bundle."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.permissions import (
    OF_THE_PLATFORM,
    ROLES,
    WITHIN_AN_ORGANIZATION,
    Permission,
    Role,
    not_delegable,
    not_grantable,
    role_of,
)

VIEW, SPEND, PURCHASE, CONFIGURE = (
    Permission.TOKENS_VIEW,
    Permission.TOKENS_SPEND,
    Permission.TOKENS_PURCHASE,
    Permission.TOKENS_CONFIGURE,
)
FINANCE, ADMIN = Permission.FINANCE_VIEW, Permission.PLATFORM_ADMIN
NOTHING: frozenset[Permission] = frozenset()

some_permissions = st.frozensets(st.sampled_from(Permission))


def test_the_roles_bundle_these() -> None:
    assert {role.value: sorted(permissions) for role, permissions in ROLES.items()} == {
        "owner": ["tokens.configure", "tokens.purchase", "tokens.spend", "tokens.view"],
        "buyer": ["tokens.purchase", "tokens.view"],
        "spender": ["tokens.spend", "tokens.view"],
        "viewer": ["tokens.view"],
        "finance": ["finance.manage", "finance.view", "platform.admin", "tokens.view"],
        "operator": ["catalog.manage", "platform.admin", "tokens.configure", "tokens.view"],
        "administrator": sorted(Permission),
    }


@pytest.mark.parametrize("role", Role)
def test_a_role_of_a_customer_holds_nothing_of_the_platform(role: Role) -> None:
    of_the_platform = {Role.FINANCE, Role.OPERATOR, Role.ADMINISTRATOR}
    assert bool(ROLES[role] & OF_THE_PLATFORM) == (role in of_the_platform)


@pytest.mark.parametrize(
    ("name", "permissions", "role"),
    [
        ("viewer", {VIEW}, Role.VIEWER),
        ("viewer", {VIEW, SPEND}, None),
        ("owner", {VIEW}, None),
        ("custom", {VIEW}, None),
        ("member", {VIEW}, None),
        ("", {VIEW}, None),
    ],
)
def test_a_role_is_told_only_while_it_is_true(name: str, permissions: set[Permission], role: Role | None) -> None:
    assert role_of(name, frozenset(permissions)) == role


@pytest.mark.parametrize(
    ("granter", "before", "after", "refused"),
    [
        ({CONFIGURE, VIEW}, set(), {VIEW}, set()),
        ({CONFIGURE, VIEW}, set(), {VIEW, SPEND}, {SPEND}),
        ({CONFIGURE, VIEW}, {SPEND}, {SPEND, VIEW}, set()),  # what was there already is not given
        ({CONFIGURE, VIEW}, {SPEND}, set(), set()),  # what is one's organization's may be taken away
        ({CONFIGURE, FINANCE}, set(), {FINANCE}, {FINANCE}),  # having it is not enough for what is the platform's
        ({CONFIGURE, FINANCE}, {FINANCE}, set(), {FINANCE}),  # nor to take it away
        ({CONFIGURE}, {FINANCE}, {FINANCE, CONFIGURE}, set()),
        ({CONFIGURE}, set(), {ADMIN}, {ADMIN}),
        ({ADMIN}, set(), set(Permission), set()),
        ({ADMIN}, set(Permission), set(), set()),
    ],
)
def test_nobody_hands_out_what_is_not_theirs(
    granter: set[Permission], before: set[Permission], after: set[Permission], refused: set[Permission]
) -> None:
    assert not_grantable(frozenset(granter), frozenset(before), frozenset(after)) == refused


@given(some_permissions, some_permissions, some_permissions)
def test_no_chain_of_grants_leads_to_more_than_somebody_has(
    granter: frozenset[Permission], before: frozenset[Permission], after: frozenset[Permission]
) -> None:
    if ADMIN not in granter and not not_grantable(granter, before, after):
        assert after - before <= granter & WITHIN_AN_ORGANIZATION


@given(some_permissions, some_permissions)
def test_a_key_never_has_more_than_its_creator_nor_anything_of_the_platform(
    creator: frozenset[Permission], scopes: frozenset[Permission]
) -> None:
    refused = not_delegable(creator, scopes)
    assert scopes - refused <= creator
    assert (scopes - refused) & OF_THE_PLATFORM == NOTHING
    assert refused <= scopes


def test_an_administrators_key_has_no_more_than_the_administrator_has_of_tokens() -> None:
    assert not_delegable(frozenset({ADMIN, VIEW}), frozenset({VIEW, SPEND, ADMIN})) == {SPEND, ADMIN}
