"""A refusal, and how it is remembered: as JSON, to be told again to the same key."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import ClassVar, get_type_hints


@dataclass(eq=False)
class Refusal(Exception):
    """The domain says no. `code` is stable; the sentence is for people."""

    code: ClassVar[str] = "REFUSED"

    def __str__(self) -> str:
        return self.sentence()

    def sentence(self) -> str:
        return "The request was refused."


def all_refusals() -> dict[str, type[Refusal]]:
    """Every refusal by its code."""
    return {kind.code: kind for kind in Refusal.__subclasses__()}


def refusal_as_answer(refusal: Refusal) -> dict[str, object]:
    """The refusal as JSON, to be remembered: decimals and times as text."""
    values = {field.name: _as_text(getattr(refusal, field.name)) for field in fields(refusal)}
    return {"refused": refusal.code, **values}


def refusal_from_answer(answer: Mapping[str, object]) -> Refusal | None:
    """The refusal a remembered answer stands for, or None when the answer was a success."""
    if "refused" not in answer:
        return None
    kind = all_refusals()[str(answer["refused"])]
    types = get_type_hints(kind)
    values = {field.name: _from_text(types[field.name], answer[field.name]) for field in fields(kind)}
    return kind(**values)


def _as_text(value: object) -> object:
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value.isoformat() if isinstance(value, datetime) else value


def _from_text(kind: type, value: object) -> object:
    if kind is Decimal:
        return Decimal(str(value))
    return datetime.fromisoformat(str(value)) if kind is datetime else value
