"""A reverse proxy on loopback that terminates TLS, as nginx does: one connection to the server for each request."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

Headers = dict[str, str]


@contextmanager
def terminating_tls(certificates: Path, target: int, change: Callable[[Headers], Headers]) -> Iterator[int]:
    """Lend the port of a proxy in front of a port; ``change`` returns the headers of a forwarded request."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")

    def forward(client: socket.socket) -> None:
        with suppress(OSError, ssl.SSLError), context.wrap_socket(client, server_side=True) as secured:
            head, _, body = _read_until(secured, b"\r\n\r\n").partition(b"\r\n\r\n")
            line, *fields = head.decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
            while len(body) < int(headers.get("content-length", 0)):
                body += secured.recv(65536)
            written = "".join(f"{name}: {value}\r\n" for name, value in change(headers).items())
            with socket.create_connection(("127.0.0.1", target)) as server:
                server.sendall(f"{line}\r\n{written}connection: close\r\n\r\n".encode("latin-1") + body)
                while data := server.recv(65536):
                    secured.sendall(data)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=forward, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def _read_until(connection: socket.socket, end: bytes) -> bytes:
    data = b""
    while end not in data:
        part = connection.recv(65536)
        if not part:
            raise OSError("the client ended the connection within a request")
        data += part
    return data
