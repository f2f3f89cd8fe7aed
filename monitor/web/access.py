"""Authentication: the token, its session cookie, and a limit on wrong tokens per client."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict, deque
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.types import Scope

from monitor.config.models import ConfigError, ServerConfig
from monitor.web.assets import PREFIX
from monitor.web.directory import Directory
from monitor.web.forwarding import read_forwarded
from monitor.web.identity import IDENTITY, Identity
from monitor.web.proxy_login import find_proxied

COOKIE = "driftd_session"
SLACK_PATH = "/slack/interactions"
"""Its requests are signed by Slack."""
OPEN_PATHS = frozenset({"/healthz", "/login", "/login/provider", "/login/callback", SLACK_PATH})
AUTHORISED = "authorised"
"""Key in the state of an authenticated request; connections without one are dropped first."""
GUESSES = 10
GUESS_SECONDS = 60.0
MOST_CLIENTS = 1000


def split_listen(listen: str) -> tuple[str, int]:
    """Return host and port of ``host:port``; an IPv6 host may be in brackets.

    Examples
    --------
    >>> split_listen("[::1]:9478")
    ('::1', 9478)
    """
    host, _, port = listen.rpartition(":")
    return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    """Return whether ``host`` is a loopback address or ``localhost``; any other name counts as reachable from outside.

    Examples
    --------
    >>> is_loopback("localhost"), is_loopback("127.0.0.1"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Access:
    """Checks the Host, the origin and the token of a request.

    Parameters
    ----------
    server
        Address to listen on and the token.
    directory
        Finds who has a token or a session.

    Raises
    ------
    ConfigError
        When the server is reachable from other machines and no token is required.
    """

    def __init__(self, server: ServerConfig, directory: Directory) -> None:
        host, _ = split_listen(server.listen)
        if not server.requires_login and not is_loopback(host):
            raise ConfigError(
                f"`server: listen:` is {server.listen!r}, which other machines can reach, but no token is set. "
                "Set `server: token_file:` or `server: auth: {required: true}`, or listen on 127.0.0.1."
            )
        if not server.requires_login and (server.trusted_proxies or server.allowed_hosts):
            raise ConfigError(
                "`server: trusted_proxies:` or `allowed_hosts:` lets other machines reach driftd through a proxy, "
                "but no token is set. Set `server: token_file:` or `server: auth: {required: true}`."
            )
        self.needed = server.requires_login
        self.directory = directory
        self._proxy = server.auth.proxy
        self._trusted = server.trusted_proxies
        external = urlsplit(server.external_url or "").netloc.lower()
        self._names = {name for name in (external, *map(str.lower, server.allowed_hosts)) if name}
        own = {"localhost", "127.0.0.1", "::1"}
        is_restricted = is_loopback(host) or bool(server.allowed_hosts)
        self._hosts = {*own, host, *(parse_host(f"//{name}") for name in self._names)} if is_restricted else None
        self._brake = Brake()

    def host_allowed(self, request: HTTPConnection) -> bool:
        """Return whether the Host header is accepted.

        On loopback, and with `allowed_hosts`, other names are rejected: a foreign site could point its own name at us.
        """
        return self._hosts is None or parse_host(f"//{request.headers.get('host', '')}") in self._hosts

    def same_origin(self, request: HTTPConnection) -> bool:
        """Return whether a form was sent by our own page: that of the Host, or of a name that is configured."""
        origin = parse_origin(request)[1]
        host = request.headers.get("host", "").lower()
        return bool(origin) and (origin == host or origin in self._names)

    def read_forwarded(self, scope: Scope) -> None:
        """Replace client, scheme and Host of a request by those that a trusted proxy states."""
        read_forwarded(scope, self._trusted)

    async def is_accepted(self, request: HTTPConnection) -> bool:
        """Return whether a request is from somebody known, or needs to be from nobody, and mark it with who it is."""
        path = request.scope["path"]
        if path in OPEN_PATHS or path.startswith(PREFIX):
            return True
        identity = await self._identify(request)
        if identity is None and not self.needed:
            return True
        state = request.scope.setdefault("state", {})
        state[AUTHORISED] = identity is not None
        if identity is not None:
            state[IDENTITY] = identity
        return identity is not None

    async def _identify(self, request: HTTPConnection) -> Identity | None:
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return await self.accept(credentials.strip(), client_address(request))
        identity = await self.directory.find_by_cookie(request.cookies.get(COOKIE, ""))
        return identity or (find_proxied(request, self._proxy) if self._proxy else None)

    async def accept(self, token: str, client: str) -> Identity | None:
        """Return who has a token; a wrong one counts against the client."""
        identity = await self.directory.find_by_token(token)
        if identity is None and self.needed:
            self._brake.note(client)
        return identity

    def brakes(self, client: str) -> bool:
        """Return whether a client sent too many wrong tokens, so that the next one is answered with 429."""
        return self._brake.holds(client)


class Brake:
    """Counts the wrong tokens of each client within a minute, for at most 1,000 clients.

    Clients behind one address share a count, so the right token is accepted regardless of it.
    """

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()

    def note(self, client: str) -> None:
        """Record a wrong token."""
        times = self._wrong.setdefault(client, deque(maxlen=GUESSES))
        times.append(time.monotonic())
        self._wrong.move_to_end(client)
        while len(self._wrong) > MOST_CLIENTS:
            self._wrong.popitem(last=False)

    def holds(self, client: str) -> bool:
        """Return whether a client sent ten wrong tokens within the last minute."""
        times = self._wrong.get(client)
        return times is not None and len(times) >= GUESSES and time.monotonic() - times[0] < GUESS_SECONDS


def parse_origin(request: HTTPConnection) -> tuple[str, str]:
    """Return scheme, and host with port, of the page that sent a form; empty if it is invalid."""
    try:
        parts = urlsplit(request.headers.get("origin", ""))
    except ValueError:
        return "", ""
    return parts.scheme.lower(), parts.netloc.lower()


def client_address(request: HTTPConnection) -> str:
    """Return the address of the client: the peer of the connection, or whom a trusted proxy names."""
    return request.client.host if request.client else ""


def parse_host(url: str) -> str:
    """Return the host of a URL in lower case, or an empty string if the URL is invalid."""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""
