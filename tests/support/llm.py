"""A chat-completions endpoint on loopback, at the wire: a model that is random, gets worse, stalls or breaks.

``python -m tests.support.llm --accuracy 0.8`` serves one until it is interrupted.
"""

from __future__ import annotations

import argparse
import json
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """What goes over the wire; with ``hang`` only after the client has gone, or the server ends."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: bool = False


def completion(text: str | None, tokens: tuple[int, int] = (10, 5), **message: Any) -> Reply:
    """Return a chat completion as OpenAI writes it."""
    data = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)},
    }
    return Reply(body=json.dumps(data).encode())


@dataclass
class Model:
    """``answer`` gives a reply to each request, given its body and how many came before it."""

    answer: Callable[[dict[str, Any], int], Reply]
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)
    ending: threading.Event = field(default_factory=threading.Event)


def question(body: Mapping[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


def unsure(rates: Callable[[str], float], seed: int = 0) -> Callable[[dict[str, Any], int], Reply]:
    """Answer ``right`` with the probability that a question has, else ``wrong``; seeded by the order of requests."""
    chance = random.Random(seed)

    def answer(body: dict[str, Any], _before: int) -> Reply:
        return completion("right" if chance.random() < rates(question(body)) else "wrong")

    return answer


class PatientServer(ThreadingHTTPServer):
    """Lets more than five connections wait: a busy machine accepts late."""

    request_queue_size = 128
    daemon_threads = True


@contextmanager
def serving(model: Model, port: int = 0) -> Iterator[Model]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))))
            with model.lock:
                before = len(model.requests)
                model.requests.append(body)
                model.headers.append({name.lower(): value for name, value in self.headers.items()})
                model.at_once += 1
                model.most_at_once = max(model.most_at_once, model.at_once)
                reply = model.answer(body, before)
            if self.path != "/v1/chat/completions":
                reply = Reply(404)
            if reply.hang:
                model.ending.wait(30)
            with model.lock:
                model.at_once -= 1
            try:
                self._write(reply)
            except OSError:
                self.close_connection = True

        def _write(self, reply: Reply) -> None:
            head = {"content-type": "application/json", "content-length": str(len(reply.body)), **reply.headers}
            self.send_response(reply.status)
            for name, value in head.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *_: object) -> None:
            pass

    server = PatientServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    model.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield model
    finally:
        model.ending.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accuracy", type=float, default=0.8)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with serving(Model(unsure(lambda _question: given.accuracy, given.seed)), given.port) as model:
        print(model.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
