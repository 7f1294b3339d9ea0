"""Taste as a test: sizes, names, and what must not stand in a file.

Words that are forbidden are put together from halves here, or this file would contain them.
"""

import ast
import re
from pathlib import PurePosixPath

import pytest

from tests.source_tree import Module, modules, modules_of, texts

FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 400
# Written by a tool and never again by hand.
GENERATED = ("models/migrations/",)

BANNED_IN_FILE_NAMES = {
    "base", "common", "core", "helper", "helpers", "kit", "lib", "manager", "managers", "misc", "service", "services",
    "util", "utils",
}  # fmt: skip

# Seconds are floats in asyncio, and are neither tokens nor money.
FLOATS_ALLOWED = {
    "models/database.py": "seconds to wait for connections and between tries",
    "models/feed.py": "seconds between looks and between reconnections",
    "models/hub.py": "seconds between tries of a page",
    "models/reader.py": "seconds between tries of an event",
    "models/tills.py": "seconds that a transaction has lately taken",
    "workflows/purchase.py": "Temporal's search attribute for filtering by amount; the books have the decimal",
}
CLOCKS = re.compile(r"\b(?:datetime\.(?:now|utcnow|today)|date\.today|time\.(?:time|time_ns|monotonic))\(")
CHANCE = re.compile(r"\b(?:uuid[14]|secrets\.\w+|random\.\w+|os\.urandom)\(")
CHANCE_ALLOWED = {
    "models/database.py": "the pause before a lost transaction is tried again",
    "models/feed.py": "the pause before a lost connection is made again",
    "models/reader.py": "the pause before an event is handled again",
}
PRINTS_ALLOWED = ("standalone.py", "embedded/", "benchmarks/")

FORBIDDEN = {
    "a path of somebody's machine": ["/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/", "/fa" + "rm/", "/Us" + "ers/"],
    "the name of a package registry": [
        "pypi" + ".org", "python" + "hosted.org", "npm" + "js.org", "npm" + "js.com", "yarn" + "pkg.com",
        "deb." + "debian.org", "--index" + "-url", "--extra-index" + "-url", "--find" + "-links",
    ],
    "a task left behind": ["TO" + "DO", "FIX" + "ME", "XX" + "X"],
    "a merge that was not finished": ["<" * 7 + " ", ">" * 7 + " "],
}  # fmt: skip
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]")

LOCKED = re.compile(r"[A-Za-z0-9._-]+(\[[a-z0-9,_-]+\])?==[^ ]+( ; [^\\]+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")


def functions(module: Module) -> list[tuple[str, int]]:
    """Every function and how many lines it has."""
    return [
        (node.name, (node.end_lineno or node.lineno) - node.lineno + 1)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def uses_floats(module: Module) -> bool:
    return any(
        (isinstance(node, ast.Constant) and isinstance(node.value, float | complex))
        or (isinstance(node, ast.Name) and node.id == "float")
        for node in ast.walk(module.tree)
    )


def test_functions_are_short() -> None:
    long = {
        f"{module.path}: {name} has {lines} lines"
        for module in modules()
        for name, lines in functions(module)
        if lines > FUNCTION_LINES_MAX
    }
    assert long == set()


def test_files_are_short() -> None:
    long = {
        f"{module.path} has {module.text.count(chr(10))} lines"
        for module in modules()
        if module.text.count("\n") > FILE_LINES_MAX and not module.path.startswith(GENERATED)
    }
    assert long == set()


def test_files_are_named_for_a_thing() -> None:
    vague = {
        path
        for path in texts()
        if BANNED_IN_FILE_NAMES & set(re.split(r"[/._-]", str(PurePosixPath(path).with_suffix("")).lower()))
    }
    assert vague == set()


def test_every_module_says_what_it_is_for() -> None:
    silent = {
        module.path
        for module in modules()
        if module.tree.body and ast.get_docstring(module.tree) is None and not module.path.startswith(GENERATED)
    }
    assert silent == set()


def test_floats_are_nowhere_near_tokens_and_money() -> None:
    using = {module.path for module in modules_of("rules", "models", "workflows") if uses_floats(module)}
    assert using == set(FLOATS_ALLOWED)


def test_rules_models_and_workflows_are_told_the_time() -> None:
    asking = {module.path for module in modules_of("rules", "models", "workflows") if CLOCKS.search(module.text)}
    assert asking == set()


def test_rules_models_and_workflows_leave_nothing_to_chance() -> None:
    guessing = {module.path for module in modules_of("rules", "models", "workflows") if CHANCE.search(module.text)}
    assert guessing == set(CHANCE_ALLOWED)


def test_only_programs_for_people_print() -> None:
    printing = {
        module.path
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }
    assert {path for path in printing if not path.startswith(PRINTS_ALLOWED)} == set()


@pytest.mark.parametrize("what", sorted(FORBIDDEN))
def test_no_file_contains(what: str) -> None:
    found = {
        f"{path}: {word}"
        for path, text in texts().items()
        for word in FORBIDDEN[what]
        if re.search(rf"(?<![\w.-]){re.escape(word)}" if word.isalpha() or word[0] == "/" else re.escape(word), text)
    }
    assert found == set()


def test_text_is_plain() -> None:
    odd = {path for path, text in texts().items() if CONTROLS.search(text)}
    assert odd == set()


def test_files_end_with_one_line_end_and_lines_with_none_of_space() -> None:
    untidy = {
        path
        for path, text in texts().items()
        if text and (not text.endswith("\n") or text.endswith("\n\n") or re.search(r"[ \t]+$", text, re.MULTILINE))
    }
    assert untidy == set()


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_file_holds_versions_and_hashes_and_nothing_else(name: str) -> None:
    lines = texts()[name].splitlines()
    assert [line for line in lines if not (LOCKED.fullmatch(line) or HASH.fullmatch(line))] == []
    assert sum(1 for line in lines if LOCKED.fullmatch(line)) > 10


def test_the_web_lock_names_no_place_to_fetch_from() -> None:
    assert '"resolved"' not in texts()["web/package-lock.json"]
