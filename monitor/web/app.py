"""The routes: what is served under which path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from monitor.config.models import Config
from monitor.core.clock import Clock
from monitor.store.database import Database, DatabaseError
from monitor.web.access import Access
from monitor.web.api import Api
from monitor.web.bounded_reads import Patience
from monitor.web.breakers import Board
from monitor.web.experiments import Experiments
from monitor.web.guardrails_api import Guarding
from monitor.web.health import Health
from monitor.web.login import Login
from monitor.web.pages import Pages
from monitor.web.security import Guard

LOG = structlog.get_logger(__name__)
READ_SECONDS = 8.0
READS_AT_ONCE = 4
STYLE = Path(__file__).parent / "static" / "style.css"

Endpoint = Callable[[Request], Awaitable[Response]]


def create_app(
    database: Database,
    config: Config,
    clock: Clock,
    board: Board | None = None,
    standstill: Callable[[], str | None] = lambda: None,
) -> Starlette:
    """Return the ASGI application over committed state; it never writes.

    Parameters
    ----------
    database
        Our own database.
    config
        Which monitors there are, and who may look.
    clock
        Says how long ago things happened.
    board
        The breakers in memory; whoever gives it starts and stops its thread.
    standstill
        Says why the daemon of this process is not ready, if it is not.

    Raises
    ------
    ConfigError
        When other machines could reach it and no token is set.
    """
    access = Access(config.server, clock)
    pages, api, health = Pages(database, config, clock), Api(database, config), Health(database, config, standstill)
    board = board or Board(database, config, clock)
    login = Login(access, pages.environment)
    patience = Patience(READS_AT_ONCE)

    def reads(work: Callable[[Request], Response]) -> Endpoint:
        return partial(_read, patience, pages, work)

    style = STYLE.read_bytes()

    async def stylesheet(_request: Request) -> Response:
        return Response(style, media_type="text/css")

    async def not_found(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        return _problem(pages, request, status, "There is nothing here.")

    routes = [
        # First, for routes are tried in turn, and this one is asked before every request of an application.
        Route("/api/v1/breakers/{name}", board.one, methods=["GET", "POST"]),
        Route("/api/v1/breakers", board.all),
        Route("/healthz", health.alive),
        Route("/readyz", health.ready),
        Route("/metrics", health.metrics),
        Route("/login", login.form, methods=["GET"]),
        Route("/login", login.enter, methods=["POST"]),
        Route("/static/style.css", stylesheet),
        *_plain_data(api, reads),
        Route("/api/v1/guard", Guarding(config).check, methods=["POST"]),
        Route("/", reads(pages.home)),
        Route("/monitors/{name}", reads(pages.monitor)),
        *Experiments(database, config, pages).routes(reads),
        Route("/incidents/{id}", reads(pages.incident)),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard, access=access)],
        exception_handlers={HTTPException: not_found},
    )


def _plain_data(api: Api, reads: Callable[[Callable[[Request], Response]], Endpoint]) -> list[Route]:
    return [
        Route("/api/v1/status", reads(api.status)),
        Route("/api/v1/incidents", reads(api.incidents)),
        Route("/api/v1/actions", reads(api.actions)),
        Route("/api/v1/spend", reads(api.spend)),
        Route("/api/v1/savings", reads(api.savings)),
        Route("/api/v1/prompts", reads(api.prompts)),
        Route("/api/v1/prompts/{which:path}", reads(api.prompt)),
    ]


async def _read(patience: Patience, pages: Pages, work: Callable[[Request], Response], request: Request) -> Response:
    """Do blocking work in a thread, and say it when our database does not answer."""
    try:
        return await patience.run(partial(work, request), READ_SECONDS)
    except LookupError as error:
        return _problem(pages, request, 404, str(error.args[0]))
    except ValueError as error:
        return _problem(pages, request, 400, str(error))
    except (DatabaseError, TimeoutError) as error:
        LOG.warning("store_down", error=type(error).__name__)
        return _problem(
            pages, request, 503, "driftd's own database does not answer. Nothing can be shown until it does."
        )


def _problem(pages: Pages, request: Request, status: int, sentence: str) -> Response:
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": sentence}, status)
    return pages.problem(status, sentence)
