"""The login form: it sets the session cookie in exchange for the token, or sends people to a provider."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import structlog
from jinja2 import Environment
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from monitor.config.models import ServerConfig
from monitor.core.clock import Clock
from monitor.core.operation import RoleError
from monitor.store.database import Database, DatabaseError
from monitor.web.access import COOKIE, GUESS_SECONDS, Access, client_address
from monitor.web.csrf import check_csrf
from monitor.web.directory import Directory
from monitor.web.oidc import Provider
from monitor.web.oidc_login import OidcLogin
from monitor.web.security import Guard
from monitor.web.session_cookie import is_tls, local_path, set_session_cookie

LOG = structlog.get_logger(__name__)
LONGEST_FORM = 8192


class Login:
    """Shows and processes the login form.

    Parameters
    ----------
    server
        Contains the token.
    database, clock
        Contain the other tokens and the sessions, and determine when they end.
    environment
        Contains the template.

    Raises
    ------
    ConfigError
        When the server is reachable from other machines and no token is set, or an extra is not installed.
    """

    def __init__(self, server: ServerConfig, database: Database, clock: Clock, environment: Environment) -> None:
        token = server.token.get_secret_value() if server.token else None
        directory = Directory(database, clock, token, server.auth.oidc)
        self._access = Access(server, directory)
        self.middleware = Middleware(Guard, access=self._access)
        self._template = environment.get_template("login.html")
        self._provider_name = urlsplit(server.auth.oidc.issuer).hostname if server.auth.oidc else None
        self._oidc = None
        if server.auth.oidc and server.external_url:
            provider = Provider(server.auth.oidc, server.external_url, clock)
            self._oidc = OidcLogin(server.auth.oidc, provider, directory, environment, self._page)

    def list_routes(self) -> list[Route]:
        """Return the routes of signing in and out."""
        routes = [
            Route("/login", self.form, methods=["GET"]),
            Route("/login", self.enter, methods=["POST"]),
            Route("/logout", self.leave, methods=["POST"]),
        ]
        return routes + (self._oidc.list_routes() if self._oidc else [])

    async def form(self, request: Request) -> Response:
        """Show the form, or redirect if no token is required."""
        target = local_path(request.query_params.get("next", "/"))
        if not self._access.needed:
            return RedirectResponse(target, 303)
        return self._page(target, None, 200)

    async def enter(self, request: Request) -> Response:
        """Process the form: with the right token set the cookie and redirect."""
        fields = parse_qs(await _body(request), keep_blank_values=True)
        target = local_path(fields.get("next", ["/"])[0])
        client = client_address(request)
        token = fields.get("token", [""])[0].strip()
        try:
            identity = await self._access.accept(token, client)
            if identity is not None and identity.role is not None:
                return self._let_in(request, target, await self._access.directory.sign_in(token))
        except (DatabaseError, TimeoutError):
            return self._page(target, "driftd's own database does not answer; try again later.", 503)
        if identity is not None:
            return self._page(target, "This token is for a machine; it has no role.", 403)
        if self._access.brakes(client):
            return self._page(target, "Too many wrong tokens. Try again in a minute.", 429)
        LOG.warning("login_refused", client=client)
        return self._page(target, "The token is wrong.", 401)

    async def leave(self, request: Request) -> Response:
        """End the session, and show the form."""
        try:
            check_csrf(request, parse_qs(await _body(request)).get("csrf", [""])[0])
            await self._access.directory.sign_out(request.cookies.get(COOKIE, ""))
        except RoleError as error:
            return PlainTextResponse(f"{error}\n", 403)
        except (DatabaseError, TimeoutError):
            return PlainTextResponse("driftd's own database does not answer; try again later.\n", 503)
        response = RedirectResponse("/login", 303)
        response.delete_cookie(COOKIE)
        return response

    def _let_in(self, request: Request, target: str, cookie: str) -> Response:
        response = RedirectResponse(target, 303)
        set_session_cookie(response, cookie, is_tls(request))
        return response

    def _page(self, target: str, complaint: str | None, status: int) -> Response:
        headers = {"retry-after": str(int(GUESS_SECONDS))} if status == 429 else None  # noqa: PLR2004
        page = self._template.render(target=target, complaint=complaint, provider=self._provider_name)
        return HTMLResponse(page, status, headers)


async def _body(request: Request) -> str:
    """Read a small form; a longer body is cut, since no token is that long."""
    taken = b""
    async for chunk in request.stream():
        taken += chunk
        if len(taken) > LONGEST_FORM:
            break
    return taken[:LONGEST_FORM].decode("utf-8", "replace")
