"""What a wallet held at an instant, now or past."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Self

import strawberry

from models import past
from schema.context import Info
from schema.edge.masking import ErrorCode, public_error
from schema.enums import LotKind
from schema.money import at_token_places

AsOf = Annotated[
    datetime | None,
    strawberry.argument(description="The instant, which must not be in the future; null for now. It is included."),
]


@strawberry.type(description="Tokens of one kind of lot at an instant.")
class KindBalance:
    kind: LotKind = strawberry.field(description="Where the tokens came from.")
    available: Decimal = strawberry.field(description="Tokens that could be spent or held.")
    held: Decimal = strawberry.field(description="Tokens reserved by holds.")

    @classmethod
    def of(cls, view: past.KindBalance) -> Self:
        return cls(kind=LotKind(view.kind), available=at_token_places(view.available), held=at_token_places(view.held))


@strawberry.type(
    description="What a wallet held at an instant, as it counted then: an expired lot had stopped counting, whether or "
    "not anybody had booked it."
)
class WalletBalance:
    as_of: datetime = strawberry.field(description="The instant.")
    available: Decimal = strawberry.field(description="Tokens that could be spent or held.")
    held: Decimal = strawberry.field(description="Tokens reserved by holds.")
    by_kind: list[KindBalance] = strawberry.field(description="The same by kind of lot; kinds without any left out.")

    @classmethod
    def of(cls, views: Sequence[past.KindBalance], as_of: datetime) -> Self:
        return cls(
            as_of=as_of,
            available=at_token_places(sum((view.available for view in views), Decimal(0))),
            held=at_token_places(sum((view.held for view in views), Decimal(0))),
            by_kind=[KindBalance.of(view) for view in views],
        )


def read_instant(info: Info, as_of: datetime | None) -> datetime:
    """The instant that is meant. Raises BAD_USER_INPUT for one in the future, which nobody can know."""
    now = info.context.now
    if as_of is not None and as_of > now:
        raise public_error("asOf must not be in the future.", ErrorCode.BAD_USER_INPUT, field="asOf")
    return as_of or now
