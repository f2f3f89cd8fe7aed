"""Bounded calls: waiting only so long for somebody else's code."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Result = TypeVar("Result")


class Bounded:
    """Waits only so long for calls into somebody else's code; one that is late is left behind in its thread.

    Until it has come back, further calls fail at once: what hangs costs one thread. The process can end without it.
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Say whether a call that was left behind is still at work."""
        return self._thread is not None and self._thread.is_alive()

    def call(self, work: Callable[[], Result], seconds: float) -> Result:
        """Return what ``work`` returns; raises TimeoutError after ``seconds``, or when an earlier call still hangs."""
        if self.busy:
            raise TimeoutError("an earlier call has not come back")
        future: Future[Result] = Future()
        self._thread = threading.Thread(target=complete, args=(future, work), daemon=True, name="bounded")
        self._thread.start()
        return future.result(seconds)


def complete(future: Future[Result], work: Callable[[], Result]) -> None:
    """Do the work, and give the future what it returns or raises."""
    try:
        future.set_result(work())
    except Exception as error:  # noqa: BLE001  (whoever asks for the result gets it)
        future.set_exception(error)
