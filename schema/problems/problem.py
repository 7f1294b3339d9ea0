"""What every refusal looks like in the API, and how its fields are filled from the domain's refusal."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import strawberry

from models.errors import Refusal

# The problem's type for a kind of refusal, and where the fields of its own come from.
Shown: TypeAlias = Mapping[type[Refusal], tuple[type[Any], Callable[[Any], dict[str, Any]]]]


@strawberry.interface(description="Why something was refused. Nothing has happened; the fields say what would help.")
class Problem:
    code: str = strawberry.field(description="Stable, for programs.")
    message: str = strawberry.field(description="One sentence, for people.")


def same(*names: str) -> Callable[[Any], dict[str, Any]]:
    """The fields that have the same name and value in both."""
    return lambda refusal: {name: getattr(refusal, name) for name in names}
