"""The TypeScript example: its types come from our schema, the compiler finds mistakes by them, and it runs."""

import json
import re
import shutil
from pathlib import Path

import pytest
from graphql import parse, validate

from embedded import web
from schema.edge.trusted import read_manifest
from schema.root import build
from tests.frontends.conftest import FOLDER
from tests.frontends.visits import VISIT, a_customer, remember_the_order, visit
from tests.simulators.world import World

OPERATIONS = sorted((FOLDER / "src" / "operations").glob("*.graphql"))
# What a programmer would get wrong, and what the compiler calls it.
MISTAKES = {
    "a decimal is not a number": (
        """import type { WalletPageQuery } from './generated/graphql.js';
        export const left = (page: WalletPageQuery): number => page.wallet?.available ?? 0;""",
        "TS2322",
    ),
    "the wallet may be null": (
        """import type { WalletPageQuery } from './generated/graphql.js';
        export const left = (page: WalletPageQuery): string => page.wallet.available;""",
        "TS18047",
    ),
    "a refusal is not dealt with": (
        """import { never } from './scrip.js';
        import type { SignInMutation } from './generated/graphql.js';
        export function token(answer: SignInMutation['signIn']): string {
          switch (answer.__typename) {
            case 'SignInSuccess': return answer.accessToken;
            default: return never(answer);
          }
        }""",
        "TS2345",
    ),
    "a key is missing": (
        """import { Scrip } from './scrip.js';
        import { SpendDocument } from './generated/graphql.js';
        export const spend = (scrip: Scrip) => scrip.ask(SpendDocument, { input: { tokens: '1' } });""",
        "TS2741",
    ),
    "there is no such kind": (
        """import type { EntryKind } from './generated/graphql.js';
        export const kind: EntryKind = 'GIFT';""",
        "TS2322",
    ),
}


@pytest.fixture
def copy(example: Path, tmp_path: Path) -> Path:
    """The example in a folder of its own, with the same packages."""
    ignored = shutil.ignore_patterns("node_modules", "dist", ".lock")
    folder = shutil.copytree(example, tmp_path / "typescript", ignore=ignored)
    (folder / "node_modules").symlink_to(example / "node_modules")
    return folder


def test_every_operation_is_valid() -> None:
    assert {path.name: validate(build()._schema, parse(path.read_text())) for path in OPERATIONS} == {
        "buy.graphql": [],
        "follow.graphql": [],
        "sign-in.graphql": [],
        "spend.graphql": [],
        "wallet.graphql": [],
    }


def test_the_manifest_holds_every_operation(manifest: Path) -> None:
    texts = read_manifest(manifest)

    names = [re.findall(r"^(?:query|mutation|subscription) (\w+)", text) for text in texts.values()]
    assert sorted(name for found in names for name in found) == ["Buy", "Follow", "SignIn", "Spend", "WalletPage"]


def test_the_compiler_finds_mistakes_and_nothing_else(copy: Path) -> None:
    for name, (program, _) in MISTAKES.items():
        (copy / "src" / f"{name}.ts").write_text(program)

    with pytest.raises(web.WebBuildFailed) as failure:
        web.run_script(copy, "check")

    found = re.findall(r"^ *src/(.+)\.ts\(\d+,\d+\): error (TS\d+)", str(failure.value), re.MULTILINE)
    assert sorted(found) == sorted((name, code) for name, (_, code) in MISTAKES.items())


def test_every_dependency_is_one_exact_version_and_the_lock_says_not_where_from() -> None:
    package = json.loads((FOLDER / "package.json").read_text())
    lock = json.loads((FOLDER / "package-lock.json").read_text())

    wanted = package["dependencies"] | package["devDependencies"]
    assert [name for name, number in wanted.items() if not re.fullmatch(r"\d+\.\d+\.\d+", number)] == []
    assert [name for name, entry in lock["packages"].items() if "resolved" in entry] == []
    assert (FOLDER / ".npmrc").read_text() == (web.WEB / ".npmrc").read_text()


async def test_the_example_runs_against_the_whole_product(world: World, example: Path) -> None:
    ada = await a_customer(world)

    assert await visit(world, ada, example) == VISIT

    await remember_the_order(world)
    assert await world.broken_rules() == []
