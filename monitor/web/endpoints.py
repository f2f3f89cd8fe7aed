"""Endpoints that use our database in a thread with a deadline; errors become HTTP responses. Parameters of pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from monitor.core.operation import RefusedOperation, RoleError
from monitor.store.database import DatabaseError
from monitor.web.body import LargeBodyError, read_body
from monitor.web.bounded_reads import BoundedReads
from monitor.web.formatting import parse_moment
from monitor.web.templating import Renderer

LOG = structlog.get_logger(__name__)
READ_SECONDS = 8.0
READS_AT_ONCE = 4
BODY_SECONDS = 10.0
LARGEST_BODY = 16_384
MOST = 500
"""Maximum number of results of one request."""

Endpoint = Callable[[Request], Awaitable[Response]]


class Endpoints:
    """Turns functions that use our database into endpoints.

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

    def writing(self, work: Callable[[Request, bytes], Response]) -> Endpoint:
        """Return the endpoint that runs ``work`` with the body of the request in a thread."""
        return partial(self._write, work)

    def problem(self, request: Request, status: int, sentence: str) -> Response:
        """Return the response of an error."""
        if request.url.path.startswith("/api/"):
            return JSONResponse({"error": sentence}, status)
        return self._renderer.problem(status, sentence)

    async def _write(self, work: Callable[[Request, bytes], Response], request: Request) -> Response:
        try:
            body = await read_body(request, LARGEST_BODY, BODY_SECONDS)
        except LargeBodyError:
            return self.problem(request, 413, f"The body is larger than {LARGEST_BODY} bytes.")
        except TimeoutError:
            return self.problem(request, 408, f"The body was not received within {BODY_SECONDS:g} seconds.")
        return await self._read(lambda request: work(request, body), request)

    async def _read(self, work: Callable[[Request], Response], request: Request) -> Response:
        try:
            return await self._reads.run(partial(work, request), READ_SECONDS)
        except LookupError as error:
            return self.problem(request, 404, str(error.args[0]))
        except RoleError as error:
            return self.problem(request, 403, str(error))
        except RefusedOperation as error:
            return self.problem(request, 409, str(error))
        except ValueError as error:
            return self.problem(request, 400, str(error))
        except (DatabaseError, TimeoutError) as error:
            LOG.warning("store_down", error=type(error).__name__)
            return self.problem(request, 503, "driftd's own database does not answer; try again later.")


def parse_offset(request: Request) -> int:
    """Parse `?offset=`; raise ValueError if it is not a whole number."""
    text = request.query_params.get("offset", "0")
    if not (text.isascii() and text.isdigit() and len(text) <= 9):  # noqa: PLR2004
        raise ValueError("`offset` must be a whole number, 0 or more.")
    return int(text)


def parse_limit(request: Request) -> int:
    """Parse `?limit=`; raise ValueError if it is not a number from 1 to 500."""
    text = request.query_params.get("limit", "100")
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= MOST):  # noqa: PLR2004
        raise ValueError(f"`limit` must be a whole number from 1 to {MOST}.")
    return int(text)


def parse_range(request: Request) -> tuple[datetime, datetime] | None:
    """Parse `?from=&to=`, the time range of the charts; None if the address has none, ValueError if it is invalid."""
    texts = [request.query_params.get(name) for name in ("from", "to")]
    if texts == [None, None]:
        return None
    start, end = (parse_moment(text) for text in texts)
    if start is None or end is None or not start < end:
        raise ValueError(
            "`from` and `to` must be ISO 8601 times such as 2026-11-01T08:00:00Z; `from` is the earlier one."
        )
    return start, end
