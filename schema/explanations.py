"""How a wallet's available number comes about: lot by lot, with the entries behind each."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Self
from uuid import UUID

import strawberry

from models.database import connection
from models.past import EntryBehind, LotThen, Sums, read_lots_then, read_sums
from rules.permissions import Permission
from schema.balances import AsOf, read_instant
from schema.context import Info
from schema.edge.costs import costs
from schema.edge.permissions import requires
from schema.enums import EntryKind, LotKind, LotState
from schema.filters import WithTokens
from schema.ids import global_id
from schema.money import at_token_places
from schema.pages import LOTS, After, Connection, First, moment_cursor, page_of, page_size, read_moment
from schema.scope import organization_of
from schema.tolls import HISTORY_UNITS
from schema.wallets import wallet_of


@strawberry.interface(
    description="Where granted tokens are at an instant. None is negative, and available = granted − spent − expired − "
    "refunded − removed − held − waiting."
)
class TokenSums:
    granted: Decimal = strawberry.field(description="Tokens that were bought, given or put in.")
    spent: Decimal = strawberry.field(description="Tokens that were used.")
    expired: Decimal = strawberry.field(description="Tokens whose time was over, whether or not it has been booked.")
    refunded: Decimal = strawberry.field(description="Tokens that were taken back by refunds.")
    removed: Decimal = strawberry.field(description="Tokens that were taken out by adjustments.")
    held: Decimal = strawberry.field(description="Tokens reserved by holds.")
    waiting: Decimal = strawberry.field(description="Tokens of lots whose time has not come.")
    available: Decimal = strawberry.field(description="What is left: tokens that can be spent or held.")


def shown_sums(sums: Sums) -> dict[str, Decimal]:
    """The sums as the API writes tokens."""
    names = ("granted", "spent", "expired", "refunded", "removed", "held", "waiting", "available")
    return {name: at_token_places(getattr(sums, name)) for name in names}


@strawberry.type(description="An entry that moved tokens of a lot.")
class LotEntry:
    entry_id: strawberry.ID = strawberry.field(description="The entry.")
    sequence: int = strawberry.field(description="Its place in the wallet's history.")
    kind: EntryKind = strawberry.field(description="What it is about.")
    tokens: Decimal = strawberry.field(description="Signed: what it put into the lot, negative when it took them.")
    occurred_at: datetime = strawberry.field(description="When it happened.")

    @classmethod
    def of(cls, view: EntryBehind) -> Self:
        return cls(
            entry_id=global_id("WalletEntry", view.id),
            sequence=view.sequence,
            kind=EntryKind(view.kind),
            tokens=at_token_places(view.tokens),
            occurred_at=view.occurred_at,
        )


@strawberry.type(description="What became of one lot's tokens up to an instant, and whether what is left counts.")
class LotExplanation(TokenSums):
    lot_key: strawberry.Private[UUID]
    as_of: strawberry.Private[datetime]
    kind: LotKind = strawberry.field(description="Where the tokens came from.")
    state: LotState = strawberry.field(description="Whether it counts, or why not.")
    priority: int = strawberry.field(description="0 to 100; lower burns first.")
    effective_at: datetime = strawberry.field(description="From when it can be spent.")
    expires_at: datetime | None = strawberry.field(description="When what is left expires; null for never.")

    @classmethod
    def of(cls, view: LotThen, as_of: datetime) -> Self:
        return cls(
            lot_key=view.id,
            as_of=as_of,
            kind=LotKind(view.kind),
            state=LotState(view.state),
            priority=view.priority,
            effective_at=view.effective_at,
            expires_at=view.expires_at,
            **shown_sums(view.sums),
        )

    @strawberry.field(description="The lot.")
    def lot_id(self) -> strawberry.ID:
        return global_id("Lot", self.lot_key)

    @strawberry.field(
        description="The newest five entries behind it up to the instant; all of them are `wallet.entries(lotId:)`."
    )
    async def entries(self, info: Info) -> list[LotEntry]:
        views = await info.context.loaders.entries_behind.load((self.lot_key, self.as_of))
        return [LotEntry.of(view) for view in views]


@strawberry.type(description="How the available number of a wallet comes about: the sums over its lots, and each lot.")
class BalanceExplanation(TokenSums):
    wallet_key: strawberry.Private[UUID]
    as_of: datetime = strawberry.field(description="The instant that is explained.")

    @strawberry.field(description="Each lot that was in the wallet at the instant, newest first.")
    async def lots(
        self, first: First = 20, after: After = None, with_tokens: WithTokens = None
    ) -> Connection[LotExplanation]:
        size, before = page_size(first), read_moment(after, of=LOTS)
        async with connection() as db:
            views = await read_lots_then(
                db, self.wallet_key, at=self.as_of, limit=size + 1, before=before, with_tokens=with_tokens
            )
        rows = [
            (moment_cursor(view.created_at, view.id, of=LOTS), LotExplanation.of(view, self.as_of)) for view in views
        ]
        return page_of(rows, size, continued=after is not None)


@strawberry.type
class ExplanationQueries:
    @strawberry.field(
        description="Why a wallet has the available tokens it has, now or at a past instant. Null when it is not the "
        "caller's.",
        directives=[*requires(Permission.TOKENS_VIEW), *costs(HISTORY_UNITS)],
    )
    async def explain_balance(
        self,
        info: Info,
        organization_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Whose wallet; null for the caller's own.")
        ] = None,
        as_of: AsOf = None,
    ) -> BalanceExplanation | None:
        instant = read_instant(info, as_of)
        owner = organization_of(info, organization_id)
        wallet = None if owner is None else await wallet_of(info, owner)
        if wallet is None:
            return None
        async with connection() as db:
            sums = await read_sums(db, wallet.key, at=instant)
        return BalanceExplanation(wallet_key=wallet.key, as_of=instant, **shown_sums(sums))
