"""The shape of the code: what may read settings, what is registered, what the schema says of itself."""

import ast
import importlib.metadata
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLInterfaceType, GraphQLObjectType

from schema.edge.permissions import undeclared_root_fields
from schema.root import build
from tests.drift import pending_migrations, schema_is_current

ROOT = Path(__file__).parents[1]
PACKAGES = ("rules", "models", "activities", "workflows", "schema", "embedded", "benchmarks", "tests")
DOORS = ("server", "worker", "standalone")
READ_SETTINGS = {
    "server.py",
    "worker.py",
    "embedded/sample_data.py",
    # Doors of their own: `python -m models.migrate`, and the composition of gateways that every door shares.
    "models/migrate.py",
    "activities/gateways/registry.py",
}
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
SAYS_NOTHING = {"service", "services", "util", "utils", "helper", "helpers", "manager", "common", "misc", "kit", "base"}


def tracked(suffix: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", f"*{suffix}"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).exists()]


def product_files() -> list[Path]:
    return [path for path in tracked(".py") if "tests" not in path.parts and "migrations" not in path.parts]


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_only_doors_read_settings() -> None:
    readers = {
        str(path.relative_to(ROOT))
        for path in product_files()
        if "settings" in set(imports_of(path)) and "benchmarks" not in path.parts
    }
    assert readers <= READ_SETTINGS


def test_nothing_imports_a_door_but_other_doors() -> None:
    for path in product_files():
        if path.name in {"server.py", "worker.py", "standalone.py"} or {"embedded", "benchmarks"} & set(path.parts):
            continue
        assert not set(imports_of(path)) & set(DOORS), path


def test_our_top_level_names_are_nobody_elses() -> None:
    installed = importlib.metadata.packages_distributions()
    ours = {*PACKAGES, *DOORS, "settings"} - {"tests", "benchmarks"}
    assert {name: installed[name] for name in ours if name in installed} == {}


def test_every_activity_is_registered_by_the_worker() -> None:
    worker = (ROOT / "worker.py").read_text(encoding="utf-8")
    defined = {
        node.name
        for path in (ROOT / "activities").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.AsyncFunctionDef)
        and any("activity.defn" in ast.unparse(d) for d in node.decorator_list)
    }
    assert defined
    assert {name for name in defined if f"{name}," not in worker and f".{name}" not in worker} == set()


def test_every_root_field_is_guarded_or_public() -> None:
    assert undeclared_root_fields(build()) == []


def test_everything_in_the_schema_is_described() -> None:
    silent = []
    for name, kind in build()._schema.type_map.items():
        if name.startswith("__"):
            continue
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            for field_name, field in kind.fields.items():
                if not field.description:
                    silent.append(f"{name}.{field_name}")
                silent += [f"{name}.{field_name}({arg})" for arg, one in field.args.items() if not one.description]
        elif isinstance(kind, GraphQLInputObjectType):
            silent += [f"{name}.{field_name}" for field_name, one in kind.fields.items() if not one.description]
        elif isinstance(kind, GraphQLEnumType):
            silent += [f"{name}.{value}" for value, one in kind.values.items() if not one.description]
    assert silent == []


def test_no_input_can_set_what_only_we_decide() -> None:
    decided = {"status", "balance", "available", "held", "price", "unitPrice", "taxRate", "permissions", "purchaseType"}
    for name, kind in build()._schema.type_map.items():
        if isinstance(kind, GraphQLInputObjectType):
            assert not decided & set(kind.fields), name


def test_the_committed_schema_is_the_codes() -> None:
    assert schema_is_current()


async def test_no_table_has_changed_without_a_migration() -> None:
    assert await pending_migrations() == []


@pytest.mark.parametrize("path", product_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_short_and_named_for_something(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= FILE_LINES_MAX
    assert not SAYS_NOTHING & set(path.relative_to(ROOT).with_suffix("").parts)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < FUNCTION_LINES_MAX, node.name


def test_rules_and_models_know_no_floats() -> None:
    for folder in ("rules", "models"):
        for path in (ROOT / folder).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                assert not (isinstance(node, ast.Call) and ast.unparse(node.func) == "float"), path


def test_rules_and_stories_ask_no_clock() -> None:
    for folder in ("rules", "workflows"):
        for path in (ROOT / folder).glob("*.py"):
            text = path.read_text(encoding="utf-8")
            for word in ("datetime.now", "utcnow", "time.time", "random.", "uuid4"):
                assert word not in text, (path, word)


def test_no_machine_and_no_registry_is_named() -> None:
    hosts = ("py" + "pi.org", "python" + "hosted.org", "registry." + "npmjs", "deb." + "debian")
    paths = ("/wo" + "rk/", "/ro" + "ot/", "/fa" + "rm/")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    for name in filter(None, listed):
        content = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b""
        for word in (*hosts, *paths):
            assert word.encode() not in content, (name, word)
