"""A page of each of many lists in one statement: what lists cost does not grow with the number of their owners."""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar
from uuid import UUID

from models.database import Connection

View = TypeVar("View")
OWNER = re.compile(r"\$1\b")


class Question:
    """A statement in the making about an owner, `$1`: its other arguments, and the places that stand for them.

    It has only the conditions that somebody asked for, because "this filter or none" can be served by no index at all.
    """

    def __init__(self, *args: object) -> None:
        self.args = list(args)

    def given(self, value: object) -> str:
        self.args.append(value)
        return f"${len(self.args) + 1}"


async def read_pages(
    db: Connection, page: str, owners: Sequence[UUID], *args: object, order: str, view: Callable[..., View]
) -> dict[UUID, list[View]]:
    """The rows that `page` answers for each owner, as `view` makes them of the columns, by owner.

    page    a statement about one owner, who is `$1` in it; `args` follow from `$2` on.
    order   how its rows are ordered, by columns it answers with.
    """
    found: dict[UUID, list[View]] = {owner: [] for owner in owners}
    if len(found) == 1:
        # Nearly always, and then the statement is faster as it stands: a page over HTTP by four tenths.
        (one,) = found
        return {one: [view(*row.values()) for row in await db.fetch(page, one, *args)]}
    each = OWNER.sub("owner.key", page)
    pages = f"unnest($1::uuid[]) AS owner (key) CROSS JOIN LATERAL ({each}) page"
    sql = f"SELECT owner.key AS whose, page.* FROM {pages} ORDER BY {order}"
    for row in await db.fetch(sql, list(found), *args):
        whose, *columns = row.values()
        found[whose].append(view(*columns))
    return found
