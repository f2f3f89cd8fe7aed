"""Background: what takes long and can wait is done beside the ticks, so that other monitors do not wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

Result = TypeVar("Result")
Work = Callable[[], Any]
Later = Callable[[Work], Future[Any]]
"""Takes work, and returns at once what will hold its result."""


def at_once(work: Work) -> Future[Any]:
    """Do the work now: for commands that have nothing else to do, and for tests.

    Examples
    --------
    >>> at_once(lambda: 2 + 2).result()
    4
    """
    future: Future[Any] = Future()
    _do(work, future)
    return future


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
        self._thread = threading.Thread(target=_do, args=(work, future), daemon=True, name="bounded")
        self._thread.start()
        return future.result(seconds)


class Background:
    """Does one piece of work after the other in a thread. Whoever leaves does not wait for it: it only computes."""

    def __init__(self) -> None:
        self._one = threading.Lock()

    def submit(self, work: Work) -> Future[Any]:
        """Begin, or wait for what was begun before."""
        future: Future[Any] = Future()
        threading.Thread(target=self._run, args=(work, future), daemon=True, name="background").start()
        return future

    def _run(self, work: Work, future: Future[Any]) -> None:
        with self._one:
            _do(work, future)


def _do(work: Callable[[], Result], future: Future[Result]) -> None:
    try:
        future.set_result(work())
    except Exception as error:  # noqa: BLE001  (whoever asks for the result gets it)
        future.set_exception(error)


class Summing:
    """One sum of a baseline at a time: begun, looked at again, and stored where it was begun.

    Parameters
    ----------
    later
        Does the work.
    """

    def __init__(self, later: Later) -> None:
        self._later = later
        self._pending: tuple[Future[Any], object, Callable[[Any], None]] | None = None

    @property
    def busy(self) -> bool:
        """Say whether a sum is being made or waits to be stored."""
        return self._pending is not None

    def begin(self, work: Work, standing: object, store: Callable[[Any], None]) -> bool:
        """Begin a sum of what stands now; stores what is there at once, and says whether it was."""
        self._pending = (self._later(work), standing, store)
        return self.finish(standing)

    def finish(self, standing: object) -> bool:
        """Say whether a sum is ready, and store it unless what stands is another by now: a replica was faster."""
        if self._pending is None or not self._pending[0].done():
            return False
        (future, before, store), self._pending = self._pending, None
        summed = future.result()
        if standing == before:
            store(summed)
        return True
