"""The routes of the API that write: operations on incidents, actions and silences, deploy events, hashes."""

from __future__ import annotations

from starlette.routing import Route

from monitor.config.models import Config
from monitor.core.clock import Clock
from monitor.store.database import Database
from monitor.web.actions_api import ActionsApi
from monitor.web.endpoints import Endpoints
from monitor.web.events_api import EventsApi
from monitor.web.responses_api import ResponsesApi
from monitor.web.reveal_api import RevealApi
from monitor.web.silences_api import SilencesApi
from monitor.web.slack_interactions import SlackInteractions


def write_routes(database: Database, config: Config, clock: Clock, endpoints: Endpoints) -> list[Route]:
    """Return the routes."""
    names = [monitor.name for monitor in config.monitors]
    apis = (
        ResponsesApi(database, clock),
        ActionsApi(database, config, clock),
        SilencesApi(database, names, clock),
        EventsApi(database, names, clock),
        RevealApi(database, config, clock),
    )
    slack = SlackInteractions(database, config.receivers, clock)
    return [*slack.routes(), *(route for api in apis for route in api.routes(endpoints))]
