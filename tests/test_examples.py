"""The examples of the documentation, run in their order against the whole product: every answer is compared.

`python -m pytest tests/test_examples.py` fails with the whole difference; the committed answer is then mended by hand,
because somebody has to see what has changed for frontend teams.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from graphql import build_schema, parse, validate

from schema.ids import read_any_id
from schema.pages import FEED, sequence_cursor
from schema.root import PRINTED
from tests.builders import a_member, a_package, a_payment_method, an_organization
from tests.schema.clients.streams import stream
from tests.simulators.world import World

FOLDER = Path(__file__).parent.parent / "docs" / "examples"
EXAMPLES = sorted(path.stem for path in FOLDER.glob("*.graphql"))
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
TOKEN = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+")
NUMBER = re.compile(r"(TOK|TCN)-\d{4}-(\d{6})")
URL = re.compile(r"https?://[^ ]+")


@dataclass(slots=True)
class Visit:
    """What the examples say with placeholders, and what it stands for in this run."""

    world: World
    known: dict[str, str] = field(default_factory=dict)
    token: str | None = None

    def filled(self, value: Any) -> Any:
        """A value with the placeholders of this visit replaced."""
        if isinstance(value, dict):
            return {name: self.filled(one) for name, one in value.items()}
        return self.known.get(value, value) if isinstance(value, str) else value

    def general(self, value: Any, name: str = "") -> Any:
        """A value with everything replaced that differs from run to run; anything else stays as it is."""
        if isinstance(value, dict):
            return {key: self.general(one, key) for key, one in value.items()}
        if isinstance(value, list):
            return [self.general(one, name) for one in value]
        return self._placeholder(value, name) if isinstance(value, str) else value

    def _placeholder(self, text: str, name: str) -> str:
        own = next((placeholder for placeholder, known in self.known.items() if known == text), None)
        if own is not None:
            return own
        if read_any_id(text) is not None:
            return "<id>"
        if TIME.fullmatch(text):
            return "<time>"
        if URL.fullmatch(text):
            return "<url>"
        if NUMBER.fullmatch(text):
            return NUMBER.sub(r"\1-<year>-\2", text)
        if name.lower().endswith("cursor"):
            return "<cursor>"
        return "<token>" if name.endswith("Token") and TOKEN.fullmatch(text) else text

    async def answer(self, text: str, variables: Mapping[str, Any], results: int) -> Any:
        """The answer to an operation; of a subscription the list of its first results, or of all when it ends."""
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        if "subscription " not in text:
            body = {"query": text, "variables": variables}
            answer: httpx2.Response = await self.world.http.post(
                f"{self.world.url}/graphql", json=body, headers=headers
            )
            return answer.json()
        told = []
        async with stream(self.world.http, self.world.url, text, headers=headers, **variables) as events:
            async for one in events:
                if one.event == "next":
                    told.append(one.data)
                if one.event == "complete" or len(told) == results:
                    break
        return told

    def remember(self, name: str, answer: Any) -> None:
        if name == "01-sign-in":
            self.token = answer["data"]["signIn"]["accessToken"]
        if name == "04-buy":
            purchase_id = answer["data"]["startPurchase"]["purchase"]["id"]
            self.known["<purchase>"] = purchase_id
            self.world.started.append(self.world.story(purchase_id).id)
        if name == "11-hold":
            self.known["<hold>"] = answer["data"]["holdTokens"]["hold"]["id"]


async def a_visit(world: World) -> Visit:
    aurora = await an_organization("Aurora Clinics")
    ada = await a_member(aurora)
    starter = await a_package("100", name="Starter")
    await a_payment_method(aurora)
    start = sequence_cursor(0, of=FEED)
    known = {"<email>": ada.email, "<password>": ada.password, "<package>": starter, "<beginning>": start}
    return Visit(world, known)


def committed(name: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return told


def document(name: str) -> str:
    return (FOLDER / f"{name}.graphql").read_text(encoding="utf-8")


def test_every_example_has_its_answer_and_is_valid_against_the_committed_schema() -> None:
    schema = build_schema(PRINTED.read_text(encoding="utf-8"))

    assert sorted(path.stem for path in FOLDER.glob("*.json")) == EXAMPLES
    assert len(EXAMPLES) == 14
    for name in EXAMPLES:
        assert validate(schema, parse(document(name))) == [], name
        assert set(committed(name)) == {"variables", "answer"}


async def test_the_examples_get_the_answers_that_the_documentation_shows(world: World) -> None:
    # given
    visit = await a_visit(world)

    # when
    answers = {}
    for name in EXAMPLES:
        example = committed(name)
        results = len(example["answer"]) if isinstance(example["answer"], list) else 1
        answer = await visit.answer(document(name), visit.filled(example["variables"]), results)
        visit.remember(name, answer)
        answers[name] = visit.general(answer)

    # then
    assert answers == {name: committed(name)["answer"] for name in EXAMPLES}
    assert await world.broken_rules() == []
