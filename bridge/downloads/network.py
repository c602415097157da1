"""HTTPS connections to public addresses, and to nowhere else.

``http.client`` does what is needed and nothing behind our back: it follows no redirect, unpacks nothing,
takes no proxy from the environment, and lets us say which address to connect to.
"""

import http.client
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bridge.downloads.address import look_up, public_ones
from bridge.downloads.cut import Cut
from bridge.errors import BridgeError


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait.

    Args:
        connect_s: For a connection.
        silence_s: Without a single byte.
        slow_s: At less than ``slow_bytes`` a second before a server counts as stuck.
        slow_bytes: See above.
        pauses_s: Before each new try after a cut.
    """

    connect_s: float = 15.0
    silence_s: float = 30.0
    slow_s: float = 60.0
    slow_bytes: float = 1000.0
    pauses_s: Sequence[float] = (1.0, 2.0, 5.0, 10.0, 20.0)


class Network:
    """Opens connections.

    Args:
        look_up: Returns the addresses of a name; they are judged, whoever returns them.
        dial: Opens a socket to a judged address and port, within seconds.
        context: Whom to trust; by default whom this machine trusts.
        patience: How long to wait.
    """

    def __init__(
        self,
        look_up: Callable[[str], Sequence[str]] = look_up,
        dial: Callable[[tuple[str, int], float], socket.socket] = socket.create_connection,
        context: ssl.SSLContext | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.patience = patience or Patience()
        self._look_up = look_up
        self._dial = dial
        self._context = context or ssl.create_default_context()

    def connection(self, host: str, port: int) -> http.client.HTTPSConnection:
        """Return an open connection to a host.

        Raises:
            BridgeError: ``private_address``, ``bad_certificate``.
            Cut: ``unknown_host``, ``no_connection``.
        """
        addresses = public_ones(host, self._look_up(host))
        connection = _Pinned(host, port, timeout=self.patience.silence_s, context=self._context)
        try:
            connection.use(self._reach(addresses, port), self._context)
        except ssl.SSLCertVerificationError as error:
            raise BridgeError(
                f'"{host}" cannot prove that it is "{host}": {error.verify_message}',
                code="bad_certificate",
                hint="Is the date of this machine right? Does a program or proxy read along?",
            ) from error
        except OSError as error:
            raise Cut(
                f'"{host}" cannot be reached: {error}',
                code="no_connection",
                hint="Check that this machine is online; then try again.",
            ) from error
        return connection

    def _reach(self, addresses: Sequence[str], port: int) -> socket.socket:
        for address in addresses[:-1]:
            try:
                return self._dial((address, port), self.patience.connect_s)
            except OSError:
                continue
        return self._dial((addresses[-1], port), self.patience.connect_s)


class _Pinned(http.client.HTTPSConnection):
    """A connection over a socket that is open already."""

    def use(self, raw: socket.socket, context: ssl.SSLContext) -> None:
        """Speak TLS over a socket from now on."""
        raw.settimeout(self.timeout)
        try:
            self.sock = context.wrap_socket(raw, server_hostname=self.host)
        except BaseException:
            raw.close()
            raise

    def connect(self) -> None:
        """Refuse to connect again, to an address that nobody has judged."""
        raise http.client.NotConnected
