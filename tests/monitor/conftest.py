"""What every test of the daemon is held to: a turn that fails is logged and gone on from, so the log is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor import daemon
from monitor.checks import evidently
from monitor.jobs import bucket_worker, turns
from tests.support.calls import Application, Watching

FAILURES = ("turn_failed", "bucket_failed", "bucket_given_up", "deliver_failed")


class Ear:
    """The daemon's logger, with a memory for failures."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.failures: list[dict[str, Any]] = []

    def __getattr__(self, level: str) -> Any:
        speak = getattr(self.inner, level)

        def heard(event: str, **said: Any) -> Any:
            if event in FAILURES:
                self.failures.append({"event": event, **said})
            return speak(event, **said)

        return heard


@pytest.fixture(autouse=True)
def _no_test_of_evidently_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test begin with breakers that have seen nothing hang."""
    monkeypatch.setattr(evidently, "_breakers", {})


@pytest.fixture(autouse=True)
def failures(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """Fail a test in which a turn of the daemon failed; one that wants a failure looks at it and clears the list."""
    ear = Ear(daemon.LOG)
    for module in (daemon, bucket_worker, turns):
        monkeypatch.setattr(module, "LOG", ear)
    yield ear.failures
    assert not ear.failures, "a turn failed and the daemon went on; its traceback is in the log above"


@pytest.fixture
def application(tmp_path: Path) -> Iterator[Application]:
    """Lend an application that logs its calls to SQLite."""
    made = Application(tmp_path)
    yield made
    made.engine.dispose()


@pytest.fixture
def watching() -> Iterator[Callable[[Path], Watching]]:
    """Lend a function that starts to watch by a configuration."""
    made: list[Watching] = []

    def start(path: Path) -> Watching:
        made.append(Watching(path))
        return made[-1]

    yield start
    for one in made:
        one.close()
