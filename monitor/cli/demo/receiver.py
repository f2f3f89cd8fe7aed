"""The demo's deploy hook: verifies the signature, then deploys the requested version."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from monitor.actions.receivers.webhook.signature import verify


@dataclass
class ReceivedRequest:
    """A rollback request as it was received."""

    payload: dict[str, Any]
    signature_valid: bool
    at: datetime
    headers: dict[str, str] = field(default_factory=dict)


class RollbackReceiver:
    """Listens on loopback for rollback requests."""

    def __init__(self, secret: str, now: Callable[[], datetime], act: Callable[[dict[str, Any]], None]) -> None:
        self.received: list[ReceivedRequest] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            """Answers 204 to a request with a valid signature, else 401."""

            def do_POST(self) -> None:
                body = self.rfile.read(min(int(self.headers.get("content-length", 0)), 1 << 20))
                headers = {name.lower(): value for name, value in self.headers.items()}
                valid = verify(secret, headers, body, now())
                payload = json.loads(body) if valid else {}
                receiver.received.append(ReceivedRequest(payload, valid, now(), headers))
                if valid:
                    act(payload)
                self.send_response(204 if valid else 401)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Log nothing; the demo prints its own events."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Return the address of the hook."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/rollback"

    def start(self) -> None:
        """Start listening."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
