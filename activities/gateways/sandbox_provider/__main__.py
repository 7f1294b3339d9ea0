"""Run the sandbox provider: one process, told by SANDBOX_* variables, until it is stopped.

When it listens it writes one line of JSON, `{"listening": "http://…"}`, to standard output. See the package for what
it does and `options.py` for the variables.
"""

import asyncio
import json
import os
import socket
import sys

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from activities.gateways.sandbox_provider.app import Provider
from activities.gateways.sandbox_provider.options import ProviderOptions, WrongOption, read_options


class HangUpProtocol(H11Protocol):
    """HTTP/1.1 that lets a request close its connection without any answer: `request.state.hang_up()`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "hang_up": transport.abort}


def main() -> int:
    try:
        options = read_options(os.environ)
    except WrongOption as wrong:
        sys.stderr.write(f"{wrong}\n")
        return 2
    _run(options)
    return 0


def _run(options: ProviderOptions) -> None:
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    with socket.create_server((options.host, options.port), family=family, backlog=512) as listener:
        host = f"[{options.host}]" if family is socket.AF_INET6 else options.host
        listening = f"http://{host}:{listener.getsockname()[1]}"
        provider = Provider(options, public_url=options.public_url or listening)
        config = uvicorn.Config(
            provider.app(),
            http=HangUpProtocol,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=5,
        )
        sys.stdout.write(json.dumps({"listening": listening}) + "\n")
        sys.stdout.flush()
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    sys.exit(main())
