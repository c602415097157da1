"""What somebody sees who is not let in: a code for programs, and for people how to get in.

Nothing in it depends on what was asked for, or on what the daemon holds.
"""

import base64
from hashlib import sha256
from http import HTTPStatus

from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Scope

from bridge.server.replies import NO_STORE

_STYLE = (
    "body{background:#101216;color:#e6e8eb;font:16px/1.6 system-ui,sans-serif;display:grid;"
    "place-content:center;min-height:90vh;margin:2rem}main{max-width:34rem}h1{font-size:1.4rem}"
    "code{background:#1d2127;border-radius:4px;padding:.15em .45em}p{color:#a6adb7}"
)
_PAGE = f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Framebridge</title><style>{_STYLE}</style>
<main><h1>Framebridge runs here, and does not know this browser</h1>
<p>Pages are shown to whoever runs Framebridge. On this computer, in a terminal, type</p>
<p><code>framebridge open</code></p>
<p>It opens this page with a key that works once, for a minute.</p></main></html>
"""
_TOLD = {
    "type": "unauthorized",
    "message": "This browser is not let in any more. Type: framebridge open",
    "details": "",
    "extra_info": {},
}
"""The same for ComfyUI's editor, in a tab that was let in before the daemon began anew."""

_HASH = base64.b64encode(sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; frame-ancestors 'none'"


def refusal(status: int, code: str, scope: Scope) -> Response:
    """Return the answer to a request or an upgrade that is not let in."""
    # The connection closes, so that a stranger's unread body is not read to its end.
    headers = {**NO_STORE, "connection": "close"}
    if status != HTTPStatus.UNAUTHORIZED:
        return JSONResponse({"code": code}, status, headers)
    headers["www-authenticate"] = "Bearer"
    if _is_for_people(scope):
        return HTMLResponse(_PAGE, status, {**headers, "content-security-policy": _POLICY})
    return JSONResponse({"code": code, "error": _TOLD, "node_errors": {}}, status, headers)


def _is_for_people(scope: Scope) -> bool:
    """Tell whether a browser is about to show the answer."""
    is_page = scope["type"] == "http" and scope["method"] == "GET"
    return is_page and any(b"text/html" in value for name, value in scope["headers"] if name == b"accept")
