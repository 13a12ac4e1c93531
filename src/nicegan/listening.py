"""A port to serve pages at, and the address of what is there."""

from __future__ import annotations

import socket
from ipaddress import ip_address

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


def is_loopback(host: str) -> bool:
    """Return whether an address, or the name localhost, leads to this machine alone."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def url_of(listener: socket.socket) -> str:
    """Return the address at which a browser on this machine finds what listens."""
    host, port = listener.getsockname()[:2]
    own = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{own}:{port}"


def said_to_others(listener: socket.socket) -> str:
    """Return the line that says how other machines come here; nothing where they cannot."""
    if is_loopback(listener.getsockname()[0]):
        return ""
    return "(on other machines: this machine's own name or address in place of the one above)\n"
