"""Browsers that the user has let in: a key that works once makes a cookie that stays.

1. A key is random, good for ``KEY_S`` seconds and for one use. It is the only secret of ours that is ever
   part of a page's address, and worth nothing once the page is there.
2. What a browser keeps is another random value. It cannot be read by scripts and is not sent along when
   other sites ask (``HttpOnly``, ``SameSite=Strict``); it dies with the daemon, or ``VISIT_S`` after.
3. Only digests are kept, so finding one takes no comparison of secrets.
"""

import secrets
import time
from collections import OrderedDict
from collections.abc import Iterable
from hashlib import sha256

from starlette.responses import Response

KEY_S = 60.0
VISIT_S = 24 * 3600.0
MOST = 32
"""Keys, and visitors, at a time; the oldest go."""


class Visitors:
    """The keys that were handed out and the browsers that came with one."""

    def __init__(self) -> None:
        self._keys: OrderedDict[bytes, float] = OrderedDict()  # digest → until when
        self._visits: OrderedDict[bytes, float] = OrderedDict()

    def new_key(self) -> str:
        """Return a key for one browser."""
        return _remember(self._keys, KEY_S)

    def admit(self, key: str) -> str | None:
        """Take a key back, and return what the browser is to keep; ``None`` if the key is none (any more)."""
        until = self._keys.pop(_digest(key), 0.0)
        return _remember(self._visits, VISIT_S) if until > time.monotonic() else None

    def knows(self, cookies: Iterable[bytes], port: int) -> bool:
        """Tell whether the one cookie of ours among the ``Cookie`` headers is that of a visitor."""
        name = cookie_name(port)
        lines = (line.decode("latin-1").split(";") for line in cookies)
        pairs = (pair.strip().partition("=") for line in lines for pair in line)
        values = [value for key, _, value in pairs if key == name]
        return len(values) == 1 and self._visits.get(_digest(values[0]), 0.0) > time.monotonic()


def cookie_name(port: int) -> str:
    """Return the cookie's name; browsers keep one jar for all ports of a machine."""
    return f"framebridge-{port}"


def set_cookie(response: Response, port: int, value: str, *, is_encrypted: bool) -> None:
    """Give a browser what ``Visitors.admit`` returned."""
    name = cookie_name(port)
    response.set_cookie(name, value, path="/", httponly=True, samesite="strict", secure=is_encrypted)


def _remember(known: OrderedDict[bytes, float], for_s: float) -> str:
    value = secrets.token_urlsafe(32)
    known[_digest(value)] = time.monotonic() + for_s
    while len(known) > MOST:
        known.popitem(last=False)
    return value


def _digest(value: str) -> bytes:
    return sha256(value.encode("utf-8", "surrogatepass")).digest()
