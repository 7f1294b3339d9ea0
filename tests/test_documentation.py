"""The documentation says what is so: links lead somewhere, names exist, tables equal the code, and the README runs."""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from graphql import GraphQLEnumType, parse, validate

from embedded.options import PORTS
from models.errors import all_refusals
from schema.edge.deadline import RECEIVE_SECONDS_MAX, UVICORN_OPTIONS
from schema.edge.limits import Limits
from schema.edge.masking import ErrorCode
from schema.edge.middleware import BODY_BYTES_MAX, SECONDS_MAX
from schema.edge.streams import (
    SOCKETS_PER_ADDRESS_MAX,
    SOCKETS_PER_CALLER_MAX,
    STREAMS_PER_ADDRESS_MAX,
    STREAMS_PER_CALLER_MAX,
)
from schema.edge.view import SUBSCRIPTIONS_PER_CONNECTION_MAX
from schema.pages import PAGE_MAX
from schema.root import NODES_MAX
from settings import Settings
from tests.builders import a_member, a_payment_method, an_organization, gives
from tests.documentation_tables import CORE, WRITTEN, part
from tests.simulators.world import World
from tests.source_tree import ROOT, files, modules, texts
from workflows.attributes import SEARCH_ATTRIBUTES

PAGES = tuple(path for path in files() if path.endswith(".md"))
DECISIONS = tuple(path for path in PAGES if re.fullmatch(r"docs/adr/\d{4}-[a-z-]+\.md", path))

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`([^`\n]+)`")
TARGET = re.compile(r"\bmake ([a-z][a-z-]*)")
SHOUTED = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
FILE = re.compile(r"[a-z_.-]+(?:/[a-z0-9_.-]+)*/?(?:\.(?:py|graphql|yml|example|md|json|lock))")

# Made by `make run`, or words of other programs.
NOT_OURS = {".scrip/ready.json", "ready.json", "secrets.json"}


def page(path: str) -> str:
    return texts()[path]


def shown_code(text: str) -> Iterator[str]:
    """What stands in backticks, short or long."""
    yield from (body for _, body in FENCED.findall(text))
    yield from INLINE.findall(FENCED.sub("", text))


def blocks(text: str, language: str) -> list[str]:
    return [body for name, body in FENCED.findall(text) if name == language]


def anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def first_cells(lines: list[str]) -> list[str]:
    """The first cell of each row of a table, its head left out."""
    return [line.split("|")[1].strip().strip("`") for line in lines[2:]]


def names_of_the_environment() -> set[str]:
    """Every variable that a program of ours reads."""
    own = {
        text
        for module in modules()
        if module.path.startswith(("activities/gateways/sandbox_provider/", "activities/mail/", "models/failpoints"))
        for text in module.strings()
        if SHOUTED.fullmatch(text)
    }
    return {name.upper() for name in Settings.model_fields} | set(PORTS) | {"SCRIP_DATA"} | own


def names_of_the_api() -> set[str]:
    """Codes and enum values."""
    values = {name for kind in CORE.type_map.values() if isinstance(kind, GraphQLEnumType) for name in kind.values}
    return values | {str(code) for code in ErrorCode} | set(all_refusals())


@pytest.mark.parametrize("path", PAGES)
def test_every_link_leads_somewhere(path: str) -> None:
    dead = []
    for link in LINK.findall(FENCED.sub("", page(path))):
        if link.startswith(("https://", "mailto:")):
            continue
        place, _, anchor = link.partition("#")
        target = (ROOT / path).parent / place if place else ROOT / path
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            dead.append(link)
    assert dead == []


def test_every_page_is_reached_from_the_readme() -> None:
    reached, todo = {"README.md"}, ["README.md"]
    while todo:
        path = todo.pop()
        for link in LINK.findall(page(path)):
            target = (Path(path).parent / link.partition("#")[0]).as_posix()
            if target in PAGES and target not in reached:
                reached.add(target)
                todo.append(target)
    # Whoever runs the examples or the benchmarks finds their pages in the folder.
    assert {path for path in PAGES if path not in reached and not path.startswith(("docs/examples/", "web/"))} <= {
        "docs/performance.md"
    }


@pytest.mark.parametrize("path", PAGES)
def test_every_make_target_exists(path: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", page("Makefile"), re.MULTILINE))
    named = {target for code in shown_code(page(path)) for target in TARGET.findall(code)}
    assert named - targets == set()


@pytest.mark.parametrize("path", PAGES)
def test_every_variable_and_code_exists(path: str) -> None:
    known = names_of_the_environment() | names_of_the_api()
    named = {name for code in shown_code(page(path)) for name in SHOUTED.findall(code)}
    assert named - known == set()


@pytest.mark.parametrize("path", PAGES)
def test_every_file_named_exists(path: str) -> None:
    named = {code for code in INLINE.findall(FENCED.sub("", page(path))) if FILE.fullmatch(code)}
    near = Path(path).parent
    missing = {name for name in named - NOT_OURS if not any((ROOT / place / name).exists() for place in ("", near))}
    # `models/` in the row of a table lets `ledger.py` stand alone beside it.
    known = {module.path.rpartition("/")[2] for module in modules()} | {"schema.graphql"}
    assert {name for name in missing if name not in known} == set()


@pytest.mark.parametrize("path", PAGES)
def test_every_operation_shown_is_valid(path: str) -> None:
    for operation in blocks(page(path), "graphql"):
        assert validate(CORE, parse(operation)) == []


@pytest.mark.parametrize(("path", "name"), [(path, name) for path, parts in WRITTEN.items() for name in parts])
def test_what_the_code_knows_is_written_as_the_code_says(path: str, name: str) -> None:
    assert part(page(path), name) == WRITTEN[path][name](), "run make docs"


def test_every_error_code_is_explained() -> None:
    explained = first_cells(part(page("docs/frontend.md"), "error codes"))
    assert sorted(explained) == sorted(str(code) for code in ErrorCode)


def test_every_limit_is_stated() -> None:
    stated = [int(row.split("|")[2]) for row in part(page("docs/frontend.md"), "limits")[2:]]
    limits = Limits()
    by_document = [getattr(limits, each.name) for each in fields(limits) if each.name != "page_unstated"]
    assert stated == [
        *by_document,
        BODY_BYTES_MAX,
        RECEIVE_SECONDS_MAX,
        SECONDS_MAX,
        PAGE_MAX,
        SUBSCRIPTIONS_PER_CONNECTION_MAX,
        STREAMS_PER_CALLER_MAX,
        STREAMS_PER_ADDRESS_MAX,
        SOCKETS_PER_CALLER_MAX,
        SOCKETS_PER_ADDRESS_MAX,
    ]
    assert UVICORN_OPTIONS["ws_max_size"] == BODY_BYTES_MAX
    assert NODES_MAX == PAGE_MAX


def test_every_stage_is_explained() -> None:
    (story,) = [module for module in modules() if module.path == "workflows/purchase.py"]
    shown = {
        node.args[0].value
        for node in ast.walk(story.tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "self._show"
        and isinstance(node.args[0], ast.Constant)
    }
    # The first stage is given at the start; the last ones are the states a purchase ends in without money.
    stages = shown | {"placing", "refused", "failed", "cancelled", "expired"}
    assert set(first_cells(part(page("docs/operations.md"), "stages"))) == stages


def test_every_search_attribute_is_named() -> None:
    assert [key.name for key in SEARCH_ATTRIBUTES if f"`{key.name}`" not in page("docs/operations.md")] == []


def test_every_option_of_the_standalone_is_explained_with_its_default() -> None:
    rows = [re.findall(r"[^| ]+", row)[:2] for row in part(page("docs/operations.md"), "standalone options")[2:]]
    stated = {name.strip("`"): default.strip("`") for name, default in rows}
    assert stated == {"SCRIP_DATA": ".scrip", **{name: str(port) for name, port in PORTS.items()}}


def test_decisions_are_numbered_without_gaps_and_listed_with_their_titles() -> None:
    assert [int(Path(path).name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    listed = re.findall(r"^\| \[(\d{4})\]\(([^)]+)\) \| (.+) \|$", page("docs/adr/README.md"), re.MULTILINE)
    assert listed == [
        (name[:4], name, page(path).partition("\n")[0].removeprefix("# "))
        for path in DECISIONS
        for name in [Path(path).name]
    ]


@pytest.mark.parametrize("path", DECISIONS)
def test_a_decision_is_one_page_of_context_decision_and_consequences(path: str) -> None:
    words = re.findall(r"^\*\*(\w+)\.\*\*", page(path), re.MULTILINE)
    assert words == ["Context", "Decision", "Consequences"]
    assert page(path).count("\n") <= 60


def test_the_glossary_is_in_order() -> None:
    words = [
        cell.lower()
        for cell in first_cells([line for line in page("docs/glossary.md").splitlines() if line[:1] == "|"])
    ]
    assert words == sorted(words)


def test_the_glossary_names_tables_that_exist() -> None:
    tables = {
        node.value.value
        for module in modules()
        if module.path.startswith("models/tables/")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Assign)
        and ast.unparse(node.targets[0]) == "table"
        and isinstance(node.value, ast.Constant)
    }
    named = set(re.findall(r"\(`(\w+s|\w+_history)`\)", page("docs/glossary.md")))
    assert named
    assert named - tables == set()


def test_every_operation_that_the_changelog_names_exists() -> None:
    roots = [kind for kind in (CORE.query_type, CORE.mutation_type, CORE.subscription_type) if kind is not None]
    known = {name for root in roots for name in root.fields}
    assert set(re.findall(r"`([a-z]+[A-Z]\w+)`", page("CHANGELOG.md"))) - known == set()


async def test_the_readme_runs_and_answers_as_it_says(world: World) -> None:
    # given the sample organization, right after the first start
    boreal = await an_organization("Boreal Insurance")
    bjorn = await a_member(boreal)
    await a_payment_method(boreal)
    await gives(boreal, "25")
    asked, answered = blocks(page("README.md"), "graphql"), blocks(page("README.md"), "json")

    # when
    answers = [json.dumps(await world.ask(operation, bjorn)) for operation in asked]

    # then, but for the year
    assert [json.loads(re.sub(r"TOK-\d{4}-", "TOK-2026-", answer)) for answer in answers] == [
        json.loads(answer) for answer in answered
    ]
    assert await world.broken_rules() == []
