"""Whether an object was answered by a plan cannot be told from any answer, and no plan outlives its document."""

import asyncio
import gc
import json
import logging
import weakref
from collections.abc import Iterator
from decimal import Decimal
from random import Random
from types import SimpleNamespace
from typing import Any

import hypothesis.strategies as st
import pytest
import strawberry
from graphql import DocumentNode, GraphQLError, parse, validate
from hypothesis import given, settings
from strawberry.extensions import SchemaExtension
from strawberry.types import ExecutionResult

from schema.edge import plans, validation
from schema.edge.execution import PlannedExecution
from schema.edge.plans import VARIANTS_KEPT, Plans
from schema.edge.schema import EdgeSchema
from tests.schema.edge import fleet
from tests.schema.edge.fleet import fleet_schema
from tests.schema.edge.harbour import Context, harbour_schema
from tests.schema.edge.random_operations import Operation, Writer

# graphql-core cancels the siblings of a fatal error, some of them before they have begun.
pytestmark = [
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    # The same, where the collector comes by in a frame that cannot import `warnings`.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <coroutine:pytest.PytestUnraisableExceptionWarning"),
]

# A seed of the fleet whose crew is four, and all is as it should be.
SOUND = 5
CREW = "{ ship { crew { id name age rank pay { amount } since } } }"
VALUES = {"times": lambda _: "3", "first": lambda _: "2"}


class Shelf:
    """Keeps every document by its text, what is wrong with it, and its plans."""

    def __init__(self) -> None:
        self._documents: dict[str, DocumentNode] = {}
        self._kept: dict[int, tuple[Plans, list[GraphQLError]]] = {}

    def document(self, text: str) -> DocumentNode:
        if text not in self._documents:
            document = self._documents[text] = parse(text)
            self._kept[id(document)] = Plans(document), validate(ORDINARY._schema, document)
        return self._documents[text]

    def plans(self, document: DocumentNode) -> Plans | None:
        return self._kept[id(document)][0]

    def errors(self, document: DocumentNode) -> list[GraphQLError]:
        return self._kept[id(document)][1]


SHELF = Shelf()


class Planned(PlannedExecution):
    library = SHELF


class FromTheShelf(SchemaExtension):
    """Every execution of the same text has the same parsed document."""

    def on_parse(self) -> Iterator[None]:
        self.execution_context.graphql_document = SHELF.document(str(self.execution_context.query))
        yield

    def on_validate(self) -> Iterator[None]:
        document = self.execution_context.graphql_document
        assert document is not None
        self.execution_context.pre_execution_errors = SHELF.errors(document)
        yield


class Around(SchemaExtension):
    """Stands around every resolver."""

    def resolve(self, _next: Any, root: Any, info: Any, *args: str, **kwargs: Any) -> Any:
        found = _next(root, info, *args, **kwargs)
        return f"<{found}>" if isinstance(found, str) else found


ORDINARY = fleet_schema(extensions=[FromTheShelf])
PLANNED = fleet_schema(extensions=[FromTheShelf], execution_context_class=Planned)


async def settled(schema: strawberry.Schema, operation: Operation, seed: int) -> ExecutionResult:
    """The result, after everything has ended that graphql-core lets go on when an error has made it needless."""
    result = await schema.execute(operation.text, variable_values=operation.variables, context_value=seed)
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others)
    return result


async def seen(schema: strawberry.Schema, operation: Operation, seed: int) -> str:
    """Everything there is to see of an execution, in its order: data, errors, and which resolvers were called."""
    fleet.calls.clear()
    result = await settled(schema, operation, seed)
    errors = [(error.formatted, repr(error.original_error)) for error in result.errors or []]
    return json.dumps([result.data, errors, fleet.calls], default=repr)


async def thrice(operation: Operation, seed: int) -> list[str]:
    """What is seen of the ordinary execution, and twice of the planned one: with new plans and with kept ones."""
    return [await seen(schema, operation, seed) for schema in (ORDINARY, PLANNED, PLANNED)]


@pytest.fixture(autouse=True)
def silence(caplog: pytest.LogCaptureFixture) -> None:
    # Strawberry logs every error with the whole document, which takes longer than everything else here.
    caplog.set_level(logging.CRITICAL, "strawberry.execution")


@pytest.fixture
def followed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the classes whose objects were answered by a plan, one for each object."""
    names: list[str] = []
    follow = PlannedExecution._follow

    def noting(self: PlannedExecution, plan: Any, source: Any, path: Any) -> Any:
        names.append(type(source).__name__)
        return follow(self, plan, source, path)

    monkeypatch.setattr(PlannedExecution, "_follow", noting)
    return names


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the types that plans were worked out for."""
    names: list[str] = []
    work_out = plans._planned

    def noting(executor: Any, kind: Any, *rest: Any) -> Any:
        names.append(kind.name)
        return work_out(executor, kind, *rest)

    monkeypatch.setattr(plans, "_planned", noting)
    return names


def test_any_operation_on_any_data_is_seen_alike() -> None:
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:

        @settings(max_examples=250, deadline=None, derandomize=True, database=None)
        @given(st.integers(0), st.integers(0, 10_000))
        def compare(number: int, seed: int) -> None:
            operation = Writer(ORDINARY._schema, Random(number), values=VALUES, depth=4).operation()
            ordinary, planned, again = runner.run(thrice(operation, seed))
            assert planned == ordinary, operation
            assert again == ordinary, operation

        compare()
        # What was never awaited is complained about when it is collected, which should be here.
        gc.collect()


async def test_the_rows_of_a_list_are_answered_by_one_plan(followed: list[str], made: list[str]) -> None:
    for _ in range(3):
        assert (await settled(PLANNED, Operation(CREW, {}), SOUND)).errors is None

    assert followed == ["Sailor", "Pay"] * 4 * 3
    assert made == ["Ship", "Sailor", "Pay"]


async def test_rows_of_generic_types_have_plans_too(followed: list[str]) -> None:
    query = "{ ship { quay { berths { cursor node { name } } } } }"
    assert (await settled(PLANNED, Operation(query, {}), SOUND)).errors is None

    assert followed == ["Berth", "Sailor"] * 4


async def test_every_row_that_fails_is_told_by_its_own_place(
    followed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ship = fleet.a_ship(SOUND)
    ship.watch = [fleet.a_sailor(Random(SOUND), key, mates=0) for key in (7, 1, 14)]
    monkeypatch.setattr(fleet, "a_ship", lambda _: ship)
    operation = Operation("{ ship { watch { badge } } }", {})

    result = await settled(PLANNED, operation, SOUND)
    ordinary, planned, again = await thrice(operation, SOUND)

    assert planned == again == ordinary
    assert result.data == {"ship": {"watch": [None, {"badge": "badge 1"}, None]}}
    assert [error.path for error in result.errors or []] == [["ship", "watch", row, "badge"] for row in (0, 2)]
    assert "Sailor" in followed


async def test_each_type_that_implements_an_interface_has_its_own_plan(followed: list[str]) -> None:
    assert (await settled(PLANNED, Operation("{ ship { things { __typename label } } }", {}), SOUND)).errors is None

    assert followed == ["Sailor"] * 4 + ["Cat"] * 2


async def test_what_is_left_out_by_a_variable_is_planned_for_each_way(made: list[str]) -> None:
    query = (
        "query ($a: Boolean!, $b: Boolean!) { ship { crew { name @skip(if: $a) pay { amount @include(if: $b) } } } }"
    )
    ways = [{"a": a, "b": b} for a in (True, False) for b in (True, False)]

    answers = [await thrice(Operation(query, {**way}), SOUND) for way in ways]

    assert [len(set(alike)) for alike in answers] == [1, 1, 1, 1]
    assert len({alike[0] for alike in answers}) == 4
    assert made.count("Sailor") == 4


async def test_at_most_so_many_ways_of_one_document_are_kept(made: list[str]) -> None:
    names = "abc"
    fields = " ".join(f"{name}: name @skip(if: ${name})" for name in names)
    declared = ", ".join(f"${name}: Boolean!" for name in names)
    operations = [
        Operation(f"query ({declared}) {{ ship {{ crew {{ id {fields} }} }} }}", dict(zip(names, way, strict=True)))
        for way in ([bool(number & 4), bool(number & 2), bool(number & 1)] for number in range(8))
    ]

    for operation in [*operations, *operations[-VARIANTS_KEPT:], operations[0]]:
        await settled(PLANNED, operation, SOUND)

    assert made.count("Sailor") == len(operations) + 1


async def test_middleware_stands_around_every_field_all_the_same(followed: list[str]) -> None:
    both = [FromTheShelf, Around]
    schemas = [fleet_schema(extensions=both), fleet_schema(extensions=both, execution_context_class=Planned)]

    ordinary, planned = [await seen(schema, Operation(CREW, {}), SOUND) for schema in schemas]

    assert planned == ordinary
    assert "<sailor 1>" in planned
    assert followed == []


async def test_objects_that_only_look_like_the_type_are_answered_without_a_plan(
    followed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ship = fleet.a_ship(SOUND)
    ship.captain.pay = SimpleNamespace(amount=Decimal("1.50"), currency=None)  # type: ignore[assignment]
    monkeypatch.setattr(fleet, "a_ship", lambda _: ship)
    operation = Operation("{ ship { captain { name pay { __typename amount } } } }", {})

    ordinary, planned, again = await thrice(operation, SOUND)

    assert planned == again == ordinary
    assert '"pay": {"__typename": "Pay", "amount": "1.50"}' in planned
    assert set(followed) == {"Ship", "Sailor"}


async def test_an_object_cast_to_another_type_is_not_answered_as_its_own() -> None:
    ship = fleet.a_ship(SOUND)
    strawberry.cast(fleet.Cat, ship.crew[1])
    operation = Operation("{ ship { crew { name } } }", {})

    async def told(schema: strawberry.Schema) -> list[str]:
        result = await schema.execute(operation.text, context_value=SOUND)
        return [error.message for error in result.errors or []]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fleet, "a_ship", lambda _: ship)
        ordinary, planned = await told(ORDINARY), await told(PLANNED)

    assert len(ordinary) == 1
    assert "Expected value of type 'Sailor'" in ordinary[0]
    assert planned == ordinary


def kept_plans(schema: EdgeSchema) -> list[Plans]:
    """The plans of all documents that the schema's desk remembers."""
    verdicts = [verdict for verdict, _ in schema.desk._verdicts._kept.values()]
    return [verdict.plans for verdict in verdicts if verdict.plans is not None]


async def test_plans_end_with_their_document(monkeypatch: pytest.MonkeyPatch) -> None:
    # given a desk that keeps the documents of two queries
    monkeypatch.setattr(validation, "CHARACTERS_KEPT", 2 * len("query A { harbour { name } }"))
    schema = harbour_schema()
    await schema.execute("query A { harbour { name } }", context_value=Context())
    (plan,) = [plan for plan in kept_plans(schema)[0].sheet({}).values() if plan is not None]
    watched: list[weakref.ref[Any]] = [
        weakref.ref(kept_plans(schema)[0]),
        weakref.ref(plan.steps[0].field.details[0].node),
    ]
    assert plan.origin.__name__ == "Harbour"
    del plan

    # when
    for name in "BC":
        await schema.execute(f"query {name} {{ harbour {{ name }} }}", context_value=Context())
    gc.collect()

    # then
    assert not any(reference() for reference in watched)
    assert len(kept_plans(schema)) == 2


async def test_thousands_of_documents_that_look_alike_are_each_answered_by_their_own_plan(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given so little memory that the places of forgotten nodes are soon taken by others
    monkeypatch.setattr(validation, "CHARACTERS_KEPT", 100)
    schema = harbour_schema()

    for number in range(2000):
        names = [f"{letter}{number}" for letter in "abc"]
        fields = " ".join(f"{name}: {'name' if number % 2 else '__typename'}" for name in names)
        result = await schema.execute(f"{{ harbour {{ {fields} }} }}", context_value=Context())
        assert result.data == {"harbour": dict.fromkeys(names, "Porto" if number % 2 else "Harbour")}


async def test_a_subscription_remembers_nothing_of_the_events_it_has_had(monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    executors: list[Planned] = []
    per_event = Planned.build_per_event_executor

    def noting(self: Planned, payload: Any) -> Planned:
        executors.append(per_event(self, payload))
        return executors[-1]

    monkeypatch.setattr(Planned, "build_per_event_executor", noting)
    query = "subscription { arrivals { id captain { name } } }"

    # when
    answers = {}
    for name, schema in (("ordinary", ORDINARY), ("planned", PLANNED)):
        stream = await schema.stream(query, context_value=SOUND)
        answers[name] = [result.data async for result in stream if isinstance(result, ExecutionResult)]

    # then
    assert answers["planned"] == answers["ordinary"]
    assert len(answers["planned"]) == 3
    assert [len(one._relevant_sub_fields) <= 2 and len(one._found) == 1 for one in executors] == [True] * 3
