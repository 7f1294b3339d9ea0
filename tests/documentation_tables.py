"""`make docs` writes the parts of the documentation that the code knows.

Each such part stands between `<!-- name -->` and `<!-- /name -->`. `tests/test_documentation.py` holds them equal to
the code; this writes them anew when they are not. What a person has to put in words is not written here.
"""

import re
import sys
from importlib import import_module
from pathlib import Path

from graphql import GraphQLObjectType, GraphQLUnionType, get_named_type
from tortoise.migrations.operations import RunSQL

from activities.gateways.sandbox_provider.methods import METHODS
from activities.jobs import JOBS
from models.errors import all_refusals
from models.reconciliation import RULES
from schema.problems import PROBLEMS
from schema.root import build
from tests.source_tree import ROOT

CORE = build()._schema
GUARDED = re.compile(r"CREATE TRIGGER \w+_append_only BEFORE UPDATE OR DELETE ON (\w+)")
TOLD_OF_EVERY_PROBLEM = {"code", "message"}


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def problems() -> list[str]:
    """Every refusal: its code, its type, its fields, and what the schema says it means."""
    lines = [row("`code`", "type", "beside `code` and `message`", "what it means"), "|---|---|---|---|"]
    for code, refusal in sorted(all_refusals().items()):
        kind = CORE.type_map[PROBLEMS[refusal][0].__name__]
        assert isinstance(kind, GraphQLObjectType)
        fields = ", ".join(f"`{name}`" for name in kind.fields if name not in TOLD_OF_EVERY_PROBLEM)
        lines.append(row(f"`{code}`", f"`{kind.name}`", fields, kind.description or ""))
    return lines


def sandbox_methods() -> list[str]:
    """Every method token of the sandbox and what happens."""
    scripts = [row(f"`{token}`", script.story) for token, script in METHODS.items()]
    return [row("token", "what happens"), "|---|---|", *scripts]


def rules_of_the_books() -> list[str]:
    return [f"- {rule}" for rule in RULES]


def append_only_tables() -> list[str]:
    """The tables whose triggers refuse every change, in the order in which migrations have guarded them."""
    names = sorted(path.stem for path in (ROOT / "models" / "migrations").glob("[0-9]*.py"))
    migrations = [import_module(f"models.migrations.{name}").Migration for name in names]
    done = [operation for migration in migrations for operation in migration.operations]
    statements = [sql for each in done if isinstance(each, RunSQL) for sql in each.sql]
    guarded = [found[1] for sql in statements if (found := GUARDED.match(sql))]
    return [", ".join(f"`{table}`" for table in guarded)]


def jobs() -> list[str]:
    """Every scheduled job, when it runs and what it does."""
    lines = [row(f"`{job.name}`", job.timetable.in_words(), job.does) for job in JOBS]
    return [row("job", "when", "what it does"), "|---|---|---|", *lines]


def switched_off() -> list[str]:
    """What each mutation does while the token system is switched off."""
    assert CORE.mutation_type is not None
    answers = {name: get_named_type(field.type) for name, field in CORE.mutation_type.fields.items()}
    refused = [
        name
        for name, answer in answers.items()
        if isinstance(answer, GraphQLUnionType) and "TokenSystemDisabled" in {kind.name for kind in answer.types}
    ]
    going_on = [name for name in answers if name not in refused]
    listed = [", ".join(f"`{name}`" for name in sorted(names)) for names in (refused, going_on)]
    return [
        row("while the switch is off", "mutations"),
        "|---|---|",
        row("answer `TokenSystemDisabled`", listed[0]),
        row("go on", listed[1]),
    ]


WRITTEN = {
    "docs/frontend.md": {"problems": problems},
    "docs/operations.md": {
        "append-only tables": append_only_tables,
        "jobs": jobs,
        "sandbox methods": sandbox_methods,
        "switched off": switched_off,
    },
    "docs/finance.md": {"rules of the books": rules_of_the_books},
}


def part(text: str, name: str) -> list[str]:
    """The lines between a part's two marks. Raises LookupError when there is no such part."""
    found = re.search(
        rf"^<!-- {re.escape(name)} -->\n(.*?)^<!-- /{re.escape(name)} -->$", text, re.DOTALL | re.MULTILINE
    )
    if found is None:
        raise LookupError(f"no part named {name!r}")
    return found[1].splitlines()


def with_part(text: str, name: str, lines: list[str]) -> str:
    """The text with other lines between a part's two marks."""
    old, new = "\n".join([f"<!-- {name} -->", *part(text, name)]), "\n".join([f"<!-- {name} -->", *lines])
    return text.replace(old, new, 1)


def write(page: Path) -> bool:
    """The page's parts say what the code says; True when it had to be changed."""
    before = after = page.read_text(encoding="utf-8")
    for name, lines in WRITTEN[page.relative_to(ROOT).as_posix()].items():
        after = with_part(after, name, lines())
    page.write_text(after, encoding="utf-8")
    return after != before


if __name__ == "__main__":
    for path in WRITTEN:
        if write(ROOT / path):
            sys.stdout.write(f"{path} written\n")
