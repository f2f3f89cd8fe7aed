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
    method: str = "POST"

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
    refusals: list[str] = field(default_factory=list)
    url: str = ""


@contextmanager
def listening(receiver: Receiver) -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.path, headers, body, self.command)
            receiver.requests.append(request)
            status, extra, text = receiver.answer(request)
            self.send_response(status)
            for name, value in {"content-length": str(len(text)), **extra}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_PUT = do_PATCH = do_DELETE = do_POST

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield receiver
    server.shutdown()
    server.server_close()
    thread.join(5)


TEXT_LIMIT, BLOCKS, ELEMENTS, FIELDS = 3000, 50, 10, 10
SHORT = {"header": 150}
MESSAGE_LIMIT = 40_000


def slack() -> Receiver:
    """Return a receiver that answers like chat.postMessage and chat.update, and refuses what Slack refuses."""
    posted: set[tuple[str, str]] = set()

    def answer(request: Request) -> tuple[int, dict[str, str], bytes]:
        form = request.form()
        body = {"ok": False, "error": error} if (error := refusal(request.path, form, posted)) else {"ok": True}
        if body["ok"]:
            stamp = str(form.get("ts") or f"1700000000.{len(receiver.requests):06d}")
            posted.add(("C1", stamp))
            body |= {"channel": "C1", "ts": stamp}
        receiver.refusals += [error] if error else []
        return 200, {"content-type": "application/json"}, json.dumps(body).encode()

    receiver = Receiver(answer)
    return receiver


def refusal(path: str, form: dict[str, object], posted: set[tuple[str, str]]) -> str | None:
    """Return the error that Slack answers to a call, None for one that it takes."""
    text = form.get("text", "")
    blocks = form.get("blocks") or []
    blocks = json.loads(blocks) if isinstance(blocks, str) else blocks
    assert isinstance(text, str)
    assert isinstance(blocks, list)
    if not form.get("channel"):
        return "channel_not_found"
    if path.endswith("chat.update") and (form["channel"], form.get("ts")) not in posted:
        return "message_not_found"
    if form.get("thread_ts") and (form["channel"], form["thread_ts"]) not in posted:
        return "thread_not_found"
    if not text and not blocks:
        return "no_text"
    if units(text) > MESSAGE_LIMIT:
        return "msg_too_long"
    if len(blocks) > BLOCKS or not all(_valid(block) for block in blocks):
        return "invalid_blocks"
    return None


def units(text: str) -> int:
    """Return the length of a text as JavaScript counts it; raises for half a character."""
    return len(text.encode("utf-16-le")) // 2


def texts_of(block: dict[str, object]) -> list[dict[str, object]]:
    """Return the text objects of a block."""
    parts = [block.get("text"), *(block.get("fields") or []), *(block.get("elements") or [])]  # type: ignore[misc]
    return [part for part in parts if part]  # type: ignore[misc]


def _valid(block: dict[str, object]) -> bool:
    texts = texts_of(block)
    if block.get("type") not in ("section", "context", "header", "divider"):
        return False
    if block["type"] == "section" and not texts:
        return False
    if len(block.get("fields") or []) > FIELDS or len(block.get("elements") or []) > ELEMENTS:  # type: ignore[arg-type]
        return False
    most = SHORT.get(str(block["type"]), TEXT_LIMIT)
    kinds = ("plain_text",) if block["type"] == "header" else ("plain_text", "mrkdwn")
    sizes = [units(str(text.get("text", ""))) for text in texts]
    fields = [units(str(field["text"])) for field in block.get("fields") or []]  # type: ignore[attr-defined]
    return (
        all(text.get("type") in kinds for text in texts)
        and all(1 <= size <= most for size in sizes)
        and all(size <= 2000 for size in fields)
    )
