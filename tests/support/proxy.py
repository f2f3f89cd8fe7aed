"""A TCP proxy on loopback that can stall: it accepts, and forwards nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Proxy:
    """Forwards to a port of loopback until :meth:`stall`, and again from :meth:`resume` on."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._flowing = threading.Event()
        self._flowing.set()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self.keeps_back = threading.Event()
        """Set when a stalled proxy was given something to forward."""
        threading.Thread(target=self._accept, daemon=True).start()

    def stall(self) -> None:
        """Keep every connection open and forward nothing more; new connections are accepted."""
        self._flowing.clear()

    def resume(self) -> None:
        """Forward again, what was kept back first."""
        self._flowing.set()

    def close(self) -> None:
        """Close every connection."""
        self._flowing.set()
        for each in [self._listener, *self._sockets]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                try:
                    server = socket.create_connection(("127.0.0.1", self._target))
                except OSError:  # the server is being restarted
                    client.close()
                    continue
                self._sockets += [client, server]
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self._forward, args=(source, sink), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if not self._flowing.is_set():
                    self.keeps_back.set()
                    self._flowing.wait()
                sink.sendall(data)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxied(target: int) -> Iterator[Proxy]:
    """Lend a proxy in front of a port."""
    proxy = Proxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
