"""Calls into third-party code with a timeout."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")


class Bounded:
    """Runs calls in a daemon thread and stops waiting after a timeout.

    Until a call that timed out returns, further calls fail at once, so at most one thread hangs. The thread does not
    prevent the process from exiting.
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Return whether a call that timed out is still running."""
        return self._thread is not None and self._thread.is_alive()

    def call(self, work: Callable[[], Result], seconds: float) -> Result:
        """Return the result of ``work``; raises TimeoutError after ``seconds``, or if an earlier call still runs."""
        if self.busy:
            raise TimeoutError("an earlier call is still running")
        future: Future[Result] = Future()
        self._thread = threading.Thread(target=complete, args=(future, work), daemon=True, name="bounded")
        self._thread.start()
        return future.result(seconds)


def complete(future: Future[Result], work: Callable[[], Result]) -> None:
    """Run ``work`` and set its result or exception on the future."""
    try:
        future.set_result(work())
    except Exception as error:  # noqa: BLE001  (raised by ``future.result``)
        future.set_exception(error)
