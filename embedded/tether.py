"""Run one command that does not outlive the process which asked for it.

The kernel sends the command a chosen signal when its parent ends, however it ends: SIGKILL leaves no orphan.
On the way to the command the privileges of root can be dropped, in the one order that works: enter the folder while
root may still pass every parent folder, become the other account, and only then ask for the signal, because a change
of account withdraws the request. It is a script of its own and not a `preexec_fn`, which may deadlock in a program
that has threads. Where the kernel has no such signal (macOS) the command simply runs; the next start finds it.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the operating system that a command runs as."""

    name: str
    user_id: int
    group_id: int


def tethered(
    command: Sequence[str],
    folder: Path,
    *,
    account: Account | None = None,
    farewell: signal.Signals = signal.SIGTERM,
) -> tuple[str, ...]:
    """The argument vector that runs `command` in `folder`, tied to the calling process.

    account   whom to become; None stays who we are. Needs root.
    farewell  what the command is sent when the thread that started it, or the process, is gone.
    The process that starts it must be the one that called this function, from a thread that lives on.
    """
    identity = (str(account.user_id), str(account.group_id)) if account else ("-", "-")
    return (
        sys.executable,
        *("-I", "-S", str(Path(__file__).resolve())),
        *(str(os.getpid()), str(int(farewell)), str(folder), *identity),
        *command,
    )


def _become(user: str, group: str) -> None:
    if user == "-":
        return
    os.setgroups([])
    os.setgid(int(group))
    os.setuid(int(user))


def _tie(parent: int, farewell: int) -> None:
    if not sys.platform.startswith("linux"):
        return
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(PR_SET_PDEATHSIG, farewell, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    # The parent may have ended before the request was made; then nobody would ever send the signal.
    if os.getppid() != parent:
        sys.exit("The process that started this one has already ended.")


def main() -> None:
    parent, farewell, folder, user, group, *command = sys.argv[1:]
    # A session of its own, so that Ctrl-C in a terminal reaches the supervisor only, which stops parts in order.
    with suppress(PermissionError):
        os.setsid()
    os.chdir(folder)
    _become(user, group)
    _tie(int(parent), int(farewell))
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
