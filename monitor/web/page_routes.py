"""The addresses of the web pages."""

from __future__ import annotations

from starlette.routing import Route

from monitor.config.models import Config
from monitor.core.clock import Clock
from monitor.store.database import Database
from monitor.web.endpoints import Endpoints
from monitor.web.experiments import Experiments
from monitor.web.forms import Forms
from monitor.web.home_page import HomePage
from monitor.web.incident_list import IncidentList
from monitor.web.incident_page import IncidentPage
from monitor.web.monitor_page import MonitorPage
from monitor.web.operation_pages import OperationPages
from monitor.web.templating import Renderer


def list_page_routes(
    database: Database,
    config: Config,
    clock: Clock,
    renderer: Renderer,
    endpoints: Endpoints,
) -> list[Route]:
    """Return the routes of the pages; the forms of the pages included."""
    reads, operations = endpoints.reading, OperationPages(database, config, clock, renderer)
    incidents = IncidentPage(database, config, clock, renderer)
    return [
        Route("/", reads(HomePage(database, config, clock, renderer).show)),
        Route("/monitors/{name}", reads(MonitorPage(database, config, clock, renderer).show)),
        *Experiments(database, config, renderer).routes(reads),
        *Forms(database, clock, renderer).routes(endpoints),
        Route("/actions", reads(operations.actions)),
        Route("/audit", reads(operations.audit)),
        Route("/silences", reads(operations.silences)),
        Route("/incidents", reads(IncidentList(database, config, clock, renderer).show)),
        Route("/incidents/{id}/examples", reads(incidents.show_examples)),
        Route("/incidents/{id}", reads(incidents.show)),
    ]
