"""Asking the web for a file: redirects that are looked at, answers that are told, nothing unpacked.

1. Only ``https``; every hop is looked up, judged and pinned like the first, and there are few of them.
2. An answer in a content coding is refused: it was not asked for, and may unpack to anything.
3. Whatever goes wrong on the way is a ``BridgeError``; what another try may mend is a ``Cut``.
"""

import contextlib
import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from bridge import __version__
from bridge.downloads.credentials import Credentials
from bridge.downloads.cut import Cut
from bridge.downloads.network import Network
from bridge.errors import BridgeError

MOST_REDIRECTS = 5
MOST_JSON_BYTES = 16_000_000
LONGEST_URL = 8000
LONGEST_RETRY_S = 60.0
"""Of what a server may ask us to wait; beyond it the user is told instead."""

_REDIRECTS = {301, 302, 303, 307, 308}
_TRY_AGAIN = {408, 425, 500, 502, 503, 504}
_STRONG_TAG = re.compile(r'"[!#-~]*"')
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


@dataclass(slots=True)
class Reply:
    """An answer whose body is yet to be read.

    Args:
        host: Who answered in the end.
        is_part: Whether it is the part that was asked for, not the whole.
        start: Where the body begins in the file.
        size: Of the whole file; ``None`` where the server does not say.
        tag: Names this version of the file exactly; empty where the server gives no strong one.
        headers: Of every hop, in lower case; the last counts, but of ``x-linked-…`` the first.
    """

    host: str
    is_part: bool
    start: int
    size: int | None
    tag: str
    headers: Mapping[str, str]
    _response: http.client.HTTPResponse
    _connection: http.client.HTTPSConnection
    _deadline: float | None = field(default=None)

    def read(self, count: int) -> bytes:
        """Return so many bytes of the body, and fewer at its end only.

        Raises:
            Cut: If the connection ends before the body does.
        """
        parts = []
        while count > 0 and (part := self.read_some(count)):
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def read_some(self, most: int) -> bytes:
        """Return what has arrived of the body, at most so many bytes; nothing at its end.

        Raises:
            Cut: See ``read``.
        """
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise Cut(f'"{self.host}" answers too slowly', code="too_slow", hint="Try again later.")
        try:
            data = self._response.read1(most)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Cut(f'the connection to "{self.host}" was cut ({_reason(error)})') from error
        if not data and self._response.length:
            raise Cut(f'the connection to "{self.host}" was cut with {self._response.length} bytes to go')
        return data

    def limit(self, seconds: float) -> None:
        """Have reading end after so many seconds from now."""
        self._deadline = time.monotonic() + seconds

    def close(self) -> None:
        """End the connection, whatever is left."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            self._response.close()
        with contextlib.suppress(OSError):
            self._connection.close()


class Web:
    """Fetches what lies at an address.

    Args:
        network: Opens the connections.
        keys: What to send along to whom.
    """

    def __init__(self, network: Network, keys: Credentials) -> None:
        self.patience = network.patience
        self._network = network
        self._keys = keys

    def open(self, url: str, start: int | None = 0, tag: str = "") -> Reply:
        """Ask for a file from a place on.

        Args:
            url: ``https://…``.
            start: The first byte that is wanted; ``None`` for an answer that has no parts.
            tag: Of the version that the earlier bytes are of; of another one the whole comes.

        Raises:
            BridgeError: Why there is none: ``not_https``, ``private_address``, ``source_not_found`` …
            Cut: If another try may do.
        """
        wanted = {} if start is None else {"Range": f"bytes={start}-"}
        if start and tag:
            wanted["If-Range"] = tag
        headers: dict[str, str] = {}
        for _ in range(MOST_REDIRECTS + 1):
            parts = split_url(url)
            host, port = parts.hostname or "", parts.port or 443
            connection, response = self._ask(parts, host, port, wanted)
            for name, value in response.getheaders():
                if not name.lower().startswith("x-linked-"):
                    headers[name.lower()] = value
                else:  # the hub's own word on what its storage will send
                    headers.setdefault(name.lower(), value)
            if response.status not in _REDIRECTS:
                return self._reply(host, connection, response, headers)
            connection.close()
            place = response.headers.get("Location", "")
            if not place:
                raise _refused(f'"{host}" leads on to nowhere')
            headers.pop("content-range", None)
            url = urljoin(url, quote(place, safe="%/:=&?~#+!$,;'@()*[]"))
        raise BridgeError(
            f'"{host}" leads on and on ({MOST_REDIRECTS} redirects and no file)',
            code="too_many_redirects",
            hint="Copy the address of the file itself, not of a page that leads to it.",
        )

    def json(self, url: str) -> Any:
        """Return what an API answers.

        Raises:
            BridgeError: As ``open``; ``bad_answer`` if it is no JSON.
        """
        reply = self.open(url, None)
        reply.limit(self.patience.slow_s)
        try:
            text = reply.read(MOST_JSON_BYTES)
        finally:
            reply.close()
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BridgeError(
                f'"{reply.host}" did not answer as its documentation says',
                code="bad_answer",
                hint="Is the address right? Else try again later.",
            ) from error

    def _ask(
        self, parts: SplitResult, host: str, port: int, wanted: Mapping[str, str]
    ) -> tuple[http.client.HTTPSConnection, http.client.HTTPResponse]:
        connection = self._network.connection(host, port)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {
            "Accept-Encoding": "identity",
            "User-Agent": f"framebridge/{__version__}",
            "Connection": "close",
            **wanted,
            **self._keys.headers(host, port),
        }
        try:
            with _hurrying(connection, self.patience.slow_s):
                connection.request("GET", target, headers=headers)
                return connection, connection.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            raise Cut(f'"{host}" gave no answer that makes sense ({_reason(error)})') from error

    def _reply(
        self,
        host: str,
        connection: http.client.HTTPSConnection,
        response: http.client.HTTPResponse,
        headers: Mapping[str, str],
    ) -> Reply:
        try:
            if response.status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
                raise self._failure(host, response)
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise _refused(f'"{host}" sends the file packed, which was not asked for')
            start, size = _extent(host, response)
        except BaseException:
            connection.close()
            raise
        tag = response.headers.get("ETag", "")
        is_part = response.status == HTTPStatus.PARTIAL_CONTENT
        tag = tag if _STRONG_TAG.fullmatch(tag) else ""
        return Reply(host, is_part, start, size, tag, headers, response, connection)

    def _failure(self, host: str, response: http.client.HTTPResponse) -> BridgeError:
        status = response.status
        if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            return BridgeError(
                f'"{host}" has no such file',
                code="source_not_found",
                hint="Check the address: upper and lower case count. It may have been moved or taken away.",
            )
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return BridgeError(
                f'"{host}" does not give this file to just anybody ({status})',
                code="source_forbidden",
                hint=self._keys.advice(host),
            )
        if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return Cut(f'"{host}" has a shorter file than before', code="source_changed")
        if status == HTTPStatus.TOO_MANY_REQUESTS or status in _TRY_AGAIN:
            return _busy(host, status, response.headers.get("Retry-After", ""))
        return BridgeError(
            f'"{host}" answers with error {status}',
            code="source_failed",
            hint="Open the address in a browser.",
        )


def split_url(url: str) -> SplitResult:
    """Return the parts of an address that may be fetched from.

    Raises:
        BridgeError: ``bad_source`` if it is none, ``not_https``.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
        is_sound = len(url) <= LONGEST_URL and url.isascii() and url.isprintable() and " " not in url
    except ValueError:
        host, is_sound = None, False
    if not is_sound or not host or not re.fullmatch(r"[a-z0-9.:_-]+", host):
        raise BridgeError(
            "this is no address that can be fetched",
            code="bad_source",
            hint="Copy it from the browser's address bar.",
        )
    if parts.scheme != "https":
        raise BridgeError(
            f'"{host}" would be asked without encryption ({parts.scheme}://), where anybody could change the '
            "file on its way",
            code="not_https",
            hint="Use its https:// address.",
        )
    if parts.username or parts.password:
        raise BridgeError(
            "the address holds a user name or password",
            code="bad_source",
            hint="Take out what stands before the @.",
        )
    return parts


@contextlib.contextmanager
def _hurrying(connection: http.client.HTTPSConnection, seconds: float) -> Iterator[None]:
    """End a connection that takes too long over the block, a byte now and then notwithstanding."""
    raw = connection.sock
    timer = threading.Timer(seconds, lambda: raw.shutdown(socket.SHUT_RDWR))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _extent(host: str, response: http.client.HTTPResponse) -> tuple[int, int | None]:
    """Return where the body begins in the file, and how long the file is."""
    if response.status == HTTPStatus.PARTIAL_CONTENT:
        match = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if not match:
            raise _refused(f'"{host}" does not say which part of the file it sends')
        return int(match[1]), int(match[3])
    return 0, response.length


def _busy(host: str, status: int, said: str) -> BridgeError:
    wait_s = float(said) if said.isascii() and said.isdigit() and len(said) < 9 else 0.0
    message = f'"{host}" is busy ({status})'
    if wait_s > LONGEST_RETRY_S:
        minutes = max(1, round(wait_s / 60))
        hint = f"Try again in {minutes} minute{'s' if minutes > 1 else ''}, as it asks."
        return BridgeError(message, code="source_busy", hint=hint)
    return Cut(message, code="source_busy", hint="Try again later.", wait_s=wait_s)


def _refused(message: str) -> BridgeError:
    return BridgeError(message, code="bad_answer", hint="Get the file from another place.")


def _reason(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:200]
