"""The TypeScript example in docs/, installed, generated and compiled once a session."""

from pathlib import Path

import pytest

from embedded import web

FOLDER = Path(__file__).parents[2] / "docs" / "typescript"


@pytest.fixture(scope="session")
def example() -> Path:
    """The folder of the example with everything in it that its scripts make: types, manifest, program."""
    web.install(FOLDER)
    for script in ("generate", "build"):
        web.run_script(FOLDER, script)
    return FOLDER


@pytest.fixture(scope="session")
def manifest(example: Path) -> Path:
    """What graphql-codegen has written down of the example's operations."""
    return example / "src" / "generated" / "persisted-documents.json"
