"""What a member or an API key may do, and which ready-made roles bundle it.

There is no implication between permissions: who may configure may not thereby view.
"""

from enum import StrEnum


class Permission(StrEnum):
    """The `tokens.` ones hold within one's own organisation; the others are the platform's."""

    TOKENS_VIEW = "tokens.view"
    TOKENS_SPEND = "tokens.spend"
    TOKENS_PURCHASE = "tokens.purchase"
    TOKENS_CONFIGURE = "tokens.configure"
    FINANCE_VIEW = "finance.view"
    FINANCE_MANAGE = "finance.manage"
    CATALOG_MANAGE = "catalog.manage"
    PLATFORM_ADMIN = "platform.admin"


def parse_permissions(names: list[str]) -> frozenset[Permission]:
    """The known permissions among stored names; an unknown name grants nothing."""
    known = {permission.value for permission in Permission}
    return frozenset(Permission(name) for name in names if name in known)
