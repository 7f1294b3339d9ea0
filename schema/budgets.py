"""Budgets: how many tokens a member or an API key may use in a day, a week or a month."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Self, TypeAlias
from uuid import UUID

import strawberry

from models import budgets, errors
from models.budgets import BudgetOrder, BudgetView
from models.database import connection, retrying, transaction
from models.locking import lock_wallet
from models.spending import SPEND_MAX
from models.wallets import ensure_wallet
from rules.permissions import Permission
from rules.pricing import TOKEN_PLACES, places_of
from schema.context import Info
from schema.edge.permissions import requires
from schema.enums import BudgetPeriod
from schema.ids import global_id, read_id
from schema.money import at_token_places
from schema.nodes import Node
from schema.pages import BUDGETS, After, Connection, First, key_cursor, page_of, page_size, read_key_cursor
from schema.problems import BudgetNotFound, BudgetSubjectNotFound, InvalidTokens, WalletNotFound
from schema.scope import organization_of, wallet_owner

# What an actor's name begins with, and the types that the API knows it by, first the one it is shown as.
SUBJECTS = {"user": ("Member", "Viewer"), "key": ("ApiKey",)}


@strawberry.type(description="A cap on the tokens that one member or API key uses, with what is used of it now.")
class SpendBudget(Node):
    subject_id: strawberry.ID = strawberry.field(description="The member or the API key.")
    period: BudgetPeriod = strawberry.field(description="How long its windows are.")
    limit: Decimal = strawberry.field(description="Tokens it allows in each window; 0 allows nothing.")
    used: Decimal = strawberry.field(description="Tokens used in the present window, held ones included.")
    left: Decimal = strawberry.field(description="Tokens left in the present window; 0 when it was lowered below.")
    resets_at: datetime = strawberry.field(description="When the next window begins.")

    @classmethod
    def of(cls, view: BudgetView) -> Self:
        return cls(
            key=view.id,
            subject_id=subject_id(view.actor),
            period=view.period,
            limit=at_token_places(view.limit),
            used=at_token_places(view.used),
            left=at_token_places(max(view.limit - view.used, Decimal(0))),
            resets_at=view.resets_at,
        )


@strawberry.input(description="A cap for one member or API key.")
class SetSpendBudgetInput:
    subject_id: strawberry.ID = strawberry.field(description="The member or the API key.")
    period: BudgetPeriod = strawberry.field(description="How long its windows are.")
    tokens: Decimal = strawberry.field(description="Tokens allowed in each window: 0 or more, at most 4 places.")
    organization_id: strawberry.ID | None = strawberry.field(
        default=None, description="Whose tokens; null for the caller's own organization."
    )


@strawberry.input(description="A cap to be lifted.")
class RemoveSpendBudgetInput:
    budget_id: strawberry.ID = strawberry.field(description="The budget.")
    organization_id: strawberry.ID | None = strawberry.field(
        default=None, description="Whose; null for the caller's own organization."
    )


@strawberry.type(description="The cap holds from now on; what was used in the present window counts already.")
class SetSpendBudgetSuccess:
    budget: SpendBudget = strawberry.field(description="The budget.")


@strawberry.type(description="The cap is lifted.")
class RemoveSpendBudgetSuccess:
    removed: bool = strawberry.field(description="Always true.")


SetSpendBudgetResult: TypeAlias = Annotated[
    SetSpendBudgetSuccess | InvalidTokens | BudgetSubjectNotFound | WalletNotFound,
    strawberry.union("SetSpendBudgetResult"),
]
RemoveSpendBudgetResult: TypeAlias = Annotated[
    RemoveSpendBudgetSuccess | BudgetNotFound, strawberry.union("RemoveSpendBudgetResult")
]


def subject_id(actor: str) -> strawberry.ID:
    """The global id of whoever an actor's name stands for."""
    kind, _, key = actor.partition("/")
    return global_id(SUBJECTS[kind][0], UUID(key))


def actor_of(subject: str) -> str:
    """The actor's name behind a global id. Raises BudgetSubjectNotFound for an id of anything else."""
    for kind, names in SUBJECTS.items():
        for name in names:
            key = read_id(subject, name)
            if key is not None:
                return f"{kind}/{key}"
    raise errors.BudgetSubjectNotFound


def check_limit(tokens: Decimal) -> None:
    """Raises InvalidTokens unless the number can be a limit."""
    if not 0 <= tokens <= SPEND_MAX or places_of(tokens) > TOKEN_PLACES:
        raise errors.InvalidTokens(minimum=Decimal(0), maximum=SPEND_MAX)


@strawberry.type
class BudgetQueries:
    @strawberry.field(
        description="The budgets of an organization's members and API keys, in no particular order. Null when the "
        "organization is not the caller's.",
        directives=requires(Permission.TOKENS_VIEW),
    )
    async def spend_budgets(
        self,
        info: Info,
        first: First = 20,
        after: After = None,
        organization_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Whose; null for the caller's own.")
        ] = None,
    ) -> Connection[SpendBudget] | None:
        owner = organization_of(info, organization_id)
        if owner is None:
            return None
        size, behind = page_size(first), read_key_cursor(after, of=BUDGETS)
        async with connection() as db:
            views = await budgets.read_budgets(db, owner, at=info.context.now, limit=size + 1, after=behind)
        rows = [(key_cursor(view.id, of=BUDGETS), SpendBudget.of(view)) for view in views]
        return page_of(rows, size, continued=after is not None)


@strawberry.type
class BudgetMutations:
    @strawberry.mutation(
        description="Cap what a member or an API key uses, per day, week or month. Setting it again changes the limit; "
        "what was used in the present window counts.",
        directives=requires(Permission.TOKENS_CONFIGURE),
    )
    async def set_spend_budget(
        self, info: Info, input: Annotated[SetSpendBudgetInput, strawberry.argument(description="The cap.")]
    ) -> SetSpendBudgetResult:
        owner = wallet_owner(info, input.organization_id)
        check_limit(input.tokens)
        order = BudgetOrder(
            organization_id=owner,
            actor=actor_of(input.subject_id),
            period=input.period,
            limit=input.tokens,
            set_by=info.context.caller().name,
            request_id=info.context.request_id,
        )
        await ensure_wallet(owner, info.context.product.options.wallet_defaults)
        return SetSpendBudgetSuccess(budget=SpendBudget.of(await _set(order, info.context.product.clock)))

    @strawberry.mutation(description="Lift a cap.", directives=requires(Permission.TOKENS_CONFIGURE))
    async def remove_spend_budget(
        self, info: Info, input: Annotated[RemoveSpendBudgetInput, strawberry.argument(description="The cap.")]
    ) -> RemoveSpendBudgetResult:
        owner, budget_id = organization_of(info, input.organization_id), read_id(input.budget_id, "SpendBudget")
        if owner is None or budget_id is None:
            raise errors.BudgetNotFound
        actor = info.context.caller()
        await _remove(owner, budget_id, actor.name, info.context.request_id, info.context.now)
        return RemoveSpendBudgetSuccess(removed=True)


async def _set(order: BudgetOrder, clock: Callable[[], datetime]) -> BudgetView:
    async def work() -> BudgetView:
        async with transaction() as db:
            # Each try has its own instant, read when there is a connection: what was waited for is not part of it.
            at = clock()
            if not await budgets.is_of(db, order.organization_id, order.actor):
                raise errors.BudgetSubjectNotFound
            wallet = await lock_wallet(db, order.organization_id, at=at)
            return await budgets.set_budget(db, wallet, order, at=at)

    return await retrying(work)


async def _remove(owner: UUID, budget_id: UUID, actor: str, request_id: str | None, at: datetime) -> None:
    async def work() -> None:
        async with transaction() as db:
            try:
                wallet = await lock_wallet(db, owner, at=at)
            except errors.WalletNotFound:
                raise errors.BudgetNotFound from None
            await budgets.remove_budget(db, wallet, budget_id, actor=actor, request_id=request_id)

    await retrying(work)
