"""What every test of the daemon is held to: a turn that fails is logged and gone on from, so the log is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from monitor import daemon, evidently

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
    monkeypatch.setattr(daemon, "LOG", ear)
    yield ear.failures
    assert not ear.failures, "a turn failed and the daemon went on; its traceback is in the log above"
