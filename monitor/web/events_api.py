"""The API of deploy events: report and list them."""

from __future__ import annotations

import json
from collections.abc import Collection

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from monitor.core.clock import Clock
from monitor.core.deploy_event import parse_event
from monitor.core.plain import plain
from monitor.store.database import Database
from monitor.store.deploy_events import add_event, load_events
from monitor.web.endpoints import Endpoints, parse_limit

ADDRESS = "/api/v1/events"


class EventsApi:
    """The endpoints at /api/v1/events.

    Parameters
    ----------
    monitors
        Names of the configured monitors.
    """

    def __init__(self, database: Database, monitors: Collection[str], clock: Clock) -> None:
        self._database = database
        self._monitors = monitors
        self._clock = clock

    def routes(self, endpoints: Endpoints) -> list[Route]:
        """Return the routes."""
        return [
            Route(ADDRESS, endpoints.reading(self.list_events), methods=["GET"]),
            Route(ADDRESS, endpoints.writing(self.add), methods=["POST"]),
        ]

    def list_events(self, request: Request) -> Response:
        """Return events, newest first; filters: `?monitor=`, `?limit=`."""
        named = request.query_params.get("monitor")
        with self._database.read() as connection:
            rows = load_events(connection, self._monitors if named is None else [named], parse_limit(request))
        return JSONResponse(plain({"events": rows}))

    def add(self, _request: Request, body: bytes) -> Response:
        """Store an event: 201 with the event, or 200 with the stored one if its id is known."""
        try:
            given = json.loads(body)
        except (ValueError, RecursionError):
            raise ValueError("The body must be JSON.") from None
        if not isinstance(given, dict):
            raise ValueError('The body must be an object, such as {"monitor": "bot", "version": "v2"}.')
        event = parse_event(given, self._clock.now())
        if event.monitor not in self._monitors:
            raise LookupError(f"There is no monitor {event.monitor!r}.")
        with self._database.write() as connection:
            stored, is_new = add_event(connection, event)
        return JSONResponse(plain(stored), 201 if is_new else 200)
