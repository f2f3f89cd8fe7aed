"""The routes of the API that write: responses to incidents, and deploy events."""

from __future__ import annotations

from starlette.routing import Route

from monitor.config.models import Config
from monitor.core.clock import Clock
from monitor.store.database import Database
from monitor.web.endpoints import Endpoints
from monitor.web.events_api import EventsApi
from monitor.web.responses_api import ResponsesApi


def write_routes(database: Database, config: Config, clock: Clock, endpoints: Endpoints) -> list[Route]:
    """Return the routes."""
    events = EventsApi(database, [monitor.name for monitor in config.monitors], clock)
    return [*ResponsesApi(database, clock).routes(endpoints), *events.routes(endpoints)]
