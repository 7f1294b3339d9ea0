"""Refusals of a wallet's settings as the API tells them."""

from decimal import Decimal
from typing import Any

import strawberry

from models import errors
from rules.permissions import Permission
from schema.edge.permissions import GraphQLPermission
from schema.enums import WalletSetting
from schema.problems.problem import Problem, Shown


@strawberry.type(description="Outside of what the setting may be; nothing was changed.")
class InvalidSetting(Problem):
    setting: WalletSetting = strawberry.field(description="Which setting.")
    minimum: Decimal = strawberry.field(description="The least it may be.")
    maximum: Decimal = strawberry.field(description="The most it may be.")
    decimal_places: int = strawberry.field(description="The most decimal places it may have.")


@strawberry.type(description="The caller may change settings, but not this one; nothing was changed.")
class SettingNotAllowed(Problem):
    setting: WalletSetting = strawberry.field(description="Which setting.")
    permission: Permission = strawberry.field(description="A permission that would allow it.")


def _invalid_setting(refusal: errors.InvalidSetting) -> dict[str, Any]:
    return {
        "setting": WalletSetting(refusal.setting),
        "minimum": refusal.minimum,
        "maximum": refusal.maximum,
        "decimal_places": refusal.decimal_places,
    }


def _not_allowed(refusal: errors.SettingNotAllowed) -> dict[str, Any]:
    return {"setting": WalletSetting(refusal.setting), "permission": GraphQLPermission(refusal.permission)}


PROBLEMS: Shown = {
    errors.InvalidSetting: (InvalidSetting, _invalid_setting),
    errors.SettingNotAllowed: (SettingNotAllowed, _not_allowed),
}
