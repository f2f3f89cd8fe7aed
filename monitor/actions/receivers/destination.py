"""Check the destination of a webhook: resolve the host once, check every address, and connect to that address."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

Resolver = Callable[[str, int], Sequence[str]]


class Refused(Exception):  # noqa: N818
    """The destination is not allowed; the message states the reason without the URL."""


class Unresolved(Exception):  # noqa: N818
    """The host name of the destination could not be resolved."""


@dataclass(frozen=True)
class Destination:
    """A checked address of a URL."""

    scheme: str
    host: str
    port: int
    address: str
    path: str


def system_resolver(host: str, port: int) -> list[str]:
    """Return all addresses of a host."""
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in addresses))


def check(url: str, resolve: Resolver) -> Destination:
    """Return the address to connect to; raises :class:`Refused` or :class:`Unresolved`.

    Destinations come from the configuration, so private networks are allowed. Refused are schemes other than https,
    http to a public address, credentials in the URL, link-local (cloud metadata), unspecified, multicast and reserved
    addresses, and host names with any such address.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise Refused("the URL cannot be read") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Refused("the URL must begin with https:// (or http:// on a private network) and name a host")
    if parts.username is not None or parts.password is not None:
        raise Refused("the URL must not contain credentials; requests are authenticated by their signature")
    addresses = _resolve(parts.hostname, port, resolve)
    for address in addresses:
        _allow(address, parts.scheme)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Destination(parts.scheme, parts.hostname, port, addresses[0], path)


def _resolve(host: str, port: int, resolve: Resolver) -> Sequence[str]:
    try:
        addresses = resolve(host, port)
    except (OSError, UnicodeError):
        raise Unresolved("the host's name cannot be resolved") from None
    if not addresses:
        raise Unresolved("the host's name has no address")
    return addresses


def _allow(text: str, scheme: str) -> None:
    try:
        address: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        raise Refused("the host resolved to an invalid address") from None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_link_local or address.is_multicast or address.is_unspecified or text.lower() == "fd00:ec2::254":
        raise Refused("the host resolves to a link-local, multicast or unspecified address")
    if isinstance(address, ipaddress.IPv4Address) and address in ipaddress.ip_network("0.0.0.0/8"):
        raise Refused("the host resolves to an address of this network only")
    if address.is_loopback:
        return
    if address.is_reserved:
        raise Refused("the host resolves to a reserved address")
    if scheme == "http" and not address.is_private:
        raise Refused("plain http is for loopback and private networks; use https")
