"""How the parts may know each other. Import-linter guards the layers; here is what it cannot see."""

import ast
import re
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from graphql import GraphQLInputObjectType, GraphQLNonNull, get_named_type

from embedded.temporal import SEARCH_ATTRIBUTES as SEARCH_ATTRIBUTES_ON_A_LAPTOP
from models.failpoints import NAMES as FAILPOINTS
from schema.edge.permissions import undeclared_root_fields
from schema.root import build
from tests.source_tree import DOORS, PRODUCT, ROOT, Module, modules, modules_of
from worker import WORKFLOWS
from workflows.attributes import SEARCH_ATTRIBUTES

CORE = build()._schema

# Whoever reads the settings decides from the environment; everything else is told.
READS_SETTINGS = {"server", "worker", "models.migrate", "embedded.sample_data"}
# Is handed the settings by a door, to pick what it needs.
KNOWS_SETTINGS = READS_SETTINGS | {"activities.gateways.registry"}
# Programs of their own, which are told by their environment, and the failpoints, which only tests arm.
READS_ENVIRONMENT = {
    "activities.gateways.sandbox_provider.__main__",
    "activities.mail.mailbox",
    "models.failpoints",
    "standalone",
}

# Who may write a table, by a statement that adds, changes or removes rows.
WRITERS = {
    "token_balance_history": {"models.ledger"},
    "token_draws": {"models.ledger"},
    "token_holds": {"models.hold_rows"},
    "token_hold_lots": {"models.hold_rows"},
    "spend_budgets": {"models.budgets"},
    "spend_budget_usage": {"models.budgets"},
    "token_lots": {"models.ledger"},
    "token_invoices": {"models.invoices"},
    "token_invoice_lines": {"models.invoices"},
    "token_invoice_documents": {"models.invoices"},
    "token_invoice_counters": {"models.invoices"},
    "token_audit_logs": {"models.audit", "models.ledger"},
    "idempotency_keys": {"models.intentions", "models.ledger"},
    "outbox": {"models.feed", "models.ledger"},
    "feed": {"models.feed"},
    "feed_cursors": {"models.reader"},
    "effects": {"models.effects"},
    "gateway_events": {"models.gateway_events"},
    "notices": {"models.notices"},
}
WRITES = re.compile(r"\b(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM)\s+([a-z_]+)\b")

# What a caller may never set: it is decided by us, or by who the caller is.
NEVER_ASKED = {
    "actor", "available", "balance", "createdAt", "currency", "currencyCode", "held", "invoiceNumber", "isActive",
    "pricePerToken", "purchaseType", "purchasedBy", "role", "sequence", "status", "subtotal", "tax", "taxRate",
    "total", "unitPrice", "userId", "userType", "walletId",
}  # fmt: skip
# Except for what is set by an input that is about nothing else, and guarded setting by setting.
ASKED_OF_SOME = {"UpdateWalletSettingsInput": {"pricePerToken", "taxRate"}}
# Mutations that move tokens or money and therefore happen once by the caller's key.
MOVES_SOMETHING = {
    "spendTokens", "grantTokens", "adjustBalance", "startPurchase", "holdTokens", "captureHold", "extendHold",
    "releaseHold",
}  # fmt: skip


def decorated(module: Module, decorator: str) -> list[str]:
    """The functions or classes of a module under `@<decorator>` or `@<decorator>(…)`."""
    found = []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names = {ast.unparse(each.func if isinstance(each, ast.Call) else each) for each in node.decorator_list}
            if decorator in names:
                found.append(node.name)
    return found


def registered_activities() -> list[str]:
    """The names in the worker's lists of activities."""
    (worker,) = [module for module in modules() if module.name == "worker"]
    return [
        element.attr if isinstance(element, ast.Attribute) else ast.unparse(element)
        for node in ast.walk(worker.tree)
        if isinstance(node, ast.keyword) and node.arg == "activities" and isinstance(node.value, ast.List)
        for element in node.value.elts
    ]


def tables_written(module: Module) -> set[str]:
    return {table for text in module.strings() for table in WRITES.findall(text)}


def product() -> list[Module]:
    """The product and what it needs on a laptop, without tests and benchmarks, which wire it as they like."""
    return [module for module in modules() if module.top not in ("tests", "benchmarks")]


def test_only_the_doors_read_settings() -> None:
    readers = {module.name for module in product() if "load_settings" in module.imported_names("settings")}
    assert readers <= READS_SETTINGS


def test_only_the_doors_and_what_they_hand_the_settings_to_know_them() -> None:
    knowing = {module.name for module in product() if "settings" in module.imports()}
    assert knowing <= KNOWS_SETTINGS


def test_only_programs_of_their_own_read_the_environment() -> None:
    readers = {module.name for module in modules_of(*PRODUCT, *DOORS, "settings") if "os.environ" in module.text}
    assert readers == READS_ENVIRONMENT


def test_nothing_imports_a_door() -> None:
    offenders = {
        f"{module.name} imports {imported}"
        for module in modules()
        if module.top not in ("tests", "embedded", "benchmarks")
        for imported in module.imports()
        if imported in DOORS
    }
    assert offenders == {"worker imports server"}


def test_the_product_never_imports_what_is_around_it() -> None:
    offenders = {
        f"{module.name} imports {imported}"
        for module in modules_of(*PRODUCT, "server", "worker", "settings")
        for imported in module.imports()
        if imported.partition(".")[0] in ("embedded", "tests", "benchmarks", "standalone")
    }
    assert offenders == set()


def test_our_names_are_nobody_elses() -> None:
    ours = {module.top for module in modules() if Path(ROOT / module.top).exists() or "/" not in module.path}
    installed = packages_distributions()
    assert {name: installed[name] for name in ours if name in installed} == {}


def test_every_activity_is_registered_once() -> None:
    written = [name for module in modules_of("activities") for name in decorated(module, "activity.defn")]
    assert sorted(registered_activities()) == sorted(written)


def test_every_workflow_is_registered_once() -> None:
    written = [name for module in modules_of("workflows") for name in decorated(module, "workflow.defn")]
    assert sorted(workflow.__name__ for workflow in WORKFLOWS) == sorted(written)


def test_every_failpoint_has_its_place_and_every_place_its_name() -> None:
    places = [
        node.args[0].value
        for module in modules_of(*PRODUCT)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "failpoint"
        and isinstance(node.args[0], ast.Constant)
    ]
    assert sorted(map(str, places)) == sorted(FAILPOINTS)


def test_the_embedded_temporal_knows_every_search_attribute() -> None:
    # Temporal's own words for the kinds of the keys.
    kinds = {"KEYWORD": "Keyword", "DOUBLE": "Double"}
    declared = {(key.name, kinds[key.indexed_value_type.name]) for key in SEARCH_ATTRIBUTES}
    assert set(SEARCH_ATTRIBUTES_ON_A_LAPTOP) == declared


def test_the_containers_temporal_is_taught_every_search_attribute() -> None:
    script = (ROOT / "docker/temporal/namespace.sh").read_text()
    assert [key.name for key in SEARCH_ATTRIBUTES if key.name not in script] == []


@pytest.mark.parametrize("table", sorted(WRITERS))
def test_a_table_has_its_writers_and_no_other(table: str) -> None:
    writers = {module.name for module in modules_of(*PRODUCT, *DOORS) if table in tables_written(module)}
    writers -= {module.name for module in modules_of("models") if module.path.startswith("models/migrations/")}
    assert writers == WRITERS[table]


def test_every_root_field_is_guarded_or_public() -> None:
    assert undeclared_root_fields(build()) == []


def test_everything_in_the_schema_is_described() -> None:
    undescribed = []
    for name, kind in CORE.type_map.items():
        # A union says what it is by its members, each of which is described.
        if name.startswith("__") or name in ("Boolean", "ID", "Int", "String", "Float") or hasattr(kind, "types"):
            continue
        if not kind.description:
            undescribed.append(name)
        for part, value in {**getattr(kind, "fields", {}), **getattr(kind, "values", {})}.items():
            if not value.description:
                undescribed.append(f"{name}.{part}")
            arguments = getattr(value, "args", {})
            undescribed += [f"{name}.{part}({each})" for each, told in arguments.items() if not told.description]
    assert undescribed == []


def test_floats_are_not_in_the_schema() -> None:
    assert "Float" not in CORE.type_map


def inputs() -> list[GraphQLInputObjectType]:
    return [kind for kind in CORE.type_map.values() if isinstance(kind, GraphQLInputObjectType)]


@pytest.mark.parametrize("kind", inputs(), ids=lambda kind: kind.name)
def test_a_caller_cannot_set_what_is_not_theirs_to_set(kind: GraphQLInputObjectType) -> None:
    assert NEVER_ASKED & set(kind.fields) == ASKED_OF_SOME.get(kind.name, set())


def test_every_mutation_takes_one_input_and_answers_with_its_own_result() -> None:
    assert CORE.mutation_type is not None
    for name, field in CORE.mutation_type.fields.items():
        title = name[0].upper() + name[1:]
        assert list(field.args) in ([], ["input"])
        assert get_named_type(field.type).name in (f"{title}Result", f"{title}Success")
        assert isinstance(field.type, GraphQLNonNull)


def test_whatever_moves_tokens_or_money_takes_a_key() -> None:
    assert CORE.mutation_type is not None
    keyed = set()
    for name, field in CORE.mutation_type.fields.items():
        kinds = [get_named_type(argument.type) for argument in field.args.values()]
        if any(isinstance(kind, GraphQLInputObjectType) and "idempotencyKey" in kind.fields for kind in kinds):
            keyed.add(name)
    assert keyed == MOVES_SOMETHING
