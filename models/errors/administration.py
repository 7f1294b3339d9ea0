"""What is refused of the settings of a wallet."""

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from models.errors.refusals import Refusal


@dataclass(eq=False)
class InvalidSetting(Refusal):
    """Outside of what a setting may be; nothing was changed, the other settings of the request neither."""

    code: ClassVar[str] = "INVALID_SETTING"
    setting: str
    minimum: Decimal
    maximum: Decimal
    decimal_places: int

    def sentence(self) -> str:
        return (
            f"{self.setting} must be between {self.minimum:f} and {self.maximum:f}"
            f" with at most {self.decimal_places} decimal places."
        )


@dataclass(eq=False)
class SettingNotAllowed(Refusal):
    """The caller may change settings, but not this one; nothing was changed."""

    code: ClassVar[str] = "SETTING_NOT_ALLOWED"
    setting: str
    permission: str

    def sentence(self) -> str:
        return f"Changing {self.setting} takes the permission {self.permission}."
