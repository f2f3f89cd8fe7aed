"""The addresses of the web pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from monitor.config.models import Config
from monitor.core.clock import Clock
from monitor.store.database import Database
from monitor.web.experiments import Experiments
from monitor.web.home_page import HomePage
from monitor.web.incident_list import IncidentList
from monitor.web.incident_page import IncidentPage
from monitor.web.monitor_page import MonitorPage
from monitor.web.templating import Renderer


def list_page_routes(
    database: Database,
    config: Config,
    clock: Clock,
    renderer: Renderer,
    reads: Callable[[Callable[[Request], Response]], Any],
) -> list[Route]:
    """Return the routes of the pages; each endpoint is wrapped by ``reads``."""
    incidents = IncidentPage(database, config, clock, renderer)
    return [
        Route("/", reads(HomePage(database, config, clock, renderer).show)),
        Route("/monitors/{name}", reads(MonitorPage(database, config, clock, renderer).show)),
        *Experiments(database, config, renderer).routes(reads),
        Route("/incidents", reads(IncidentList(database, config, clock, renderer).show)),
        Route("/incidents/{id}/examples", reads(incidents.show_examples)),
        Route("/incidents/{id}", reads(incidents.show)),
    ]
