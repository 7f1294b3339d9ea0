"""The product's schema asked without a server, for what can only be seen from inside: statements and executors.

It has no Temporal and no feed; whoever asks for a workflow or a subscription falls over.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, cast

import pytest
from structlog.contextvars import get_contextvars

from models.actors import Actor
from models.database import Connection
from models.tills import Tills
from rules.permissions import Permission
from schema.context import Context, Product
from schema.edge.schema import EdgeSchema
from server import options_from, own_tokens
from settings import Settings
from tests.builders import Member, Organization


def context_for(member: Member, organization: Organization, *, now: datetime) -> Context:
    """A member's context, with every permission there is, at a time that stands still."""
    settings = Settings(_env_file=None)
    product = Product(
        options=options_from(settings),
        temporal=cast(Any, None),
        hub=cast(Any, None),
        tills=Tills(),
        tolls=cast(Any, None),
        gateways={},
        own_tokens=own_tokens(settings),
        issuer_tokens=None,
        clock=lambda: now,
    )
    actor = Actor(member.id, organization.id, frozenset(Permission), None, member.email)
    return Context(product, actor=actor)


async def data_of(schema: EdgeSchema, context: Context, query: str, **variables: Any) -> dict[str, Any]:
    """The data of an operation that must have no errors."""
    result = await schema.execute(query, variable_values=variables, context_value=context)
    assert result.errors is None, result.errors
    assert result.data is not None
    return result.data


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch, *, by: Member | None = None) -> Iterator[list[str]]:
    """The statements that reach the database while the block lasts. Where a whole product runs beside it, with its jobs
    and the gateway's events, those that a request of the member's makes once it is known whose it is."""
    asking = None if by is None else f"user/{by.id}"
    statements: list[str] = []

    def counting(name: str) -> None:
        original = getattr(Connection, name)

        async def wrapper(self: Connection, sql: str, *args: object) -> Any:
            if asking in (None, get_contextvars().get("actor")):
                statements.append(" ".join(sql.split()))
            return await original(self, sql, *args)

        patch.setattr(Connection, name, wrapper)

    with monkeypatch.context() as patch:
        for name in ("fetch", "fetch_one", "execute"):
            counting(name)
        yield statements
