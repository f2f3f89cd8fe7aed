"""The login form: it sets the session cookie in exchange for the token."""

from __future__ import annotations

import re
from urllib.parse import parse_qs

import structlog
from jinja2 import Environment
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from monitor.config.models import ServerConfig
from monitor.core.clock import Clock
from monitor.web.access import COOKIE, GUESS_SECONDS, SESSION, Access, client_address
from monitor.web.security import Guard

LOG = structlog.get_logger(__name__)
LONGEST_FORM = 8192
LOCAL_PATH = re.compile(r"/(?:[A-Za-z0-9_.~%-][A-Za-z0-9_.~%/-]*)?")


class Login:
    """Shows and processes the login form.

    Parameters
    ----------
    server
        Contains the token.
    clock
        Determines when sessions expire.
    environment
        Contains the template.

    Raises
    ------
    ConfigError
        When the server is reachable from other machines and no token is set.
    """

    def __init__(self, server: ServerConfig, clock: Clock, environment: Environment) -> None:
        self._access = Access(server, clock)
        self.middleware = Middleware(Guard, access=self._access)
        self._template = environment.get_template("login.html")

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
        if self._access.accepts(fields.get("token", [""])[0].strip(), client):
            return self._let_in(request, target)
        if self._access.brakes(client):
            return self._page(target, "Too many wrong tokens. Try again in a minute.", 429)
        LOG.warning("login_refused", client=client)
        return self._page(target, "The token is wrong.", 401)

    def _let_in(self, request: Request, target: str) -> Response:
        response = RedirectResponse(target, 303)
        response.set_cookie(
            COOKIE,
            self._access.new_session(),
            max_age=int(SESSION.total_seconds()),
            httponly=True,
            # The header is not verified: a client that forges it without TLS only loses its own session.
            secure="https" in (request.url.scheme, request.headers.get("x-forwarded-proto")),
            samesite="strict",
        )
        return response

    def _page(self, target: str, complaint: str | None, status: int) -> Response:
        headers = {"retry-after": str(int(GUESS_SECONDS))} if status == 429 else None  # noqa: PLR2004
        return HTMLResponse(self._template.render(target=target, complaint=complaint), status, headers)


def local_path(text: str) -> str:
    """Return ``text`` if it is a local path, else the path of the home page.

    Examples
    --------
    >>> local_path("/monitors/bot"), local_path("//elsewhere.example"), local_path("https://elsewhere.example")
    ('/monitors/bot', '/', '/')
    """
    return text if LOCAL_PATH.fullmatch(text) else "/"


async def _body(request: Request) -> str:
    """Read a small form; a longer body is cut, since no token is that long."""
    taken = b""
    async for chunk in request.stream():
        taken += chunk
        if len(taken) > LONGEST_FORM:
            break
    return taken[:LONGEST_FORM].decode("utf-8", "replace")
