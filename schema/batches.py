"""Many spends in one call."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import Enum
from typing import Annotated, Self, TypeAlias

import strawberry
from graphql import GraphQLError

from models import errors
from models.batches import BATCH_MAX
from models.deciding import Answer
from models.outcomes import Booked
from models.rates import RateView
from models.spending import SpendOrder, answers_before, unpriced
from rules.permissions import Permission
from schema.context import Info
from schema.edge.costs import sized
from schema.edge.permissions import requires
from schema.problems import InvalidBatch, Problem, TokenSystemDisabled, problem_of
from schema.rated import rates_for
from schema.scope import refuse_when_disabled
from schema.spending import SpendTokensInput, SpendTokensResult, SpendTokensSuccess, spend_order


@strawberry.enum(description="Whether the spends of a batch depend on each other.")
class BatchMode(Enum):
    EACH = strawberry.enum_value("each", description="Each is decided for itself.")
    ALL_OR_NOTHING = strawberry.enum_value(
        "all_or_nothing", description="When one is refused, nothing is spent and every key remembers a refusal."
    )


@strawberry.input(description="1 to 1,000 spends, each with its own key.")
class SpendTokensBatchInput:
    spends: list[SpendTokensInput] = strawberry.field(
        description="What is spent, decided in this order. They may be of different organizations within your scope."
    )
    mode: BatchMode = strawberry.field(default=BatchMode.EACH, description="Whether they depend on each other.")


@strawberry.type(description="What became of one spend of a batch.")
class SpendTokensBatchItem:
    idempotency_key: str = strawberry.field(description="The key it was sent with.")
    result: SpendTokensResult = strawberry.field(description="As `spendTokens` would have answered.")


@strawberry.type(description="The batch was decided; each spend has its answer.")
class SpendTokensBatchSuccess:
    items: list[SpendTokensBatchItem] = strawberry.field(description="The answers, in the order of the spends.")
    spent: int = strawberry.field(description="How many spends are done, now or by an earlier request with their key.")
    refused: int = strawberry.field(description="How many were refused.")
    spent_tokens: Decimal = strawberry.field(description="Tokens of the spends that are done.")

    @classmethod
    def of(cls, keys: Sequence[str], answers: Sequence[Answer]) -> Self:
        done = [answer for answer in answers if isinstance(answer, Booked)]
        return cls(
            items=[
                SpendTokensBatchItem(idempotency_key=key, result=_result(answer))  # type: ignore[arg-type]
                for key, answer in zip(keys, answers, strict=True)
            ],
            spent=len(done),
            refused=len(answers) - len(done),
            spent_tokens=sum((booked.tokens for booked in done), Decimal("0.0000")),
        )


SpendTokensBatchResult: TypeAlias = Annotated[
    SpendTokensBatchSuccess | InvalidBatch | TokenSystemDisabled, strawberry.union("SpendTokensBatchResult")
]


def _result(answer: Answer) -> SpendTokensSuccess | Problem:
    if isinstance(answer, errors.Refusal):
        return problem_of(answer)
    assert isinstance(answer, Booked)
    return SpendTokensSuccess.of(answer)


def _order_or_refusal(
    info: Info, input: SpendTokensInput, rates: Mapping[str, RateView], position: int
) -> SpendOrder | errors.Refusal:
    """What is refused before anything is decided is remembered by nobody, as for a single spend.

    Raises BAD_USER_INPUT for a spend that cannot be read at all, and says at which position.
    """
    try:
        return spend_order(info, input, rates)
    except errors.Refusal as refusal:
        return refusal
    except GraphQLError as error:
        error.extensions = {**(error.extensions or {}), "position": position}
        raise


async def _with_earlier_answers(planned: Sequence[SpendOrder | errors.Refusal]) -> list[SpendOrder | Answer]:
    """Orders without a price are told what their keys were answered before, all of them by one statement."""
    without = [each for each in planned if isinstance(each, SpendOrder) and each.tokens == 0]
    told = iter(await answers_before(without) if without else ())
    return [
        next(told) or unpriced(each) if isinstance(each, SpendOrder) and each.tokens == 0 else each for each in planned
    ]


async def _decide(info: Info, planned: Sequence[SpendOrder | Answer], mode: BatchMode) -> list[Answer]:
    """The answers to all of them, those that were known before among them."""
    orders = {place: each for place, each in enumerate(planned) if isinstance(each, SpendOrder)}
    tills, at = info.context.product.tills, info.context.now
    decided: list[Answer] = []
    if orders and mode is BatchMode.ALL_OR_NOTHING:
        decided = await tills.ask_together(list(orders.values()), at=at, positions=list(orders))
    elif orders:
        decided = await tills.ask_all(list(orders.values()), at=at)
    answers = dict(zip(orders, decided, strict=True))
    return [answers[place] if isinstance(each, SpendOrder) else each for place, each in enumerate(planned)]


@strawberry.type
class BatchMutations:
    @strawberry.mutation(
        description="Spend up to 1,000 times in one call, each spend with its own key and answer. Sent again, it "
        "answers with the first answers.",
        directives=[*requires(Permission.TOKENS_SPEND), *sized("input.spends")],
    )
    async def spend_tokens_batch(
        self, info: Info, input: Annotated[SpendTokensBatchInput, strawberry.argument(description="What is spent.")]
    ) -> SpendTokensBatchResult:
        refuse_when_disabled(info)
        if not 1 <= len(input.spends) <= BATCH_MAX:
            raise errors.InvalidBatch(minimum=1, maximum=BATCH_MAX)
        rates = await rates_for(info, [one.operation for one in input.spends])
        read = [_order_or_refusal(info, one, rates, place) for place, one in enumerate(input.spends)]
        planned = await _with_earlier_answers(read)
        if input.mode is BatchMode.ALL_OR_NOTHING and any(isinstance(each, errors.Refusal) for each in planned):
            answers = await _none_of(planned)
        else:
            answers = await _decide(info, planned, input.mode)
        keys = [one.idempotency_key.strip() for one in input.spends]
        return SpendTokensBatchSuccess.of(keys, answers)


async def _none_of(planned: Sequence[SpendOrder | Answer]) -> list[Answer]:
    """The answers to an all-or-nothing batch with requests that nobody could decide: it was not even begun.

    What a key had done before stays done, and is told again.
    """
    first = next(place for place, order in enumerate(planned) if isinstance(order, errors.Refusal))
    refusal = planned[first]
    assert isinstance(refusal, errors.Refusal)
    because = errors.BatchRefused(position=first, because=refusal.code)
    orders = [each for each in planned if isinstance(each, SpendOrder)]
    told = iter(await answers_before(orders) if orders else ())
    return [next(told) or because if isinstance(each, SpendOrder) else each for each in planned]
