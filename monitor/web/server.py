"""uvicorn in a thread of its own: the daemon's main thread keeps the signals."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
import time
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from monitor.config import ConfigError
from monitor.web.access import split_listen

START_SECONDS = 10.0
STOP_SECONDS = 3
CONNECTIONS = 256
LOOK_SECONDS = 10.0
"""Between two looks at a connection; one that still sends the same request at the second is closed."""


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
                http=_Impatient,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # X-Forwarded-For from loopback would let a client choose its address
                limit_concurrency=CONNECTIONS,
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


class _Impatient(H11Protocol):
    """Closes a connection on which a request does not come to its end: a few hundred would keep everybody out."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to look."""
        super().connection_made(transport)
        self._receiving: object = self
        self._look_again()

    def _look_again(self) -> None:
        self._next = self.loop.call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        cycle: Any = self.cycle
        coming = cycle is None or cycle.response_complete or cycle.more_body
        if coming and self._receiving is cycle:
            self.transport.close()
            return
        self._receiving = cycle if coming else self
        self._look_again()

    def connection_lost(self, exc: Exception | None) -> None:
        """Look no more."""
        self._next.cancel()
        super().connection_lost(exc)


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
