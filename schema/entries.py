"""Entries of a wallet's history, what they drew, and lots, as the API shows them."""

from datetime import datetime
from decimal import Decimal
from typing import Self

import strawberry

from models.lots import LotView
from models.wallets import DrawView, EntryView
from schema.context import Info
from schema.enums import EntryKind, LotKind
from schema.ids import global_id
from schema.money import Money, money
from schema.nodes import Node


@strawberry.type(description="How many tokens an entry took from one lot, or put into it.")
class Draw:
    lot_id: strawberry.ID = strawberry.field(description="The lot.")
    lot_kind: LotKind = strawberry.field(description="Where the lot's tokens came from.")
    tokens: Decimal = strawberry.field(description="Positive when taken, negative when put in. At most 4 places.")

    @classmethod
    def of(cls, view: DrawView) -> Self:
        return cls(lot_id=global_id("Lot", view.lot_id), lot_kind=LotKind(view.kind), tokens=view.tokens)


@strawberry.type(description="One change of a wallet. Entries are never changed or removed.")
class WalletEntry(Node):
    sequence: int = strawberry.field(description="1, 2, 3 … within the wallet, without gaps.")
    kind: EntryKind = strawberry.field(description="What it is about.")
    tokens: Decimal = strawberry.field(description="Signed change of available + held tokens.")
    held_tokens: Decimal = strawberry.field(description="Signed change of held tokens.")
    available_before: Decimal = strawberry.field(description="Available tokens before it.")
    available_after: Decimal = strawberry.field(description="Available tokens after it.")
    held_after: Decimal = strawberry.field(description="Held tokens after it.")
    reference_type: str | None = strawberry.field(description='What kind of thing it was for, such as "purchase".')
    reference_id: str | None = strawberry.field(description="Which one.")
    description: str = strawberry.field(description="The caller's words.")
    actor: str = strawberry.field(description='Who did it: "user/…", or "scrip" itself.')
    occurred_at: datetime = strawberry.field(description="When it happened.")
    recorded_at: datetime = strawberry.field(description="When it was written down.")

    @classmethod
    def of(cls, view: EntryView) -> Self:
        return cls(
            key=view.id,
            sequence=view.sequence,
            kind=EntryKind(view.change_type),
            tokens=view.change_amount,
            held_tokens=view.held_change,
            available_before=view.balance_before,
            available_after=view.balance_after,
            held_after=view.held_after,
            reference_type=view.reference_type,
            reference_id=view.reference_id,
            description=view.description,
            actor=view.actor,
            occurred_at=view.occurred_at,
            recorded_at=view.recorded_at,
        )

    @strawberry.field(description="Which lots it drew from or put tokens into.")
    async def draws(self, info: Info) -> list[Draw]:
        return [Draw.of(view) for view in await info.context.loaders.draws.load(self.key)]


@strawberry.type(description="Tokens from one purchase or grant, spent in the order the documentation states.")
class Lot(Node):
    kind: LotKind = strawberry.field(description="Where the tokens came from.")
    granted_tokens: Decimal = strawberry.field(description="How many there were.")
    remaining_tokens: Decimal = strawberry.field(
        description="How many are left now, held ones included. What has expired is not left, booked or not."
    )
    held_tokens: Decimal = strawberry.field(description="How many of them are held by holds that are not over.")
    unit_cost: Decimal = strawberry.field(description="What one token cost before tax, at most 6 places; 0 when free.")
    cost: Money = strawberry.field(description="What was paid for the lot before tax.")
    priority: int = strawberry.field(description="0 to 100; lower burns first.")
    effective_at: datetime = strawberry.field(description="From when it can be spent.")
    expires_at: datetime | None = strawberry.field(description="When what is left expires; null for never.")
    purchase_id: strawberry.ID | None = strawberry.field(description="The purchase it came from.")
    reason: str = strawberry.field(description="Why it was granted.")

    @classmethod
    def of(cls, view: LotView) -> Self:
        return cls(
            key=view.id,
            remaining_tokens=view.remaining_tokens,
            kind=LotKind(view.kind),
            granted_tokens=view.granted_tokens,
            held_tokens=view.held_tokens,
            unit_cost=view.unit_cost,
            cost=money(view.cost, view.currency),
            priority=view.priority,
            effective_at=view.effective_at,
            expires_at=view.expires_at,
            purchase_id=global_id("Purchase", view.purchase_id) if view.purchase_id else None,
            reason=view.reason,
        )
