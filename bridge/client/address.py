"""Addresses as people type them."""

import ipaddress
import re
from urllib.parse import urlsplit

from ..errors import BridgeError

DEFAULT_PORT = 8189
"""Where the daemon listens unless told otherwise; ComfyUI's 8188 stays free."""

PATH = "/bridge"
"""Of the WebSocket."""

_SCHEMES = {"ws": "ws", "http": "ws", "wss": "wss", "https": "wss"}
_HOST_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?:\.(?!-)[a-z0-9-]{1,63})*\.?")


def parse_address(text: str) -> str:
    """Turn any way of typing a daemon's address into the URL of its WebSocket.

    ``localhost``, ``8189``, ``:8189``, ``127.0.0.1:8189``, ``http://localhost:8189/``, ``ws://[::1]:8189/bridge``
    and the like are understood. ``localhost`` means 127.0.0.1, where the daemon listens.

    Raises:
        BridgeError: ``bad_address``.
    """
    typed = text.strip()
    if not typed:
        raise _bad_address(text, "it is empty")
    try:
        parts = urlsplit(_complete(typed))
        port = DEFAULT_PORT if parts.port is None else parts.port
    except ValueError as error:
        raise _bad_address(text, str(error)) from None
    if parts.scheme not in _SCHEMES:
        raise _bad_address(text, f"{parts.scheme}:// is neither ws:// nor http://")
    if parts.username or parts.password:
        raise _bad_address(text, "a name or password has no place in it")
    if parts.path.rstrip("/") not in ("", PATH):
        raise _bad_address(text, "nothing of ours lies at that path")
    if port == 0:
        raise _bad_address(text, "port 0 stands for any port")
    return f"{_SCHEMES[parts.scheme]}://{_host(parts.hostname or '127.0.0.1', text)}:{port}{PATH}"


def _complete(typed: str) -> str:
    """Add what was left out."""
    if re.fullmatch(r":?\d+/*", typed):
        typed = f"127.0.0.1:{typed.lstrip(':')}"
    elif typed.count(":") > 1 and not set(typed) & set("[/"):
        typed = f"[{typed}]"
    return typed if "://" in typed else f"ws://{typed}"


def _host(host: str, text: str) -> str:
    if host in ("localhost", "0.0.0.0", "::"):  # noqa: S104 - read, not bound
        return "127.0.0.1"
    if ":" in host or host.replace(".", "").isdigit():
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            raise _bad_address(text, "that is no IP address") from None
        return f"[{address}]" if address.version == 6 else str(address)
    if not _HOST_NAME.fullmatch(host):
        raise _bad_address(text, "that is no host name")
    return host


def _bad_address(text: str, reason: str) -> BridgeError:
    shown = text if len(text) <= 80 else f"{text[:80]}…"
    hint = f"Write it like 127.0.0.1:{DEFAULT_PORT}."
    return BridgeError(f'"{shown}" is not an address: {reason}', code="bad_address", hint=hint)
