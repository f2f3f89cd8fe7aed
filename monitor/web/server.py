"""uvicorn in a thread of its own; the main thread of the daemon handles the signals."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp, Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

from monitor.config.models import ConfigError
from monitor.web.access import AUTHORISED, split_listen

START_SECONDS = 10.0
STOP_SECONDS = 3
CONNECTIONS = 256
EXCHANGE_SECONDS = 30.0
"""Deadline of an exchange in seconds, from the first byte of a request to the last byte of its response."""
HANDSHAKE_SECONDS = 10.0
"""Deadline of a TLS handshake in seconds; connections count towards the limit only after it."""
TASKS = 4 * CONNECTIONS
"""Maximum number of running requests, including those of disconnected clients."""


class Server:
    """Serves an ASGI application until it is stopped.

    Parameters
    ----------
    app
        The application.
    listen
        ``host:port``; with port 0 the system chooses a port, see :attr:`port`.
    beat
        Called ten times a second by the event loop, as a sign of life.
    tls
        The server speaks TLS with this context; without one, plain HTTP.
    key
        The setting with ``listen``, for messages of errors.
    """

    def __init__(
        self,
        app: ASGIApp,
        listen: str,
        beat: Callable[[], object] = lambda: None,
        tls: ssl.SSLContext | None = None,
        key: str = "server: listen:",
    ) -> None:
        self.listen = listen
        self._key = key
        self._host, self._port = split_listen(listen)
        self._server = _Uvicorn(
            _TlsSettings(
                tls,
                app,
                interface="asgi3",
                loop="asyncio",
                http=BoundedProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # X-Forwarded-For from loopback would let a client choose its address
                limit_concurrency=TASKS,
                timeout_graceful_shutdown=STOP_SECONDS,
            ),
            beat,
        )
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """Return the port that the server listens on."""
        return self._port

    def start(self) -> None:
        """Start listening; return when requests are answered.

        Raises
        ------
        ConfigError
            When the address is not available.
        """
        listener = _bind(self._host, self._port, self._key)
        self._port = listener.getsockname()[1]
        self.listen = f"{self.listen.rpartition(':')[0]}:{self._port}"
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="web", daemon=True
        )
        self._thread.start()
        ends = time.monotonic() + START_SECONDS
        while not self._server.started and self._thread.is_alive() and time.monotonic() < ends:
            time.sleep(0.01)
        if not self._server.started:
            self.stop()
            raise ConfigError(f"the web server could not start on {self.listen}; see the log.")

    def stop(self) -> None:
        """Stop within a few seconds, even if requests are still running."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(STOP_SECONDS + 1)
            self._server.force_exit = True
            self._thread.join(1)
            self._thread = None


class _TlsSettings(uvicorn.Config):
    """Settings with a TLS context that exists already, whose certificate may be replaced."""

    def __init__(self, tls: ssl.SSLContext | None, app: ASGIApp, **settings: Any) -> None:  # noqa: ANN401
        super().__init__(app, **settings)
        self._tls = tls

    def load(self) -> None:
        """Load the settings; called by uvicorn before it listens."""
        super().load()
        self.ssl = self._tls


class _Uvicorn(uvicorn.Server):
    """A server that gives a sign of life."""

    def __init__(self, config: uvicorn.Config, beat: Callable[[], object]) -> None:
        super().__init__(config)
        self._beat = beat

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen; uvicorn has no setting for the deadline of the handshake, so its own event loop is given one."""
        if self.config.ssl is not None:
            loop = asyncio.get_running_loop()
            listen = partial(loop.create_server, ssl_handshake_timeout=HANDSHAKE_SECONDS)
            loop.create_server = listen  # type: ignore[method-assign]
        await super().startup(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Give the sign of life; called by uvicorn ten times a second."""
        self._beat()
        return await super().on_tick(counter)


class BoundedProtocol(H11Protocol):
    """HTTP over one connection, with a deadline per exchange and a limit on all connections.

    An exchange begins when the connection is made or the previous response was written to the socket, and ends when its
    own response was. A client that sends or reads more slowly is disconnected and unread data are discarded, since a
    plain close would wait for them.
    """

    _deadline: asyncio.TimerHandle | None = None
    _was_authorised = False
    since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin the first exchange; if there are too many connections, drop one."""
        super().connection_made(transport)
        self.since = self.loop.time()
        self._set_deadline()
        if len(self.connections) > CONNECTIONS:
            dropped = surplus(cast(set[BoundedProtocol], self.connections))
            self.connections.discard(dropped)  # now: many connections may be made before the event loop reports its end
            dropped.transport.abort()

    @property
    def peer(self) -> str:
        """Return the address of the peer."""
        return self.client[0] if self.client else ""

    @property
    def authorised(self) -> bool:
        """Return whether the newest checked request had the token or a session."""
        scope = cast(Scope | None, self.scope)  # None before the first request
        return bool(scope and scope["state"].get(AUTHORISED, self._was_authorised))

    def on_response_complete(self) -> None:
        """Begin the next exchange."""
        self._was_authorised = self.authorised
        self._set_deadline()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the exchange."""
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def _set_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(EXCHANGE_SECONDS, self.transport.abort)


def surplus(connections: Collection[BoundedProtocol]) -> BoundedProtocol:
    """Return the connection to drop when there are too many.

    Connections without a token are dropped first, then those of the peer with the most connections, then the oldest. A
    flood of connections therefore replaces its own, and a new connection always has time for its response.
    """
    counts = Counter(one.peer for one in connections)
    return min(connections, key=lambda one: (one.authorised, -counts[one.peer], one.since))


def _bind(host: str, port: int, key: str) -> socket.socket:
    """Listen at once, so that a port in use is detected before anything else starts."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family[0], socket.SOCK_STREAM)
    except OSError as error:
        raise ConfigError(f"`{key}` names {host!r}, which cannot be resolved: {error}.") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # asyncio sets it only on sockets that name their protocol; without it an answer waits 40 ms for its own ACK.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(family[4])
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise ConfigError(_why_not(host, port, key, error)) from None
    return listener


def _why_not(host: str, port: int, key: str, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is in use by another program; stop it, or change `{key}`."
    if error.errno == errno.EACCES:
        return f"this user may not listen on port {port}; set a port above 1024 in `{key}`."
    return f"cannot listen on {host}:{port}: {error.strerror or error}."
