"""Blocking reads with a deadline, so that a hanging database does not block the web pages or /metrics."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

Result = TypeVar("Result")


class BoundedReads:
    """Runs reads in daemon threads with a limit on their number and a deadline for each.

    A read that misses its deadline continues in its thread and counts until it ends, so a hanging
    database occupies at most ``most`` threads. Daemon threads never delay the exit of the process.

    Parameters
    ----------
    most
        Maximum number of concurrent reads.
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
        except BaseException as raised:  # noqa: BLE001  raised again where the result is awaited
            error = raised
        with suppress(RuntimeError):  # the event loop has ended
            loop.call_soon_threadsafe(self._hand_over, answer, result, error)

    def _hand_over(self, answer: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
        self._places.release()
        if answer.cancelled():
            return
        if error is None:
            answer.set_result(result)
        else:
            answer.set_exception(error)
