"""Authentication: the token, its session cookie, and a limit on wrong tokens per client."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import time
from collections import OrderedDict, deque
from datetime import timedelta
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from monitor.config.models import ConfigError, ServerConfig
from monitor.core.clock import Clock
from monitor.web.assets import PREFIX
from monitor.web.identity import IDENTITY, SERVER

COOKIE = "driftd_session"
SESSION = timedelta(hours=12)
SLACK_PATH = "/slack/interactions"
"""Its requests are signed by Slack."""
OPEN_PATHS = frozenset({"/healthz", "/login", SLACK_PATH})
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
    clock
        Determines when sessions expire.

    Raises
    ------
    ConfigError
        When the server is reachable from other machines and no token is set.
    """

    def __init__(self, server: ServerConfig, clock: Clock) -> None:
        host, _ = split_listen(server.listen)
        self._token = server.token.get_secret_value().encode() if server.token else None
        if not self._token and not is_loopback(host):
            raise ConfigError(
                f"`server: listen:` is {server.listen!r}, which other machines can reach, but no token is set. "
                "Set `server: token_file:`, or listen on 127.0.0.1."
            )
        self._clock = clock
        self._hosts = {"localhost", "127.0.0.1", "::1", host} if is_loopback(host) else None
        self._brake = Brake()

    @property
    def needed(self) -> bool:
        """Return whether a token is required."""
        return bool(self._token)

    def host_allowed(self, request: HTTPConnection) -> bool:
        """Return whether the Host header is accepted.

        On loopback other names are rejected, because a foreign site could point its own name at 127.0.0.1.
        """
        return self._hosts is None or parse_host(f"//{request.headers.get('host', '')}") in self._hosts

    def same_origin(self, request: HTTPConnection) -> bool:
        """Return whether a form was sent by our own page."""
        origin = request.headers.get("origin", "")
        host = request.headers.get("host", "")
        return bool(host) and urlsplit(origin).netloc.lower() == host.lower()

    def is_accepted(self, request: HTTPConnection) -> bool:
        """Return whether the request has the token or a valid session, and mark it as authenticated if so."""
        path = request.scope["path"]
        if not self._token or path in OPEN_PATHS or path.startswith(PREFIX):
            return True
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            is_accepted = self.accepts(credentials.strip(), client_address(request))
        else:
            is_accepted = self._session_holds(request.cookies.get(COOKIE, ""))
        state = request.scope.setdefault("state", {})
        state[AUTHORISED] = is_accepted
        if is_accepted:
            state[IDENTITY] = SERVER
        return is_accepted

    def accepts(self, token: str, client: str) -> bool:
        """Compare a token in constant time; a wrong one counts against the client."""
        if not self._token:
            return False
        right = hmac.compare_digest(token.encode("utf-8", "surrogatepass"), self._token)
        if not right:
            self._brake.note(client)
        return right

    def brakes(self, client: str) -> bool:
        """Return whether a client sent too many wrong tokens, so that the next one is answered with 429."""
        return self._brake.holds(client)

    def new_session(self) -> str:
        """Return a session cookie: its expiry, signed with a key derived from the token, so a new token revokes it."""
        until = int((self._clock.now() + SESSION).timestamp())
        return f"{until}.{self._sign(until)}"

    def _session_holds(self, cookie: str) -> bool:
        text, _, signature = cookie.partition(".")
        if not (text.isascii() and text.isdigit() and len(text) < 12 and signature.isascii()):  # noqa: PLR2004
            return False
        until = int(text)
        return hmac.compare_digest(signature, self._sign(until)) and self._clock.now().timestamp() < until

    def _sign(self, until: int) -> str:
        key = hashlib.sha256(b"driftd session\0" + (self._token or b"")).digest()
        return hmac.new(key, str(until).encode(), hashlib.sha256).hexdigest()


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


def client_address(request: HTTPConnection) -> str:
    """Return the peer address of the connection; headers such as X-Forwarded-For can be forged and are ignored."""
    return request.client.host if request.client else ""


def parse_host(url: str) -> str:
    """Return the host of a URL in lower case, or an empty string if the URL is invalid."""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""
