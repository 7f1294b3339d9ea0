"""A person as the administrators of their organization see them, how people are named in inputs, and what is told to
whoever is out before their request is done."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Self

import strawberry

from models.members import NoLongerAllowed
from models.membership import MemberView
from schema.context import Info
from schema.edge.masking import ErrorCode, public_error

# From where it becomes a type of the schema; whoever shows it earlier registers it a second time.
from schema.edge.permissions import Need, Permission, forbidden
from schema.enums import Role
from schema.nodes import Node
from schema.scalars import clean_text

EMAIL_LENGTH_MAX = 254
NAME_LENGTH_MAX = 200
# What the letters can be sent to; whether anybody reads them there is for the owner of the address.
EMAIL = re.compile(r"[^\s@<>\",;]{1,64}@[^\s@<>\",;]+\.[^\s@<>\",;]+")


@strawberry.type(description="Somebody who may sign in to an organization, or could until they were removed.")
class Member(Node):
    email: str = strawberry.field(description="The address they sign in with.")
    name: str = strawberry.field(description="Their name.")
    role: Role | None = strawberry.field(
        description="The role their permissions were set by; null when they were set one by one."
    )
    permissions: list[Permission] = strawberry.field(description="What they may do.")
    is_active: bool = strawberry.field(description="Whether they may sign in; false when they were removed.")
    last_sign_in_at: datetime | None = strawberry.field(description="When they last did; null when they never did.")
    created_at: datetime = strawberry.field(description="When they were added first.")

    @classmethod
    def of(cls, view: MemberView) -> Self:
        return cls(
            key=view.id,
            email=view.email,
            name=view.name,
            role=view.role,
            permissions=sorted(view.permissions),
            is_active=view.is_active,
            last_sign_in_at=view.last_login,
            created_at=view.created_at,
        )


@contextmanager
def allowed_still(info: Info) -> Iterator[None]:
    """Around what lets others in or sends them away. Raises FORBIDDEN when the caller was sent away, or may do less,
    since their request was let in."""
    try:
        yield
    except NoLongerAllowed as lost:
        raise forbidden(Need(lost.permission, f"Mutation.{info.field_name}")) from lost


def clean_email(value: str, name: str) -> str:
    """An address that can be written to. Raises BAD_USER_INPUT."""
    text = clean_text(value, name, length_min=3, length_max=EMAIL_LENGTH_MAX)
    # What other letters are in lower case depends on who is asked, and an address must be one person's everywhere.
    if not text.isascii() or not EMAIL.fullmatch(text):
        raise public_error(f"{name} is not an e-mail address.", ErrorCode.BAD_USER_INPUT, field=name)
    return text
