"""uvicorn in a thread of its own: the daemon's main thread keeps the signals."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
import time
from collections import Counter
from collections.abc import Collection
from typing import cast

import uvicorn
from starlette.types import ASGIApp, Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

from monitor.config.models import ConfigError
from monitor.web.access import AUTHORISED, split_listen

START_SECONDS = 10.0
STOP_SECONDS = 3
CONNECTIONS = 256
EXCHANGE_SECONDS = 30.0
"""From the first byte of a request to the last byte of its answer; longer than any endpoint takes."""
TASKS = 4 * CONNECTIONS
"""Requests at work, also of clients that have gone."""


class Server:
    """Serves an ASGI application until it is stopped.

    Parameters
    ----------
    app
        What is served.
    listen
        ``host:port``; with port 0 the system chooses one, and :attr:`port` tells which.
    """

    def __init__(self, app: ASGIApp, listen: str) -> None:
        self.listen = listen
        self._host, self._port = split_listen(listen)
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
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
            )
        )
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """Return the port that is listened on, once it is."""
        return self._port

    def start(self) -> None:
        """Listen and serve; returns when requests are answered.

        Raises
        ------
        ConfigError
            When the address cannot be listened on.
        """
        listener = _bind(self._host, self._port)
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
            raise ConfigError(f"the page could not be served on {self.listen}; the log says why.")

    def stop(self) -> None:
        """End within a few seconds, whatever is still being answered."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(STOP_SECONDS + 1)
            self._server.force_exit = True
            self._thread.join(1)
            self._thread = None


class BoundedProtocol(H11Protocol):
    """HTTP over one connection, with a deadline for each exchange and a limit of connections over all.

    An exchange begins when the connection is made or when the answer before it was handed to the system, and ends when
    its own answer was. A client that sends or reads more slowly than that is disconnected, and what it has not read is
    discarded: a plain close would wait for it.
    """

    _deadline: asyncio.TimerHandle | None = None
    _was_authorised = False
    since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin the first exchange; where there is one connection too many, drop one."""
        super().connection_made(transport)
        self.since = self.loop.time()
        self._set_deadline()
        if len(self.connections) > CONNECTIONS:
            dropped = surplus(cast(set[BoundedProtocol], self.connections))
            self.connections.discard(dropped)  # now, for many may be made before the loop tells of its end
            dropped.transport.abort()

    @property
    def peer(self) -> str:
        """Return the address of the other side."""
        return self.client[0] if self.client else ""

    @property
    def authorised(self) -> bool:
        """Say whether the newest request that was judged carried the token or a session."""
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
    """Return the connection that is dropped when there are too many.

    One without a token goes before one with it, then one of the peer that has the most, then the oldest. A flood of
    connections therefore replaces its own, and a new one always has the time to be answered.
    """
    counts = Counter(one.peer for one in connections)
    return min(connections, key=lambda one: (one.authorised, -counts[one.peer], one.since))


def _bind(host: str, port: int) -> socket.socket:
    """Listen at once, so that a port that is taken is found before anything else starts."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family[0], socket.SOCK_STREAM)
    except OSError as error:
        raise ConfigError(f"`server: listen:` names {host!r}, which cannot be resolved: {error}.") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # asyncio sets it only on sockets that name their protocol; without it an answer waits 40 ms for its own ACK.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(family[4])
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise ConfigError(_why_not(host, port, error)) from None
    return listener


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host} is taken by another program; end it, or set another `server: listen:`."
    if error.errno == errno.EACCES:
        return f"port {port} may not be listened on by this user; set a `server: listen:` above 1024."
    return f"{host}:{port} cannot be listened on: {error.strerror or error}."
