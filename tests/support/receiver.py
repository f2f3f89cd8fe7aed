"""A receiver on loopback that keeps what it was sent and answers as it is told; Slack's API at the wire."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: bytes

    def form(self) -> dict[str, object]:
        """Return the fields of a Slack call, sent as JSON or as a form."""
        if "json" in self.headers.get("content-type", ""):
            return dict(json.loads(self.body))
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}


@dataclass
class Receiver:
    """``answer`` gives status, headers and body for each request."""

    answer: Callable[[Request], tuple[int, dict[str, str], bytes]] = lambda _request: (204, {}, b"")
    requests: list[Request] = field(default_factory=list)
    url: str = ""


@contextmanager
def listening(receiver: Receiver) -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.path, headers, body)
            receiver.requests.append(request)
            status, extra, text = receiver.answer(request)
            self.send_response(status)
            for name, value in {"content-length": str(len(text)), **extra}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield receiver
    server.shutdown()
    server.server_close()
    thread.join(5)


def slack() -> Receiver:
    """Return a receiver that answers like chat.postMessage, numbering its messages."""

    def answer(request: Request) -> tuple[int, dict[str, str], bytes]:
        stamp = f"1700000000.{len(receiver.requests):06d}"
        body = {"ok": True, "channel": "C1", "ts": stamp}
        return 200, {"content-type": "application/json"}, json.dumps(body).encode()

    receiver = Receiver(answer)
    return receiver
