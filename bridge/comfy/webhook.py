"""Calling back: the result of a job sent to an address that its client has named.

A client that may run jobs must not be able to make the daemon talk to whatever the daemon can reach. So:

1. An address is ``http`` or ``https``, and its host is this machine's loopback or, exactly, one that the
   user has allowed (``--webhook-host``). ``localhost`` is not looked up.
2. A name that is allowed must lead to public addresses only; an address of a private network has to be
   allowed as such. The connection goes to the very address that was judged.
3. Redirects are not followed, no proxy is used, and of the answer only the status is read.
4. ``PAUSES_S`` pass between tries; each has ``DEADLINE_S``.
"""

import asyncio
import contextlib
import http.client
import ipaddress
import json
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import SplitResult, urlsplit

from bridge import __version__
from bridge.downloads import is_public, look_up
from bridge.errors import BridgeError

logger = logging.getLogger(__name__)

TIMEOUT_S = 10.0
DEADLINE_S = 20.0
"""Of a whole try, however slowly the other end speaks."""

PAUSES_S = (1.0, 5.0)
MAX_URL = 2000
LOCALHOST = "localhost"


class Webhooks:
    """Calls webhooks.

    Args:
        hosts: Names and addresses that the user has allowed besides this machine.
        look_up: Returns the addresses of a name.
        pauses_s: Between tries.
    """

    def __init__(
        self,
        hosts: Collection[str] = (),
        look_up: Callable[[str], Sequence[str]] = look_up,
        pauses_s: Sequence[float] = PAUSES_S,
    ) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)
        self._look_up = look_up
        self._pauses_s = pauses_s
        self._threads = ThreadPoolExecutor(2, "webhook")  # of their own, as others may be slow

    def check(self, url: Any) -> SplitResult:
        """Return the parts of an address that may be called.

        Raises:
            BridgeError: ``bad_webhook``, ``webhook_refused``.
        """
        hint = "Give http://127.0.0.1:PORT/…, or a host that the daemon allows: serve --webhook-host HOST."
        try:
            if not isinstance(url, str) or len(url) > MAX_URL:
                raise ValueError
            parts = urlsplit(url)
            is_web = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
            if (
                not is_web
                or parts.username is not None
                or not url.isascii()
                or not url.isprintable()
                or " " in url
            ):
                raise ValueError
        except ValueError:
            raise BridgeError("the webhook is no web address", code="bad_webhook", hint=hint) from None
        host = parts.hostname or ""
        if not is_loopback(host) and host not in self._hosts:
            message = f'webhooks on "{host[:80]}" are not allowed'
            raise BridgeError(message, code="webhook_refused", hint=hint)
        return parts

    async def call(self, url: str, result: Mapping[str, Any]) -> None:
        """Send a result, again after a pause if need be.

        Raises:
            BridgeError: ``webhook_refused`` as ``check``; ``webhook_failed`` when the last try failed.
        """
        parts = self.check(url)
        body = json.dumps(result).encode()
        for pause_s in (*self._pauses_s, None):
            try:
                await asyncio.get_running_loop().run_in_executor(self._threads, self._post, parts, body)
                return
            except (OSError, http.client.HTTPException) as error:
                if pause_s is None:
                    raise BridgeError(
                        f"the webhook on {parts.hostname} did not take the result: {error}",
                        code="webhook_failed",
                        hint="The result is in /history.",
                    ) from error
                await asyncio.sleep(pause_s)

    def _post(self, parts: SplitResult, body: bytes) -> None:
        host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        address = self._address(host)
        raw = socket.create_connection((address, port), TIMEOUT_S)
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
        watch = threading.Timer(DEADLINE_S, _cut, [connection])
        watch.daemon = True
        try:
            connection.sock = _secured(raw, host) if parts.scheme == "https" else raw
            watch.start()
            if isinstance(connection.sock, ssl.SSLSocket):
                connection.sock.do_handshake()
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            headers = {"Content-Type": "application/json", "User-Agent": f"framebridge/{__version__}"}
            connection.request("POST", path, body, headers)
            status = connection.getresponse().status
        finally:
            watch.cancel()
            raw.close()
            connection.close()
        if not 200 <= status < 300:
            raise http.client.HTTPException(f"it answered {status}")

    def _address(self, host: str) -> str:
        """Return the address to connect to (rule 2)."""
        if host == LOCALHOST:
            return "127.0.0.1"
        if _is_address(host):
            return host
        addresses = self._look_up(host)
        if not addresses or not all(is_public(address) for address in addresses):
            raise BridgeError(
                f'"{host[:80]}" leads to a private address',
                code="webhook_refused",
                hint="Allow the address itself: --webhook-host ADDRESS.",
            )
        return addresses[0]


def _secured(raw: socket.socket, host: str) -> ssl.SSLSocket:
    """Return a connection that is yet to shake hands."""
    context = ssl.create_default_context()
    return context.wrap_socket(raw, server_hostname=host, do_handshake_on_connect=False)


def _cut(connection: http.client.HTTPConnection) -> None:
    """End a connection under its thread; the method of its own would first let go of TLS."""
    with contextlib.suppress(OSError, TypeError):  # it is over meanwhile
        socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, without looking it up."""
    return host == LOCALHOST or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
