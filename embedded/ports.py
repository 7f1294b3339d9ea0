"""TCP ports on the loopback interface: which are free, and choosing some.

A chosen port lies below the range from which the kernel takes the ports of outgoing connections, so that a part which
is started again finds its port still free. Nothing is reserved: somebody else may take a port before it is used.
"""

import socket
from collections.abc import Collection
from random import SystemRandom

from embedded.failures import CannotStart

LOOPBACK = "127.0.0.1"
CHOICES = range(15_000, 32_000)
ATTEMPTS_MAX = 1_000
CONNECT_SECONDS_MAX = 1.0


class NoFreePort(CannotStart):
    """A thousand random ports were all taken."""

    def __init__(self) -> None:
        super().__init__(f"No free TCP port was found between {CHOICES.start} and {CHOICES.stop}.")


def is_free(port: int) -> bool:
    """True when a server could listen on 127.0.0.1:`port` right now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connections only wait for their time to pass counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def is_answered(port: int) -> bool:
    """True when a server listens on 127.0.0.1:`port`. Asks by connecting, so it never takes the port from one."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(CONNECT_SECONDS_MAX)
        return probe.connect_ex((LOOPBACK, port)) == 0


def free_port(taken: Collection[int] = ()) -> int:
    """A port that is free now and not in `taken`. Raises NoFreePort."""
    choice = SystemRandom()
    for _ in range(ATTEMPTS_MAX):
        port = choice.choice(CHOICES)
        if port not in taken and is_free(port):
            return port
    raise NoFreePort
