"""Holds: reserving tokens, and what becomes of them."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Self, TypeAlias
from uuid import UUID

import strawberry

from models import errors
from models.holding import (
    CaptureOrder,
    ExtendOrder,
    HoldOrder,
    OrderAboutHold,
    ReleaseOrder,
    check_seconds,
    held_before,
)
from models.holds import HoldView, PartView
from models.outcomes import Held
from models.spending import check_amount
from rules.holding import Hold as HoldState
from rules.holding import Purpose
from rules.permissions import Permission
from schema.context import Info
from schema.edge.permissions import requires
from schema.enums import CaptureExcess, HoldStatus, LotKind
from schema.ids import global_id, read_id
from schema.money import at_token_places
from schema.nodes import Node
from schema.problems import (
    BudgetExceeded,
    CaptureExceedsHold,
    HoldNotFound,
    HoldResolved,
    HoldTooLong,
    IdempotencyConflict,
    InsufficientTokens,
    InvalidHoldTime,
    InvalidTokens,
    InvalidUnits,
    OperationNotFound,
    TokenSystemDisabled,
    WalletBusy,
    WalletNotFound,
    WalletSuspended,
)
from schema.rated import amount_of, rates_for
from schema.scalars import clean_text, read_key, read_reference
from schema.scope import refuse_when_disabled, wallet_owner

HOLD_SECONDS = 300


@strawberry.type(description="How many of a hold's tokens are, or were, reserved in one lot.")
class HoldPart:
    lot_id: strawberry.ID = strawberry.field(description="The lot.")
    lot_kind: LotKind = strawberry.field(description="Where the lot's tokens came from.")
    tokens: Decimal = strawberry.field(description="Tokens reserved in it.")

    @classmethod
    def of(cls, view: PartView) -> Self:
        return cls(lot_id=global_id("Lot", view.lot_id), lot_kind=LotKind(view.kind), tokens=view.tokens)


@strawberry.type(description="Tokens reserved until they are captured, released, or their time is over.")
class Hold(Node):
    tokens: Decimal = strawberry.field(description="How many were reserved.")
    status: HoldStatus = strawberry.field(description="What became of it; one whose time is over has expired.")
    captured_tokens: Decimal = strawberry.field(description="Tokens that were spent by it in the end; 0 until then.")
    held_at: datetime = strawberry.field(description="When it was placed.")
    expires_at: datetime = strawberry.field(description="When it ends by itself.")
    resolved_at: datetime | None = strawberry.field(description="When it ended; null while it is held.")
    reference_type: str | None = strawberry.field(description='What it is for, such as "job".')
    reference_id: str | None = strawberry.field(description="Which one.")
    description: str = strawberry.field(description="The caller's words.")
    actor: str = strawberry.field(description='Who placed it: "user/…" or "key/…".')

    @classmethod
    def of(cls, view: HoldView) -> Self:
        return cls(
            key=view.id,
            tokens=view.tokens,
            status=view.status,
            captured_tokens=view.captured_tokens,
            held_at=view.held_at,
            expires_at=view.expires_at,
            resolved_at=view.resolved_at,
            reference_type=view.reference_type,
            reference_id=view.reference_id,
            description=view.description,
            actor=view.actor,
        )

    @classmethod
    def as_left(cls, hold: HoldState) -> Self:
        """The hold as a request has left it."""
        return cls(
            key=hold.id,
            tokens=at_token_places(hold.tokens),
            status=hold.status,
            captured_tokens=at_token_places(hold.captured),
            held_at=hold.held_at,
            expires_at=hold.expires_at,
            resolved_at=hold.resolved_at,
            reference_type=hold.purpose.reference_type,
            reference_id=hold.purpose.reference_id,
            description=hold.purpose.description,
            actor=hold.actor,
        )

    @strawberry.field(description="Which lots its tokens are reserved in, in the order in which they burn.")
    async def parts(self, info: Info) -> list[HoldPart]:
        return [HoldPart.of(view) for view in await info.context.loaders.parts.load(self.key)]


@strawberry.input(description="Tokens to be reserved, once.")
class HoldTokensInput:
    idempotency_key: str = strawberry.field(
        description="Your own name for this hold, 1 to 255 characters. The same key never holds twice."
    )
    tokens: Decimal | None = strawberry.field(default=None, description="More than 0, at most 4 decimal places.")
    operation: str | None = strawberry.field(
        default=None, description="Or an operation of the rate card, at its price in tokens now, with `units`."
    )
    units: Decimal | None = strawberry.field(
        default=None, description="How many units of the operation: more than 0, at most 6 decimal places."
    )
    ttl_seconds: int = strawberry.field(
        default=HOLD_SECONDS, description="How long it lasts unless it is resolved: 1 second to 30 days."
    )
    reference_type: str | None = strawberry.field(default=None, description='What it is for, such as "job".')
    reference_id: str | None = strawberry.field(default=None, description="Which one.")
    description: str = strawberry.field(default="", description="For people, up to 500 characters.")
    organization_id: strawberry.ID | None = strawberry.field(
        default=None, description="Whose; null for the caller's own."
    )


@strawberry.input(description="A hold to be spent, once.")
class CaptureHoldInput:
    hold_id: strawberry.ID = strawberry.field(description="The hold.")
    idempotency_key: str = strawberry.field(description="Your own name for this capture, 1 to 255 characters.")
    tokens: Decimal | None = strawberry.field(
        default=None, description="How many; null for all that is held. What is not captured returns to its lots."
    )
    when_more: CaptureExcess = strawberry.field(
        default=CaptureExcess.REJECT, description="What happens when it is more than what is held."
    )
    description: str = strawberry.field(default="", description="For people, up to 500 characters.")
    organization_id: strawberry.ID | None = strawberry.field(
        default=None, description="Whose; null for the caller's own."
    )


@strawberry.input(description="A hold to be given up, once.")
class ReleaseHoldInput:
    hold_id: strawberry.ID = strawberry.field(description="The hold.")
    idempotency_key: str = strawberry.field(description="Your own name for this release, 1 to 255 characters.")
    description: str = strawberry.field(default="", description="For people, up to 500 characters.")
    organization_id: strawberry.ID | None = strawberry.field(
        default=None, description="Whose; null for the caller's own."
    )


@strawberry.input(description="A hold to last longer.")
class ExtendHoldInput:
    hold_id: strawberry.ID = strawberry.field(description="The hold.")
    idempotency_key: str = strawberry.field(description="Your own name for this extension, 1 to 255 characters.")
    ttl_seconds: int = strawberry.field(
        default=HOLD_SECONDS,
        description="How long it lasts from now on. Less than what it has left changes nothing.",
    )
    organization_id: strawberry.ID | None = strawberry.field(
        default=None, description="Whose; null for the caller's own."
    )


@strawberry.type(description="The hold as the request has left it, and the balances right after it.")
class HoldAnswered:
    hold: Hold = strawberry.field(description="The hold.")
    available: Decimal = strawberry.field(description="Available tokens right after it.")
    held: Decimal = strawberry.field(description="Held tokens right after it.")
    occurred_at: datetime = strawberry.field(description="When it happened.")
    replayed: bool = strawberry.field(
        description="Whether this is the first answer told again; then nothing moved now."
    )

    @classmethod
    def of(cls, held: Held) -> Self:
        return cls(
            hold=Hold.as_left(held.hold),
            available=at_token_places(held.available),
            held=at_token_places(held.held),
            occurred_at=held.occurred_at,
            replayed=held.replayed,
        )


@strawberry.type(description="The tokens are reserved.")
class HoldTokensSuccess(HoldAnswered):
    pass


@strawberry.type(description="The tokens have left the wallet; what was not captured is available again.")
class CaptureHoldSuccess(HoldAnswered):
    pass


@strawberry.type(description="The tokens are available again, unless their lot has expired meanwhile.")
class ReleaseHoldSuccess(HoldAnswered):
    pass


@strawberry.type(description="The hold lasts longer.")
class ExtendHoldSuccess(HoldAnswered):
    pass


HoldTokensResult: TypeAlias = Annotated[
    HoldTokensSuccess
    | InsufficientTokens
    | InvalidTokens
    | OperationNotFound
    | InvalidUnits
    | InvalidHoldTime
    | BudgetExceeded
    | WalletSuspended
    | WalletNotFound
    | WalletBusy
    | IdempotencyConflict
    | TokenSystemDisabled,
    strawberry.union("HoldTokensResult"),
]
CaptureHoldResult: TypeAlias = Annotated[
    CaptureHoldSuccess
    | HoldNotFound
    | HoldResolved
    | CaptureExceedsHold
    | InsufficientTokens
    | InvalidTokens
    | BudgetExceeded
    | WalletSuspended
    | WalletBusy
    | IdempotencyConflict
    | TokenSystemDisabled,
    strawberry.union("CaptureHoldResult"),
]
ReleaseHoldResult: TypeAlias = Annotated[
    ReleaseHoldSuccess | HoldNotFound | HoldResolved | WalletBusy | IdempotencyConflict,
    strawberry.union("ReleaseHoldResult"),
]
ExtendHoldResult: TypeAlias = Annotated[
    ExtendHoldSuccess
    | HoldNotFound
    | HoldResolved
    | HoldTooLong
    | InvalidHoldTime
    | WalletSuspended
    | WalletBusy
    | IdempotencyConflict
    | TokenSystemDisabled,
    strawberry.union("ExtendHoldResult"),
]


def purpose_of(reference_type: str | None, reference_id: str | None, description: str) -> Purpose:
    """What the caller says tokens are for. Raises BAD_USER_INPUT."""
    return Purpose(
        read_reference(reference_type, "referenceType"),
        read_reference(reference_id, "referenceId"),
        clean_text(description, "description"),
    )


def _owner_and_hold(info: Info, organization_id: str | None, hold_id: str) -> tuple[UUID, UUID]:
    """Raises HoldNotFound for an id of anything else, and for another organization."""
    key = read_id(hold_id, "Hold")
    try:
        owner = wallet_owner(info, organization_id)
    except errors.WalletNotFound:
        raise errors.HoldNotFound from None
    if key is None:
        raise errors.HoldNotFound
    return owner, key


async def _settle(info: Info, order: OrderAboutHold) -> Held:
    answer = await info.context.product.tills.ask(order, at=info.context.now)
    assert isinstance(answer, Held)
    return answer


async def _settle_on(info: Info, order: OrderAboutHold) -> Held:
    """As `_settle`, for an order about a hold that exists: without a wallet there is none."""
    try:
        return await _settle(info, order)
    except errors.WalletNotFound:
        raise errors.HoldNotFound from None


@strawberry.type
class HoldMutations:
    @strawberry.mutation(
        description="Reserve tokens, in burn order: nobody else can use them until the hold is captured or released, "
        "or its time is over. The same key with the same input answers with the first answer, refusals included.",
        directives=requires(Permission.TOKENS_SPEND),
    )
    async def hold_tokens(
        self, info: Info, input: Annotated[HoldTokensInput, strawberry.argument(description="What is reserved.")]
    ) -> HoldTokensResult:
        refuse_when_disabled(info)
        check_seconds(input.ttl_seconds)
        rates = await rates_for(info, [input.operation])
        tokens, rated = amount_of(rates, input.tokens, input.operation, input.units)
        order = HoldOrder(
            organization_id=wallet_owner(info, input.organization_id),
            key=read_key(input.idempotency_key),
            actor=info.context.caller().name,
            request_id=info.context.request_id,
            tokens=tokens,
            seconds=input.ttl_seconds,
            purpose=purpose_of(input.reference_type, input.reference_id, input.description),
            rated=rated,
        )
        if tokens == 0:
            return HoldTokensSuccess.of(await held_before(order))
        return HoldTokensSuccess.of(await _settle(info, order))

    @strawberry.mutation(
        description="Spend what is held, all or a part; the rest returns to the lots it came from. A hold is resolved "
        "once: doing it again with another key tells how it ended.",
        directives=requires(Permission.TOKENS_SPEND),
    )
    async def capture_hold(
        self, info: Info, input: Annotated[CaptureHoldInput, strawberry.argument(description="What is captured.")]
    ) -> CaptureHoldResult:
        refuse_when_disabled(info)
        if input.tokens is not None:
            check_amount(input.tokens)
        owner, hold_id = _owner_and_hold(info, input.organization_id, input.hold_id)
        order = CaptureOrder(
            organization_id=owner,
            key=read_key(input.idempotency_key),
            actor=info.context.caller().name,
            request_id=info.context.request_id,
            hold_id=hold_id,
            description=clean_text(input.description, "description"),
            tokens=input.tokens,
            excess=input.when_more,
        )
        return CaptureHoldSuccess.of(await _settle_on(info, order))

    @strawberry.mutation(
        description="Give a hold up: its tokens return to the lots they came from. Allowed for a suspended wallet and "
        "while spending is switched off, because it only gives back.",
        directives=requires(Permission.TOKENS_SPEND),
    )
    async def release_hold(
        self, info: Info, input: Annotated[ReleaseHoldInput, strawberry.argument(description="What is released.")]
    ) -> ReleaseHoldResult:
        owner, hold_id = _owner_and_hold(info, input.organization_id, input.hold_id)
        order = ReleaseOrder(
            organization_id=owner,
            key=read_key(input.idempotency_key),
            actor=info.context.caller().name,
            request_id=info.context.request_id,
            hold_id=hold_id,
            description=clean_text(input.description, "description"),
        )
        return ReleaseHoldSuccess.of(await _settle_on(info, order))

    @strawberry.mutation(
        description="Let a hold last longer. One whose time is over has ended and cannot be extended.",
        directives=requires(Permission.TOKENS_SPEND),
    )
    async def extend_hold(
        self, info: Info, input: Annotated[ExtendHoldInput, strawberry.argument(description="What lasts longer.")]
    ) -> ExtendHoldResult:
        refuse_when_disabled(info)
        check_seconds(input.ttl_seconds)
        owner, hold_id = _owner_and_hold(info, input.organization_id, input.hold_id)
        order = ExtendOrder(
            organization_id=owner,
            key=read_key(input.idempotency_key),
            actor=info.context.caller().name,
            request_id=info.context.request_id,
            hold_id=hold_id,
            seconds=input.ttl_seconds,
        )
        return ExtendHoldSuccess.of(await _settle_on(info, order))
