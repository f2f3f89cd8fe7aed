"""Endpoints that read our database in a thread with a deadline; errors become HTTP responses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from monitor.store.database import DatabaseError
from monitor.web.bounded_reads import BoundedReads
from monitor.web.templating import Renderer

LOG = structlog.get_logger(__name__)
READ_SECONDS = 8.0
READS_AT_ONCE = 4

Endpoint = Callable[[Request], Awaitable[Response]]


class Endpoints:
    """Turns functions that read our database into endpoints.

    Parameters
    ----------
    renderer
        Renders the page of an error; the API answers with JSON.
    """

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._reads = BoundedReads(READS_AT_ONCE)

    def reading(self, work: Callable[[Request], Response]) -> Endpoint:
        """Return the endpoint that runs ``work`` in a thread."""
        return partial(self._read, work)

    def problem(self, request: Request, status: int, sentence: str) -> Response:
        """Return the response of an error."""
        if request.url.path.startswith("/api/"):
            return JSONResponse({"error": sentence}, status)
        return self._renderer.problem(status, sentence)

    async def _read(self, work: Callable[[Request], Response], request: Request) -> Response:
        try:
            return await self._reads.run(partial(work, request), READ_SECONDS)
        except LookupError as error:
            return self.problem(request, 404, str(error.args[0]))
        except ValueError as error:
            return self.problem(request, 400, str(error))
        except (DatabaseError, TimeoutError) as error:
            LOG.warning("store_down", error=type(error).__name__)
            return self.problem(request, 503, "driftd's own database does not answer; try again later.")
