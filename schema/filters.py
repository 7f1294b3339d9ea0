"""Which entries and lots somebody wants to see, asked the same way of a list and of an export."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import strawberry

from models.history import EntryFilter
from models.holds import HoldFilter
from models.lots import LotFilter
from schema.edge.masking import ErrorCode, public_error
from schema.enums import EntryKind, HoldStatus, LotKind
from schema.ids import read_id
from schema.scalars import clean_text, read_reference

ACTOR_MAX = 200

Kinds = Annotated[list[EntryKind] | None, strawberry.argument(description="Only entries of these kinds; null for all.")]
OccurredFrom = Annotated[
    datetime | None, strawberry.argument(description="Only what happened at this instant or later.")
]
OccurredUntil = Annotated[
    datetime | None,
    strawberry.argument(
        description="Only what happened before this instant. With an interval, entries come by when they happened."
    ),
]
ReferenceType = Annotated[
    str | None, strawberry.argument(description='Only for this kind of thing, such as "purchase"; 1 to 200 characters.')
]
ReferenceId = Annotated[
    str | None, strawberry.argument(description="Only for this one; only together with `referenceType`.")
]
ActorName = Annotated[
    str | None, strawberry.argument(description='Only by this actor, such as "scrip"; 1 to 200 characters.')
]
DrawnLot = Annotated[
    strawberry.ID | None, strawberry.argument(description="Only what took tokens from this lot, or put them into it.")
]
HoldStatuses = Annotated[
    list[HoldStatus] | None, strawberry.argument(description="Only holds in these states; null for all.")
]
LotKinds = Annotated[list[LotKind] | None, strawberry.argument(description="Only lots of these kinds; null for all.")]
WithTokens = Annotated[
    bool | None,
    strawberry.argument(
        description="True for lots with tokens left, held ones included; false for those without. What has expired is "
        "not left, whether or not it has been booked."
    ),
]
ExpiresBefore = Annotated[
    datetime | None, strawberry.argument(description="Only lots that expire, and before this instant.")
]


def entry_filter(
    kinds: Sequence[EntryKind] | None = None,
    occurred_from: datetime | None = None,
    occurred_until: datetime | None = None,
    reference_type: str | None = None,
    reference_id: str | None = None,
    actor: str | None = None,
    lot_id: str | None = None,
) -> EntryFilter | None:
    """The filter in the words of the models; None when `lot_id` is an id of nothing, which no entry has drawn on.

    Raises BAD_USER_INPUT for an interval that holds nothing, a reference's id without its type, and bad texts.
    """
    if occurred_from is not None and occurred_until is not None and occurred_from >= occurred_until:
        raise _bad("occurredUntil must be after occurredFrom.", "occurredUntil")
    thing = _reference(reference_type, reference_id)
    wanted = EntryFilter(
        kinds=tuple(kind.value for kind in kinds or ()),
        occurred_from=occurred_from,
        occurred_until=occurred_until,
        reference_type=thing[0],
        reference_id=thing[1],
        actor=None if actor is None else clean_text(actor, "actor", length_min=1, length_max=ACTOR_MAX),
        lot_id=None if lot_id is None else read_id(lot_id, "Lot"),
    )
    return None if lot_id is not None and wanted.lot_id is None else wanted


def hold_filter(
    statuses: Sequence[HoldStatus] | None, reference_type: str | None, reference_id: str | None
) -> HoldFilter:
    """The filter in the words of the models. Raises BAD_USER_INPUT for a reference without its type, and bad texts."""
    return HoldFilter(tuple(statuses or ()), *_reference(reference_type, reference_id))


def lot_filter(kinds: Sequence[LotKind] | None, with_tokens: bool | None, expires_before: datetime | None) -> LotFilter:
    """The filter in the words of the models."""
    return LotFilter(tuple(kind.value for kind in kinds or ()), with_tokens, expires_before)


def _reference(kind: str | None, key: str | None) -> tuple[str | None, str | None]:
    if key is not None and kind is None:
        raise _bad("referenceId needs its referenceType.", "referenceId")
    return read_reference(kind, "referenceType"), read_reference(key, "referenceId")


def _bad(message: str, field: str) -> Exception:
    return public_error(message, ErrorCode.BAD_USER_INPUT, field=field)
