"""Blocking reads with a deadline: a database that hangs must not hang the page or /metrics."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

Result = TypeVar("Result")


class BoundedReads:
    """Runs reads in daemon threads, a few at a time, and waits for each only so long.

    A read that is given up goes on in its thread and keeps its place until it ends, so that a hanging
    database costs at most ``most`` threads. Daemon threads never delay the end of the process.

    Parameters
    ----------
    most
        How many reads may be at work at the same time.
    """

    def __init__(self, most: int) -> None:
        self._places = asyncio.Semaphore(most)

    async def run(self, read: Callable[[], Result], seconds: float) -> Result:
        """Return what ``read`` returns; raises TimeoutError after ``seconds``."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(seconds):
            await self._places.acquire()
            answer: asyncio.Future[Result] = loop.create_future()
            threading.Thread(target=self._work, args=(loop, answer, read), name="web-read", daemon=True).start()
            return await answer

    def _work(
        self, loop: asyncio.AbstractEventLoop, answer: asyncio.Future[Result], read: Callable[[], Result]
    ) -> None:
        result: Any = None
        error: BaseException | None = None
        try:
            result = read()
        except BaseException as raised:  # noqa: BLE001  it is raised again where the answer is awaited
            error = raised
        with suppress(RuntimeError):  # the loop has ended, nobody waits any more
            loop.call_soon_threadsafe(self._hand_over, answer, result, error)

    def _hand_over(self, answer: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
        self._places.release()
        if answer.cancelled():
            return
        if error is None:
            answer.set_result(result)
        else:
            answer.set_exception(error)
