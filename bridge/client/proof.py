"""The daemon shows that it knows the token before the client shows it: whoever took the port gets nothing.

1. The client asks for a path with random letters in it; the answer is an HMAC of them that only somebody who
   has the token can make. It also covers the address that the daemon itself listens at, so that a program
   which passes the question on to it, from another address or port, cannot pass the answer back.
2. Over TLS the certificate says who answers, so nothing is asked.
"""

import asyncio
import contextlib
import hmac
import re
import secrets
from urllib.parse import urlsplit

PROOF_PATH = "/framebridge/proof"

_MAX_ANSWER_BYTES = 8192
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")


def proof_of(token: str, host: str, nonce: str) -> str:
    """Return what a daemon with this token says.

    Args:
        token: The token.
        host: To the daemon its own end of the connection, whatever the request says; to the client whom it
            has asked: ``127.0.0.1:8189``, ``[::1]:8189``.
        nonce: What the client has made up.
    """
    message = f"framebridge server\0{host}\0{nonce}"
    return hmac.new(token.encode(), message.encode(), "sha256").hexdigest()


def new_nonce() -> str:
    """Return letters that nobody has seen."""
    return secrets.token_urlsafe(24)


def is_proof(answer: bytes, token: str, host: str, nonce: str) -> bool:
    """Tell whether an answer is what a daemon with this token says."""
    return hmac.compare_digest(answer, proof_of(token, host, nonce).encode())


async def ask_for_proof(url: str, token: str) -> int:
    """Ask the program at a WebSocket's address whether it knows the token.

    Returns:
        The HTTP status: 200 if it does, 401 if what it says is wrong, 0 if it does not speak HTTP.

    Raises:
        OSError: If nothing answers.
    """
    parts = urlsplit(url)
    if parts.scheme == "wss":
        return 200
    nonce = new_nonce()
    answer = b""
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        ask = f"GET {PROOF_PATH}?nonce={nonce} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
        writer.write(ask.encode())
        with contextlib.suppress(ConnectionError):  # what came before it says who it is
            while len(answer) < _MAX_ANSWER_BYTES and (part := await reader.read(_MAX_ANSWER_BYTES)):
                answer += part
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    status = _STATUS.match(head)
    code = int(status[1]) if status else 0
    return 401 if code == 200 and not is_proof(body, token, parts.netloc, nonce) else code
