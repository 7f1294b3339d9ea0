"""Subscriptions: what changes, as it changes, from the one feed.

Every event carries a cursor. A client that comes back with the last one it saw misses nothing and sees nothing twice.
"""

from collections.abc import AsyncGenerator
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Self
from uuid import UUID

import strawberry

from models.feed import Event
from models.hub import CursorUnknown
from models.topics import Topic
from rules.permissions import Permission
from rules.purchases import TERMINAL
from schema.context import Info
from schema.edge.masking import ErrorCode, public_error
from schema.edge.permissions import requires
from schema.enums import EntryKind, PurchaseStatus
from schema.ids import global_id
from schema.money import at_token_places
from schema.pages import FEED, read_sequence, sequence_cursor
from schema.purchases import Purchase, visible_purchase
from schema.scalars import Cursor
from schema.scope import organization_of

WALLET_TOPICS = (Topic.WALLET_CHANGED, Topic.WALLET_ADMINISTERED)

StreamAfter = Annotated[
    Cursor | None,
    strawberry.argument(description="The last cursor you saw: what came since is sent first. Null starts now."),
]


@strawberry.enum(description="What happened to a wallet.")
class WalletHappening(Enum):
    ENTRY = strawberry.enum_value("entry", description="An entry was booked.")
    SUSPENDED = strawberry.enum_value("suspended", description="It was suspended.")
    REACTIVATED = strawberry.enum_value("reactivated", description="It may be used again.")
    SETTINGS_CHANGED = strawberry.enum_value("settings_changed", description="It was set to something else.")


@strawberry.type(
    description="One entry of a wallet, as it happened, or a decision about it, with the balances right after it."
)
class WalletUpdate:
    cursor: Cursor = strawberry.field(description="For `after`, when you come back.")
    wallet_id: strawberry.ID = strawberry.field(description="The wallet.")
    happened: WalletHappening = strawberry.field(description="An entry, or which decision.")
    entry_id: strawberry.ID | None = strawberry.field(description="The entry; null for a decision.")
    sequence: int = strawberry.field(
        description="The entry's place in the wallet: gapless, so you can prove nothing is missing. A decision repeats "
        "that of the last entry."
    )
    kind: EntryKind | None = strawberry.field(description="What the entry is about; null for a decision.")
    tokens: Decimal = strawberry.field(description="Signed change of available + held tokens; 0 for a decision.")
    available: Decimal = strawberry.field(description="Available tokens right after it.")
    held: Decimal = strawberry.field(description="Held tokens right after it.")
    occurred_at: datetime = strawberry.field(description="When it happened.")

    @classmethod
    def of(cls, event: Event) -> Self:
        body = event.body
        is_entry = event.topic == Topic.WALLET_CHANGED
        return cls(
            cursor=sequence_cursor(event.seq, of=FEED),
            wallet_id=global_id("Wallet", UUID(str(body["wallet_id"]))),
            happened=WalletHappening.ENTRY if is_entry else WalletHappening(str(body["happened"])),
            entry_id=global_id("WalletEntry", UUID(str(body["entry_id"]))) if is_entry else None,
            sequence=int(str(body["sequence"])),
            kind=EntryKind(str(body["kind"])) if is_entry else None,
            tokens=at_token_places(Decimal(str(body["change"])) if is_entry else Decimal(0)),
            available=at_token_places(Decimal(str(body["available"]))),
            held=at_token_places(Decimal(str(body["held"]))),
            occurred_at=datetime.fromisoformat(str(body["occurred_at"])),
        )


@strawberry.type(description="A step of a purchase.")
class PurchaseProgress:
    cursor: Cursor = strawberry.field(description="The place of this step in the feed.")
    status: PurchaseStatus = strawberry.field(description="The status this step led to.")
    happened: str = strawberry.field(description='What happened: "placed", "processing", "completed" …')
    purchase: Purchase = strawberry.field(description="The purchase as it stands now.")


@strawberry.type
class Subscriptions:
    @strawberry.subscription(
        description="Every entry of an organization's wallet, and every decision about it, as it happens. An error "
        "when it is not the caller's.",
        directives=requires(Permission.TOKENS_VIEW),
    )
    async def wallet_updated(
        self,
        info: Info,
        organization_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Whose wallet; null for the caller's own.")
        ] = None,
        after: StreamAfter = None,
    ) -> AsyncGenerator[WalletUpdate, None]:
        owner = organization_of(info, organization_id)
        if owner is None:
            raise public_error("There is no such wallet.", ErrorCode.NOT_FOUND)
        seen = read_sequence(after, of=FEED)
        try:
            async for event in info.context.product.hub.subscribe(owner, WALLET_TOPICS, seen):
                yield WalletUpdate.of(event)
        except CursorUnknown:
            raise cursor_unknown() from None

    @strawberry.subscription(
        description="A purchase now and at each step, until it has ended. An error when it is not the caller's.",
        directives=requires(Permission.TOKENS_VIEW),
    )
    async def purchase_progress(
        self,
        info: Info,
        purchase_id: Annotated[strawberry.ID, strawberry.argument(description="The purchase.")],
    ) -> AsyncGenerator[PurchaseProgress, None]:
        hub = info.context.product.hub
        seen = hub.head
        view = await visible_purchase(info, purchase_id)
        if view is None:
            raise public_error("There is no such purchase.", ErrorCode.NOT_FOUND)
        status = PurchaseStatus(view.status)
        yield PurchaseProgress(
            cursor=sequence_cursor(seen, of=FEED), status=status, happened="now", purchase=Purchase.of(view)
        )
        if status in TERMINAL:
            return
        async for event in hub.subscribe(view.organization_id, [Topic.PURCHASE_CHANGED], seen):
            if event.body["purchase_id"] != str(view.id):
                continue
            latest = await visible_purchase(info, purchase_id) or view
            status = PurchaseStatus(str(event.body["status"]))
            yield PurchaseProgress(
                cursor=sequence_cursor(event.seq, of=FEED),
                status=status,
                happened=str(event.body["happened"]),
                purchase=Purchase.of(latest),
            )
            if status in TERMINAL:
                return


def cursor_unknown() -> Exception:
    """The error for a place in the feed from which nothing can be continued."""
    return public_error(
        "The feed no longer keeps this place. Read again what you show and start without after.",
        ErrorCode.CURSOR_UNKNOWN,
        field="after",
    )
