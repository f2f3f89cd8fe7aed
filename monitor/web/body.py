"""Read the body of a request with a limit on its size and its time."""

from __future__ import annotations

import asyncio

from starlette.requests import Request


class LargeBodyError(ValueError):
    """The body is larger than its limit."""


async def read_body(request: Request, largest: int, seconds: float) -> bytes:
    """Return the body of a request.

    Raises
    ------
    LargeBodyError
        If it has more than ``largest`` bytes; the rest is not read.
    TimeoutError
        If it was not received in time.
    """
    body = bytearray()
    async with asyncio.timeout(seconds):
        async for chunk in request.stream():
            body += chunk
            if len(body) > largest:
                raise LargeBodyError
    return bytes(body)
