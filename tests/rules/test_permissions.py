"""Permissions as they are stored, and what an unknown one grants."""

import pytest

from rules.permissions import Permission, parse_permissions

STORED = [
    "tokens.view",
    "tokens.spend",
    "tokens.purchase",
    "tokens.configure",
    "finance.view",
    "finance.manage",
    "catalog.manage",
    "platform.admin",
]


def test_the_stored_names_are_these() -> None:
    assert [permission.value for permission in Permission] == STORED


@pytest.mark.parametrize("name", STORED)
def test_a_permission_grants_itself_and_nothing_else(name: str) -> None:
    assert [permission.value for permission in parse_permissions([name])] == [name]


@pytest.mark.parametrize(
    "name", ["", "*", "tokens.*", "TOKENS.VIEW", "tokens.view ", "TOKENS_VIEW", "tokens", "admin", "platform.admin\n"]
)
def test_an_unknown_name_grants_nothing(name: str) -> None:
    assert parse_permissions([name, "tokens.view"]) == {Permission.TOKENS_VIEW}


def test_no_names_grant_nothing_and_a_name_twice_grants_once() -> None:
    assert parse_permissions([]) == frozenset()
    assert parse_permissions(["tokens.view", "tokens.view"]) == {Permission.TOKENS_VIEW}
