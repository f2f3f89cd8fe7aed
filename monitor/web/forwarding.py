"""What the client asked for, where trusted proxies have forwarded its request."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import Scope

Network = IPv4Network | IPv6Network
PEER = "peer"
"""Key in the state of a request: the address of the peer of the connection, which may be a proxy."""


def read_forwarded(scope: Scope, trusted: Sequence[Network]) -> None:
    """Replace client, scheme and Host of a request by those of the headers of a trusted proxy.

    The headers of other peers are ignored. The client is the last address that no trusted proxy has; a header that
    occurs twice is ignored, as one may be forged.
    """
    peer = (scope.get("client") or ("", 0))[0]
    scope.setdefault("state", {})[PEER] = peer
    if not is_within(peer, trusted):
        return
    headers = Headers(scope=scope)
    hops = [hop.strip() for value in headers.getlist("x-forwarded-for") for hop in value.split(",")]
    client = next((hop for hop in reversed(hops) if not is_within(hop, trusted)), None)
    if client is not None:
        scope["client"] = (client, 0)
    if (scheme := _single(headers, "x-forwarded-proto")) in ("http", "https"):
        scope["scheme"] = scheme
    if host := _single(headers, "x-forwarded-host"):
        others = [pair for pair in scope["headers"] if pair[0] != b"host"]
        scope["headers"] = [*others, (b"host", host.encode("latin-1"))]


def peer_address(request: HTTPConnection) -> str:
    """Return the address of the peer of the connection."""
    return str(request.scope.get("state", {}).get(PEER, ""))


def is_within(address: str, networks: Sequence[Network]) -> bool:
    """Return whether an address is in one of the networks; False for a text that is no address.

    Examples
    --------
    >>> is_within("10.1.2.3", [ipaddress.ip_network("10.0.0.0/8")]), is_within("proxy", [])
    (True, False)
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)


def _single(headers: Headers, name: str) -> str | None:
    values = headers.getlist(name)
    return values[0].strip() if len(values) == 1 and "," not in values[0] else None
