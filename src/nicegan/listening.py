"""A port to serve pages at."""

from __future__ import annotations

import socket

from nicegan.errors import ConfigError

BACKLOG = 1024  # connections that wait to be accepted


def open_port(host: str, port: int) -> socket.socket:
    """Return a socket that listens; who connects before the pages are there waits for them.

    Raises:
        ConfigError: it cannot be had; says what helps.
    """
    listener = None
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # Only of sockets that say they are TCP does asyncio send small packets at once; others wait 40 ms.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except (OSError, UnicodeError) as problem:
        if listener:
            listener.close()
        reason = getattr(problem, "strerror", None) or problem
        raise ConfigError(
            f"{host}, port {port}: {reason}; choose another --host or --port (0: any free port)"
        ) from None
    return listener
