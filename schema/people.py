"""A person as the administrators of their organisation see them, and how people are named in inputs."""

import re
from datetime import datetime
from typing import Self

import strawberry

from models.membership import MemberView
from schema.edge.masking import ErrorCode, public_error

# From where it becomes a type of the schema; whoever shows it earlier registers it a second time.
from schema.edge.permissions import Permission
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


def clean_email(value: str, name: str) -> str:
    """An address that can be written to. Raises BAD_USER_INPUT."""
    text = clean_text(value, name, length_min=3, length_max=EMAIL_LENGTH_MAX)
    if not EMAIL.fullmatch(text):
        raise public_error(f"{name} is not an e-mail address.", ErrorCode.BAD_USER_INPUT, field=name)
    return text
