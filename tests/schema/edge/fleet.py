# Strawberry declares the decorators it makes from arguments as Any.
# mypy: disable-error-code="untyped-decorator"
"""A schema with every kind of field a plan knows, and every kind it does not; its data is often not what it should be.

Strawberry does not check what resolvers return, so an attribute may hold null, an error, another class or something
to be awaited, whatever its type promises. `calls` counts resolvers: none may be called twice.
"""

import asyncio
from collections.abc import AsyncGenerator, Generator
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from random import Random
from typing import Annotated, Any, Generic, NewType, TypeVar

import strawberry
from strawberry.schema.config import StrawberryConfig

from schema.scalars import SCALARS, Cursor

Item = TypeVar("Item")
Mood = NewType("Mood", str)
MOODS = {**SCALARS, Mood: strawberry.scalar(name="Mood", serialize=lambda mood: None if mood == "none" else str(mood))}
calls: list[str] = []
# What a surprise is made of; most of the time an attribute holds what it should.
SURPRISE = 0.015


@strawberry.enum
class Rank(Enum):
    MATE = "mate"
    MASTER = "master"


@strawberry.enum
class Flag(StrEnum):
    PANAMA = "panama"
    MALTA = "malta"


class Wrecked(Exception):
    pass


class Later:
    """Something to be awaited that does not complain when nobody does."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __repr__(self) -> str:
        return f"Later({self._value!r})"

    def __await__(self) -> Generator[Any, None, object]:
        yield from asyncio.sleep(0).__await__()
        return self._value


@strawberry.interface
class Thing:
    key: strawberry.Private[int]
    label: str | None

    @strawberry.field
    def id(self) -> strawberry.ID:
        calls.append(f"id {self.key}")
        return strawberry.ID(f"{type(self).__name__}:{self.key}")


@strawberry.type
class Pay:
    amount: Decimal
    currency: str

    @strawberry.field
    def formatted(self) -> str:
        calls.append("formatted")
        return f"{self.currency} {self.amount}"


@strawberry.type
class Sailor(Thing):
    name: str
    age: int
    rank: Rank
    flag: Flag | None
    pay: Pay
    bonus: Pay | None
    since: datetime
    place: Cursor
    mood: Mood | None
    afloat: bool
    share: float
    mate: "Sailor | None"
    tags: list[str]
    marks: list[list[int | None]] | None

    @strawberry.field
    def badge(self) -> str:
        calls.append(f"badge {self.key}")
        if self.key % 7 == 0:
            raise Wrecked(f"no badge for {self.key}")
        return f"badge {self.key}"

    @strawberry.field
    def nickname(self) -> str | None:
        calls.append(f"nickname {self.key}")
        if self.key % 5 == 0:
            raise Wrecked("nobody knows")
        return None if self.key % 2 else "Sparrow"

    @strawberry.field
    def purse(self) -> Pay:
        calls.append(f"purse {self.key}")
        return self.pay

    @strawberry.field
    async def slow(self) -> str:
        calls.append(f"slow {self.key}")
        await asyncio.sleep(0)
        if self.key % 6 == 0:
            raise Wrecked("too slow")
        return "slow"

    @strawberry.field
    async def friend(self) -> "Sailor | None":
        calls.append(f"friend {self.key}")
        return self.mate

    @strawberry.field
    def asks(self, info: strawberry.Info) -> str:
        return info.field_name

    @strawberry.field
    def twice(self, times: int = 2) -> str:
        return str(self.name) * times


@strawberry.type
class Cat(Thing):
    lives: int


@strawberry.type
class Berth(Generic[Item]):
    cursor: Cursor
    node: Item


@strawberry.type
class Quay(Generic[Item]):
    berths: list[Berth[Item]]
    nodes: list[Item]


Aboard = Annotated[Sailor | Cat, strawberry.union("Aboard")]


@strawberry.type
class Ship(Thing):
    captain: Sailor
    crew: list[Sailor]
    watch: list[Sailor | None] | None
    quay: Quay[Sailor]
    things: list[Thing]
    aboard: list[Aboard]
    decks: list[list[Sailor]]
    cats: tuple[Cat, ...]

    @strawberry.field
    async def roster(self, first: int = 3) -> list[Sailor]:
        return self.crew[:first]


class Impostor:
    """Not of the type, but has what it takes; some of it raises."""

    key, label, name, age, flag, afloat, tags = 99, "impostor", "Nobody", 2**40, None, True, ("x",)
    lives = 9

    def __repr__(self) -> str:
        return "Impostor()"

    @property
    def rank(self) -> Rank:
        raise Wrecked("no rank")


def surprised(chance: Random, value: object) -> Any:
    """The value, or seldom something that should not be there."""
    if chance.random() > SURPRISE:
        return value
    return chance.choice([None, None, Wrecked("adrift"), Later(value), Later(None), "?", 2**40, Impostor(), [value]])


def a_sailor(chance: Random, key: int, mates: int = 2) -> Sailor:
    def maybe(value: object) -> Any:
        return surprised(chance, value)

    mate = a_sailor(chance, key * 10 + 1, mates - 1) if mates and chance.random() < 0.5 else None
    pay = Pay(amount=maybe(Decimal(key) / 4), currency=maybe("KES"))
    return Sailor(
        key=key,
        label=maybe(chance.choice([None, "old salt"])),
        name=maybe(f"sailor {key}"),
        age=maybe(key),
        rank=maybe(chance.choice(list(Rank))),
        flag=maybe(chance.choice([None, *Flag])),
        pay=maybe(pay),
        bonus=maybe(chance.choice([None, pay])),
        since=maybe(datetime(2026, 1, 1 + key % 28, tzinfo=UTC)),
        place=maybe(Cursor(f"place {key}")),
        mood=chance.choice([Mood("calm"), Mood("calm"), Mood("none"), None]),
        afloat=maybe(bool(key % 2)),
        share=maybe(key / 4),
        mate=maybe(mate),
        tags=maybe(["a", maybe("b")]),
        marks=maybe([[1, maybe(2)], maybe([])]),
    )


def a_ship(seed: int) -> Ship:
    """The same ship for the same seed, every object and awaitable of it new."""
    chance = Random(seed)

    def maybe(value: object) -> Any:
        return surprised(chance, value)

    crew = [maybe(a_sailor(chance, key)) for key in range(1, 1 + chance.randint(0, 4))]
    cats = [maybe(Cat(key=key, label="cat", lives=maybe(9))) for key in (1, 2)]
    return Ship(
        key=seed % 100,
        label="ship",
        captain=maybe(a_sailor(chance, 8)),
        crew=maybe(crew),
        watch=maybe([*crew, *chance.choice([[], [], [None]])]),
        quay=maybe(Quay(berths=[Berth(cursor=maybe(Cursor("c")), node=one) for one in crew], nodes=crew)),
        things=maybe([*crew, *cats]),
        aboard=maybe([*crew, *cats]),
        decks=maybe([crew, maybe(crew)]),
        cats=maybe(tuple(cats)),
    )


@strawberry.type
class Query:
    @strawberry.field
    def ship(self, info: strawberry.Info) -> Ship:
        return a_ship(info.context)

    @strawberry.field
    async def ships(self, info: strawberry.Info) -> list[Ship]:
        return [a_ship(info.context), a_ship(info.context + 1)]

    @strawberry.field
    def lost(self, info: strawberry.Info) -> Ship | None:
        return a_ship(info.context) if info.context % 3 else None

    @strawberry.field
    def thing(self, info: strawberry.Info) -> Thing | None:
        found: Thing | None = surprised(Random(info.context), a_sailor(Random(info.context), 3))
        return found


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def arrivals(self, info: strawberry.Info) -> AsyncGenerator[Ship, None]:
        for number in range(3):
            yield a_ship(info.context + number)


def fleet_schema(**options: Any) -> strawberry.Schema:
    """The fleet's schema without the edge, so that every error shows its own text."""
    return strawberry.Schema(Query, subscription=Subscription, config=StrawberryConfig(scalar_map=MOODS), **options)
