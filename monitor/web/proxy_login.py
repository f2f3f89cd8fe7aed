"""People whom a reverse proxy has authenticated, named in its headers."""

from __future__ import annotations

from starlette.requests import HTTPConnection

from monitor.config.access import ProxyConfig
from monitor.core.operation import LONGEST_NAME
from monitor.web.forwarding import is_within, peer_address
from monitor.web.identity import Identity


def find_proxied(request: HTTPConnection, settings: ProxyConfig) -> Identity | None:
    """Return whom a trusted proxy names; None if the peer is not trusted, names nobody, or nobody with a role.

    The peer is that of the connection. A header that occurs several times names nobody, as one may be forged.
    """
    names = request.headers.getlist(settings.user_header)
    if len(names) != 1 or not is_within(peer_address(request), settings.trusted):
        return None
    name = names[0].strip()
    role = settings.find_role(name, _list_groups(request, settings))
    return Identity(name, role) if role and 0 < len(name) <= LONGEST_NAME else None


def _list_groups(request: HTTPConnection, settings: ProxyConfig) -> list[str]:
    values = request.headers.getlist(settings.groups_header) if settings.groups_header else []
    return [group.strip() for group in values[0].split(",")] if len(values) == 1 else []
