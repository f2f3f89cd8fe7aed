"""The routes of the web server."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from monitor.config.models import Config
from monitor.core.clock import Clock
from monitor.store.database import Database
from monitor.web.api import Api
from monitor.web.breakers import Board
from monitor.web.endpoints import Endpoints
from monitor.web.guardrails_api import GuardrailsApi
from monitor.web.health import Health
from monitor.web.login import Login
from monitor.web.page_routes import list_page_routes
from monitor.web.permissions import protect
from monitor.web.templating import Renderer


def create_app(
    database: Database,
    config: Config,
    clock: Clock,
    board: Board | None = None,
    health: Health | None = None,
) -> Starlette:
    """Return the ASGI application; it serves committed state and writes only responses to incidents.

    Parameters
    ----------
    database
        Our own database.
    config
        The monitors and the settings of the server.
    clock
        Current time, for ages on the pages.
    board
        The breakers in memory; the caller starts and stops its thread.
    health
        Answers for the daemon of this process; by default for no daemon.

    Raises
    ------
    ConfigError
        When the server is reachable from other machines and no token is set.
    """
    renderer = Renderer(clock, config, database)
    api = Api(database, config, clock)
    health, board = health or Health(database, config), board or Board(database, config, clock)
    login, endpoints = Login(config.server, database, clock, renderer.environment), Endpoints(renderer)

    async def not_found(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        return endpoints.problem(request, status, "There is no page at this address.")

    routes = [
        # First: routes are tried in order, and applications query this one before every request of their own.
        Route("/api/v1/breakers/{name}", board.one, methods=["GET", "POST"]),
        Route("/api/v1/breakers", board.all),
        Route("/healthz", health.alive),
        Route("/readyz", health.ready),
        *([] if config.metrics else [Route("/metrics", health.metrics)]),
        *login.list_routes(),
        renderer.assets.route(),
        *api.routes(endpoints),
        Route("/api/v1/guard", GuardrailsApi(config).check, methods=["POST"]),
        *list_page_routes(database, config, clock, renderer, endpoints),
    ]
    return Starlette(
        routes=protect(routes),
        middleware=[login.middleware],
        exception_handlers={HTTPException: not_found},
    )
