"""Processes that check the texts of the guard, so that no text delays breakers, health, metrics or pages.

A regular expression keeps the lock of the interpreter until it has ended: checked in this process, by a thread or by
the event loop, one hostile text of 8,000 characters delays every other answer by 50 ms.
"""

from __future__ import annotations

import pickle
import struct
import time
from collections.abc import Mapping

from detectors.policy import Policy
from monitor.core.worker_child import Answer, serve
from monitor.core.worker_pool import WorkerPool, WorkerSpec
from monitor.web.guard_answers import GuardAnswer, answer_request

WORKERS = 2
HEAD = struct.Struct(">HI")
"""Status, and length of the note for the log, which precedes the body."""


class GuardWorkers:
    """Workers that know the policies by name."""

    def __init__(self, policies: Mapping[str, Policy]) -> None:
        self._pool = WorkerPool(WorkerSpec(__name__, pickle.dumps(dict(policies)), yields=True), WORKERS)

    async def answer(self, body: bytes, seconds: float) -> GuardAnswer:
        """Answer a request in a worker.

        Raises
        ------
        TimeoutError
            When no worker is free within ``seconds``.
        WorkerLost
            When the worker does not answer, or ended.
        """
        ends = time.monotonic() + seconds
        async with self._pool.lend(seconds) as worker:
            reply = await worker.ask(body, ends - time.monotonic())
        status, length = HEAD.unpack_from(reply)
        note = reply[HEAD.size : HEAD.size + length]
        return GuardAnswer(status, reply[HEAD.size + length :], note.decode())


def make_answer(setup: bytes) -> Answer:
    """Return the function that answers requests by the policies of a setup."""
    policies: dict[str, Policy] = pickle.loads(setup)  # noqa: S301  of our own process

    def answer(body: bytes, ends: float) -> bytes:
        made = answer_request(policies, body, ends)
        note = made.failed.encode("utf-8", "backslashreplace")
        return HEAD.pack(made.status, len(note)) + note + made.body

    return answer


if __name__ == "__main__":
    serve(make_answer)
