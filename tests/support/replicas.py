"""Replicas: daemons in processes of their own on one PostgreSQL store, with leases of seconds."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tests.support import prefork
from tests.support.world import World

PROGRAM = """
import os, signal
from datetime import timedelta
from monitor.cli import app
from monitor.checks import observe
from monitor.jobs import delivery
from monitor.store import claims, outbox

claims.LEASE, claims.RENEW_EVERY = timedelta(seconds={lease}), timedelta(seconds={lease} / 3)
outbox.LEASE, delivery.LONGEST_ATTEMPT = timedelta(seconds={lease}), timedelta(seconds={lease} * 0.8)

def freeze_once():
    # The process stops itself, so that it is certain where it stands; the test lets it continue.
    if not os.path.exists("frozen"):
        open("frozen", "w").close()
        os.kill(os.getpid(), signal.SIGSTOP)
"""
"""The real command line with leases of seconds."""


class Replica:
    """One daemon, which does not outlive its block; its log is a file of its own."""

    def __init__(self, world: World, name: str, lease: float, patch: str = "", **environment: str) -> None:
        self.log = world.folder / f"{name}.log"
        self._world = world
        self._program = world.folder / f"{name}.py"
        self._program.write_text(f"{PROGRAM.format(lease=lease)}\n{patch}\napp()\n")
        self._environment = environment
        self.start()

    def start(self) -> None:
        """Start the process, also after its end."""
        environment = {**self._world.environment(), **self._environment}
        with self.log.open("a") as out:
            self.process = prefork.Command(
                ["run"], out, out, cwd=self._world.folder, env=environment, program=self._program
            )

    def is_frozen(self) -> bool:
        """Return whether the process is stopped."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return fields[0] == "T"

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process, also while it is stopped."""
        os.kill(self.process.pid, number)

    def events(self, name: str) -> list[Mapping[str, Any]]:
        """Return the events of that name in the log; a line that is being written is left out."""
        lines = self.log.read_text().splitlines(keepends=True)
        entries = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}\n")]
        return [entry for entry in entries if entry["event"] == name]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        self.process.wait(30)
