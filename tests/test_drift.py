"""The committed schema and migrations say what the code says, and a difference is told with its remedy."""

import pytest

from tests import drift


def test_the_committed_schema_is_what_the_code_prints() -> None:
    assert drift.schema_changes() == []


async def test_every_change_of_a_table_has_its_migration() -> None:
    assert await drift.pending_migrations() == []


def test_a_difference_is_told_with_its_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert drift.report("Something is old:", ["-was", "+is"], "Do this.") is False
    assert capsys.readouterr().err == "Something is old:\n  -was\n  +is\nDo this.\n"


def test_an_agreement_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert drift.report("Something is old:", [], "Do this.") is True
    assert capsys.readouterr().err == ""


def test_a_long_difference_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    drift.report("Something is old:", [f"line {number}" for number in range(25)], "Do this.")
    assert capsys.readouterr().err.splitlines()[-2] == "  … and 5 lines more"
