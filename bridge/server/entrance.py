"""The way in for a browser: an address that works once, and the cookie that it leaves."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from bridge.client import proof_of
from bridge.errors import BridgeError
from bridge.server.access import Access
from bridge.server.refusal import refusal
from bridge.server.replies import NO_STORE, as_json
from bridge.server.visitors import KEY_S, set_cookie

ENTRANCE_PATH = "/framebridge/open"
MAX_NONCE = 128

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Framebridge</title>
<meta http-equiv="refresh" content="0; url=/"></html>
"""
"""A page that goes on by itself, not a redirect: after one, a browser that was sent here by another program's
page would not show the new cookie, which is for our own site only."""

_HEADERS = {
    **NO_STORE,
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",  # the address holds the key
}


class Entrance:
    """Hands out keys to programs that show the token, and takes them back from browsers.

    Args:
        access: Knows the visitors.
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    async def prove(self, request: Request) -> Response:
        """Show a client that this is the daemon whose token it has; see ``bridge.client.proof``."""
        nonce = request.query_params.get("nonce", "")
        if not 16 <= len(nonce) <= MAX_NONCE or not nonce.isascii():
            raise BridgeError(
                "there is nothing to prove", code="bad_request", hint="Give 16 letters or more."
            )
        host, port = request.scope["server"]
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        answer = proof_of(self._access.token, address, nonce)
        return PlainTextResponse(answer, headers=NO_STORE)

    async def new_key(self, request: Request) -> Response:
        """Return the path that lets one browser in, and for how many seconds it is good."""
        key = self._access.visitors.new_key()
        return as_json({"path": f"{ENTRANCE_PATH}?key={key}", "seconds": KEY_S})

    async def enter(self, request: Request) -> Response:
        """Let the browser in that brings a key, and send it on to the page."""
        is_shown = request.method == "GET" and "sec-purpose" not in request.headers  # not in case, but now
        value = self._access.visitors.admit(request.query_params.get("key", "")) if is_shown else None
        if value is None:
            return refusal(HTTPStatus.UNAUTHORIZED, "unauthorized", request.scope)
        response = HTMLResponse(_PAGE, headers=_HEADERS)
        set_cookie(response, self._access.port, value, is_encrypted=request.url.scheme == "https")
        return response
