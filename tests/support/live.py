"""The daemon at work in a process of its own, and what it serves."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.faults import tally
from tests.support.process import free_port
from tests.support.world import World

WITHIN = 30
"""Seconds: ten as promised, and twenty for a machine that does much else."""


class Live:
    """A daemon at work in a process of its own."""

    def __init__(self, world: World, extra: dict[str, Any] | None = None, **monitor: Any) -> None:
        self.world = world
        self.port = free_port()
        self.log = world.folder / "daemon.log"
        listen = {"server": {"listen": f"127.0.0.1:{self.port}"}}
        world.configure({**listen, **(extra or {})}, **{"catch_up": "1h", **monitor})

    def start(self, errors: Any = None) -> None:
        self.process = self.world.start("run", errors=errors)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=60)

    def source_is(self, up: int) -> bool:
        return f'driftd_source_up{{monitor="shop"}} {up}.0' in self.get("/metrics").text

    def logged(self, event: str) -> bool:
        return f'"event": "{event}"' in self.log.read_text()

    def end(self) -> int:
        """Return the exit code after one SIGTERM."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(WITHIN)
        tally.count("situations of SIGTERM")
        tally.note_worst("SIGTERM to the end of the process", time.monotonic() - began)
        return code


@contextmanager
def live(world: World, extra: dict[str, Any] | None = None, errors: Any = None, **monitor: Any) -> Iterator[Live]:
    made = Live(world, extra, **monitor)
    made.start(errors)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait()
