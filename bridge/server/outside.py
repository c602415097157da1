"""Listening to other machines: only encrypted, only with a token that was handed out on purpose.

The loopback port stays as it is; this is a second one. Whoever wants less, an open port or plain HTTP in a
network, is refused: use an SSH tunnel.
"""

import os
import re
import socket
import ssl
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from bridge.errors import BridgeError
from bridge.server.access import Address
from bridge.server.listen import listening

MIN_TOKEN = 32
"""Letters; half of what ``openssl rand -hex 32`` prints."""

_TOKEN = re.compile(rf"[!-~]{{{MIN_TOKEN},512}}")
_ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - compared with


@dataclass(frozen=True, slots=True)
class Outside:
    """Where, and as whom, to listen to other machines.

    Args:
        host: The address of this machine to listen at; ``0.0.0.0`` or ``::`` for all.
        port: 0 takes any free port.
        certificate: PEM file, with whatever lies between it and what clients know.
        key: PEM file.
        names: What others call this machine; ``host`` if empty.
    """

    host: str
    port: int
    certificate: Path
    key: Path
    names: tuple[str, ...] = ()

    def address(self, port: int) -> Address:
        """Return what a request must name."""
        names = tuple(f"[{name}]" if ":" in name else name.lower() for name in self.names or (self.host,))
        return Address(port, names, is_encrypted=True)


def checked_outside(
    host: str,
    port: int,
    certificate: Path | None,
    key: Path | None,
    token: Path | None,
    names: tuple[str, ...],
) -> Outside:
    """Check that everything is there that listening to other machines takes.

    Raises:
        BridgeError: ``unsafe_host`` if something is missing, ``bad_certificate``.
    """
    if certificate is None or key is None:
        raise _unsafe(host, "without TLS anybody on the way could read and steer what is rendered here")
    if token is None:
        raise _unsafe(host, "without a token of your own nobody elsewhere could show that they may come in")
    if host in _ANY_ADDRESS and not names:
        raise _unsafe(host, "without a name to ask for, a page of somebody else could make up its own")
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise BridgeError(
            f"{certificate} and {key} are no certificate and its key: {error}",
            code="bad_certificate",
            hint="Both are PEM files; the key has no password.",
        ) from error
    return Outside(host, port, certificate, key, names)


def bind_outside(where: Outside) -> socket.socket:
    """Return a socket that listens to other machines.

    Raises:
        BridgeError: ``port_in_use``, or ``port_refused`` also for an address that is not this machine's.
    """
    family = socket.AF_INET6 if ":" in where.host else socket.AF_INET
    return listening(family, where.host, where.port)


def read_token(path: Path) -> str:
    """Read the token that clients elsewhere have been given.

    Raises:
        BridgeError: ``bad_token_file`` if it is not there, not private, or too easily guessed.
    """
    try:
        with open(path, encoding="ascii") as file:
            mode = os.fstat(file.fileno()).st_mode
            token = file.read(4096).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _bad_token(path, f"cannot be read: {error}") from error
    if sys.platform != "win32" and stat.S_IMODE(mode) & 0o077:
        raise _bad_token(path, "can be read by other users: chmod 600 it")
    if not _TOKEN.fullmatch(token):
        raise _bad_token(path, f"does not hold {MIN_TOKEN} letters or more in one line")
    return token


def _unsafe(host: str, reason: str) -> BridgeError:
    return BridgeError(
        f"refusing to listen on {host}: {reason}",
        code="unsafe_host",
        hint="Give --tls-cert, --tls-key and --token-file, and --name for each name of this machine; "
        "or listen on 127.0.0.1, and reach it from elsewhere through an SSH tunnel.",
    )


def _bad_token(path: Path, reason: str) -> BridgeError:
    hint = "Make one: openssl rand -hex 32 > FILE; chmod 600 FILE"
    return BridgeError(f"{path} {reason}", code="bad_token_file", hint=hint)
