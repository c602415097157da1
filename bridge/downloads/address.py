"""Which addresses of the internet a download may come from: public ones, and no others.

A link that somebody sends could lead to the user's router, to a service of this machine, or to the metadata
service of a cloud. So names are looked up here, addresses are judged here, and a connection goes to the
very address that was judged (``bridge.downloads.network``): a name that means something else a moment later
(DNS rebinding) gains nothing.
"""

import ipaddress
import socket
from collections.abc import Sequence

from bridge.downloads.cut import Cut
from bridge.errors import BridgeError

_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
_LOCALLY_TRANSLATED = ipaddress.ip_network("64:ff9b:1::/48")
"""IPv4 addresses behind NAT64 (RFC 6052, RFC 8215)."""


def look_up(host: str) -> Sequence[str]:
    """Return the addresses of a name.

    Raises:
        Cut: ``unknown_host``; the network may be down.
    """
    try:
        found = socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Cut(
            f'there is no "{host[:100]}" to be found',
            code="unknown_host",
            hint="Check the address, and that this machine is online.",
        ) from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def public_ones(host: str, addresses: Sequence[str]) -> list[str]:
    """Return those of a host's addresses that are public.

    Raises:
        BridgeError: ``private_address`` if none is.
    """
    public = [address for address in addresses if is_public(address)]
    if not public:
        shown = ", ".join(addresses[:3]) or "nowhere"
        raise BridgeError(
            f'"{host[:100]}" leads to a private address ({shown}), where no models are fetched from',
            code="private_address",
            hint="Models come from public addresses only. Copy a file of your own network by hand, "
            "then: framebridge models add FILE",
        )
    return public


def is_public(address: str) -> bool:
    """Say whether an address is one of the public internet; what is hidden in IPv6 is looked at, too."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    hidden = _hidden(parsed)
    if hidden is not None:
        return is_public(str(hidden))
    return parsed.is_global and not (parsed.is_multicast or parsed.is_reserved or parsed.is_unspecified)


def _hidden(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the IPv4 address that an IPv6 address stands for, if it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _LOCALLY_TRANSLATED:
        return ipaddress.IPv4Address(0)
    if address in _TRANSLATED or int(address) >> 32 == 0:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
