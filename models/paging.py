"""A page of each of many lists in one statement: what lists cost does not grow with the number of their owners."""

import re
from collections.abc import Callable, Sequence
from typing import TypeVar
from uuid import UUID

from models.database import Connection

View = TypeVar("View")
OWNER = re.compile(r"\$1\b")


async def read_pages(
    db: Connection, page: str, owners: Sequence[UUID], *args: object, order: str, view: Callable[..., View]
) -> dict[UUID, list[View]]:
    """The rows that `page` answers for each owner, as `view` makes them of the columns, by owner.

    page    a statement about one owner, who is `$1` in it; `args` follow from `$2` on.
    order   how its rows are ordered, by columns it answers with.
    """
    found: dict[UUID, list[View]] = {owner: [] for owner in owners}
    each = OWNER.sub("owner.key", page)
    pages = f"unnest($1::uuid[]) AS owner (key) CROSS JOIN LATERAL ({each}) page"
    sql = f"SELECT owner.key AS whose, page.* FROM {pages} ORDER BY {order}"
    for row in await db.fetch(sql, list(found), *args):
        whose, *columns = row.values()
        found[whose].append(view(*columns))
    return found
