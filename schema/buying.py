"""Starting and cancelling purchases: the way from the API into the durable story.

Workflow first: the purchase's workflow is started (or met again) by an id made of the organization and the caller's
key, and the answer waits, for some seconds, until the story has something to tell. Nothing is lost when the answer is:
the same key finds the same purchase.
"""

import asyncio
from decimal import Decimal
from typing import Annotated, TypeAlias
from uuid import UUID

import strawberry
from temporalio.client import (
    WithStartWorkflowOperation,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from activities.messages import PurchaseRequest
from models import errors
from models.database import connection
from models.failpoints import failpoint
from models.intentions import recall
from models.purchases import PurchaseOrder, PurchaseView, read_purchase
from models.quotes import Wish, check_quantity
from models.wallets import ensure_wallet
from rules.permissions import Permission
from rules.purchases import OPEN
from schema.context import Info
from schema.edge.masking import ErrorCode, public_error
from schema.edge.permissions import requires
from schema.enums import PurchaseStatus
from schema.ids import global_id, read_id
from schema.operations import AWAY, describe_workflow
from schema.payment_methods import method_key
from schema.problems import (
    CouponExhausted,
    CouponExpired,
    CouponNotApplicable,
    CouponNotFound,
    CouponNotYetValid,
    IdempotencyConflict,
    InvalidTokens,
    PackageNotFound,
    PackageWithdrawn,
    PaymentMethodNotFound,
    PriceChanged,
    PurchaseNotCancellable,
    PurchaseNotFound,
    QuoteExpired,
    QuoteNotFound,
    QuoteUsed,
    TokenSystemDisabled,
    WalletNotFound,
    WalletSuspended,
)
from schema.purchases import Purchase, visible_purchase
from schema.quotes import wish_of
from schema.scalars import read_key
from schema.scope import refuse_when_disabled, wallet_owner
from workflows.policies import BOOKS_QUEUE, STEP
from workflows.purchase import PurchaseDecision, PurchaseWorkflow, opening_attributes, purchase_workflow_id


@strawberry.input(
    description="An order: a fixed package, a number of tokens, a custom package and a number, or a quote alone."
)
class StartPurchaseInput:
    idempotency_key: str = strawberry.field(
        description="Your own name for this order, 1 to 255 characters. The same key never buys twice."
    )
    package_id: strawberry.ID | None = strawberry.field(default=None, description="The package to buy.")
    tokens: Decimal | None = strawberry.field(
        default=None, description="A number of tokens: 1 to 1,000,000 with at most 4 places."
    )
    coupon_code: str | None = strawberry.field(default=None, description="In any letter case; null for none.")
    quote_id: strawberry.ID | None = strawberry.field(
        default=None, description="The quote to be bought, exactly at its price; it says what, and with which coupon."
    )
    payment_method_id: strawberry.ID | None = strawberry.field(
        default=None, description="What to pay with; null for the organization's default."
    )
    expected_total: Decimal | None = strawberry.field(
        default=None, description="Refuse when the total, tax included, is another one."
    )
    organization_id: strawberry.ID | None = strawberry.field(
        default=None, description="Who buys; null for the caller's own organization."
    )


@strawberry.input(description="Which purchase to give up.")
class CancelPurchaseInput:
    purchase_id: strawberry.ID = strawberry.field(description="The purchase.")


@strawberry.type(
    description="The purchase as it stands: completed, failed, waiting for an action, or still processing."
)
class StartPurchaseSuccess:
    purchase: Purchase = strawberry.field(description="Follow it with the subscription `purchaseProgress`.")
    replayed: bool = strawberry.field(description="Whether the key had been used before; then nothing new was begun.")


@strawberry.type(description="The order is safe but nobody has taken it up yet. Ask again with the same key.")
class PurchaseQueued:
    purchase_id: strawberry.ID = strawberry.field(description="The id the purchase will have.")
    workflow_id: str = strawberry.field(description="The workflow that waits.")


@strawberry.type(
    description="The purchase as it stands: cancelled, or still open while the gateway has not let go of the payment."
)
class CancelPurchaseSuccess:
    purchase: Purchase = strawberry.field(description="The purchase.")


StartPurchaseResult: TypeAlias = Annotated[
    StartPurchaseSuccess
    | PurchaseQueued
    | PackageNotFound
    | PackageWithdrawn
    | InvalidTokens
    | PriceChanged
    | QuoteNotFound
    | QuoteExpired
    | QuoteUsed
    | CouponNotFound
    | CouponNotYetValid
    | CouponExpired
    | CouponExhausted
    | CouponNotApplicable
    | PaymentMethodNotFound
    | WalletSuspended
    | WalletNotFound
    | IdempotencyConflict
    | TokenSystemDisabled,
    strawberry.union("StartPurchaseResult"),
]
CancelPurchaseResult: TypeAlias = Annotated[
    CancelPurchaseSuccess | PurchaseNotFound | PurchaseNotCancellable, strawberry.union("CancelPurchaseResult")
]


def order_from(info: Info, input: StartPurchaseInput) -> PurchaseOrder:
    """The order in the words of the models. Raises BAD_USER_INPUT, WalletNotFound, PackageNotFound, QuoteNotFound,
    InvalidTokens, CouponNotFound, PaymentMethodNotFound."""
    actor = info.context.caller()
    return PurchaseOrder(
        organization_id=wallet_owner(info, input.organization_id),
        wish=_wish_of(input),
        payment_method_id=None if input.payment_method_id is None else method_key(input.payment_method_id),
        key=read_key(input.idempotency_key),
        actor=actor.name,
        expected_total=input.expected_total,
        request_id=info.context.request_id,
        quote_id=None if input.quote_id is None else _quote_key(input.quote_id),
        accepted_at=info.context.now,
    )


def _wish_of(input: StartPurchaseInput) -> Wish:
    """What is ordered; nothing when a quote says it. Raises BAD_USER_INPUT for a quote and something else."""
    if input.quote_id is None:
        return wish_of(input.package_id, input.tokens, input.coupon_code)
    if (input.package_id, input.tokens, input.coupon_code) != (None, None, None):
        raise public_error(
            "A quote says what is bought; leave packageId, tokens and couponCode out.", ErrorCode.BAD_USER_INPUT
        )
    return Wish(None, None)


def _quote_key(quote_id: str) -> UUID:
    """Raises QuoteNotFound for an id of anything else."""
    found = read_id(quote_id, "HeldPriceQuote")
    if found is None:
        raise errors.QuoteNotFound
    return found


async def refuse_unsold_quantity(order: PurchaseOrder) -> None:
    """Raises InvalidTokens for a number that the package is not sold in, before anything is begun or remembered."""
    if order.quote_id is None and order.wish.package_id is not None:
        async with connection() as db:
            await check_quantity(db, order.wish)


def request_from(info: Info, order: PurchaseOrder) -> PurchaseRequest:
    """What the workflow is started with."""
    options = info.context.product.options
    return PurchaseRequest(
        purchase_id=str(order.purchase_id),
        organization_id=str(order.organization_id),
        key=order.key,
        actor=order.actor,
        fingerprint=order.fingerprint(),
        package_id=None if order.wish.package_id is None else str(order.wish.package_id),
        tokens=order.wish.tokens,
        payment_method_id=None if order.payment_method_id is None else str(order.payment_method_id),
        expected_total=order.expected_total,
        request_id=order.request_id,
        action_window=options.action_window,
        processing_window=options.processing_window,
        poll_interval=options.poll_interval,
        letter_attempts=options.letter_attempts,
        letter_pause=options.letter_pause,
        coupon_code=order.wish.coupon_code,
        quote_id=None if order.quote_id is None else str(order.quote_id),
        accepted_at=order.accepted_at,
    )


async def remembered(info: Info, order: PurchaseOrder) -> PurchaseView | None:
    """The purchase this key has already made. Raises the remembered refusal, and IdempotencyConflict."""
    async with connection() as db:
        if await recall(db, order.organization_id, order.intention()) is None:
            return None
        return await read_purchase(db, order.organization_id, order.purchase_id)


async def start_or_meet(info: Info, order: PurchaseOrder) -> None:
    """The story runs, and has something to tell or `answer_timeout` has passed. Raises IdempotencyConflict."""
    product, request = info.context.product, request_from(info, order)
    start = WithStartWorkflowOperation(
        PurchaseWorkflow.run,
        request,
        id=purchase_workflow_id(order.purchase_id),
        task_queue=BOOKS_QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        task_timeout=STEP,
        search_attributes=opening_attributes(request),
        static_summary=summary_of(order),
        static_details=f"organization `{order.organization_id}`\n\npurchase `{order.purchase_id}`",
    )
    _hear_no_more(start)
    try:
        await product.temporal.execute_update_with_start_workflow(
            PurchaseWorkflow.decision,
            request.fingerprint,
            start_workflow_operation=start,
            # The server would answer a repeated id without looking at the input, so the input is part of the id.
            id=f"decision-{request.fingerprint}",
            rpc_timeout=product.options.answer_timeout,
        )
    except WorkflowUpdateRPCTimeoutOrCancelledError:
        return
    except WorkflowAlreadyStartedError:
        return
    except AWAY as error:
        raise unavailable() from error
    except WorkflowUpdateFailedError as refused:
        if isinstance(refused.cause, ApplicationError) and refused.cause.type == "IDEMPOTENCY_CONFLICT":
            raise errors.IdempotencyConflict from None
        raise


def _hear_no_more(start: WithStartWorkflowOperation[PurchaseWorkflow, PurchaseDecision]) -> None:
    """A start that fails tells twice: by the call, which is heard, and by its handle, which would only fill the log."""
    handle = asyncio.ensure_future(start.workflow_handle())
    handle.add_done_callback(lambda done: done.cancelled() or done.exception())


def unavailable() -> Exception:
    """Nobody took the order, as far as we know. Asking again with the same key is safe whatever has happened."""
    return public_error(
        "Purchases cannot be taken right now. Ask again with the same key; it never buys twice.", ErrorCode.UNAVAILABLE
    )


def summary_of(order: PurchaseOrder) -> str:
    """One line for the Temporal UI; no personal data."""
    if order.quote_id is not None:
        return "Purchase at a quote"
    what = "a package" if order.wish.tokens is None else f"{order.wish.tokens} tokens"
    return f"Purchase of {what}"


@strawberry.type
class BuyingMutations:
    @strawberry.mutation(
        description="Buy a package, a number of tokens, or what a quote holds. Answers when the payment is settled or "
        "needs an action, after at most 5 seconds with the purchase still processing. The same key with the same input "
        "answers with the same purchase, with other input it is refused.",
        directives=requires(Permission.TOKENS_PURCHASE),
    )
    async def start_purchase(
        self, info: Info, input: Annotated[StartPurchaseInput, strawberry.argument(description="The order.")]
    ) -> StartPurchaseResult:
        refuse_when_disabled(info)
        order = order_from(info, input)
        known = await remembered(info, order)
        if known is not None:
            return StartPurchaseSuccess(purchase=Purchase.of(known), replayed=True)
        await refuse_unsold_quantity(order)
        await ensure_wallet(order.organization_id, info.context.product.options.wallet_defaults)
        failpoint("api.before_start_purchase")
        await start_or_meet(info, order)
        failpoint("api.after_start_purchase")
        placed = await remembered(info, order)
        if placed is None:
            workflow_id = purchase_workflow_id(order.purchase_id)
            if await describe_workflow(info, workflow_id) is None:
                raise unavailable()
            return PurchaseQueued(purchase_id=global_id("Purchase", order.purchase_id), workflow_id=workflow_id)
        return StartPurchaseSuccess(purchase=Purchase.of(placed), replayed=False)

    @strawberry.mutation(
        description="Give a purchase up before any money has moved. When the money was faster, the purchase completes.",
        directives=requires(Permission.TOKENS_PURCHASE),
    )
    async def cancel_purchase(
        self,
        info: Info,
        input: Annotated[CancelPurchaseInput, strawberry.argument(description="The purchase to give up.")],
    ) -> CancelPurchaseResult:
        view = await visible_purchase(info, input.purchase_id)
        if view is None:
            raise errors.PurchaseNotFound
        await ask_to_cancel(info, view)
        now = await visible_purchase(info, input.purchase_id)
        if now is None:
            raise errors.PurchaseNotFound
        if now.status not in OPEN | {PurchaseStatus.CANCELLED}:
            raise errors.PurchaseNotCancellable(status=now.status)
        return CancelPurchaseSuccess(purchase=Purchase.of(now))


async def ask_to_cancel(info: Info, purchase: PurchaseView) -> None:
    """The story has been asked; a closed one cannot be."""
    product, caller = info.context.product, info.context.caller().name
    handle = product.temporal.get_workflow_handle(purchase_workflow_id(purchase.id))
    try:
        try:
            await handle.execute_update(PurchaseWorkflow.cancel, caller, rpc_timeout=product.options.answer_timeout)
        except WorkflowUpdateRPCTimeoutOrCancelledError:
            # An update that no worker has taken up is kept only in the server's memory, a signal in its history.
            await handle.signal(PurchaseWorkflow.cancel_wanted, caller, rpc_timeout=product.options.answer_timeout)
    except AWAY as error:
        if not (isinstance(error, RPCError) and error.status is RPCStatusCode.NOT_FOUND):
            raise unavailable() from error
