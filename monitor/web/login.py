"""The token: the middleware that requires it, the login form, and a cookie that stands for it."""

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
    """Requires the token, shows the form and takes it.

    Parameters
    ----------
    server
        Holds the token.
    clock
        Says when sessions end.
    environment
        Holds the template.

    Raises
    ------
    ConfigError
        When other machines could reach the server and no token is set.
    """

    def __init__(self, server: ServerConfig, clock: Clock, environment: Environment) -> None:
        self._access = Access(server, clock)
        self.middleware = Middleware(Guard, access=self._access)
        self._template = environment.get_template("login.html")

    async def form(self, request: Request) -> Response:
        """Show the form, or go on when no token is needed."""
        target = local_path(request.query_params.get("next", "/"))
        if not self._access.needed:
            return RedirectResponse(target, 303)
        return self._page(target, None, 200)

    async def enter(self, request: Request) -> Response:
        """Take the form: with the right token set the cookie and go on."""
        fields = parse_qs(await _body(request), keep_blank_values=True)
        target = local_path(fields.get("next", ["/"])[0])
        client = client_address(request)
        if self._access.accepts(fields.get("token", [""])[0].strip(), client):
            return self._let_in(request, target)
        if self._access.brakes(client):
            return self._page(target, "Too many wrong tokens. Try again in a minute.", 429)
        LOG.warning("login_refused", client=client)
        return self._page(target, "This is not the token.", 401)

    def _let_in(self, request: Request, target: str) -> Response:
        response = RedirectResponse(target, 303)
        response.set_cookie(
            COOKIE,
            self._access.new_session(),
            max_age=int(SESSION.total_seconds()),
            httponly=True,
            # Believed from anybody: whoever claims it without TLS only loses a session of their own.
            secure="https" in (request.url.scheme, request.headers.get("x-forwarded-proto")),
            samesite="strict",
        )
        return response

    def _page(self, target: str, complaint: str | None, status: int) -> Response:
        headers = {"retry-after": str(int(GUESS_SECONDS))} if status == 429 else None  # noqa: PLR2004
        return HTMLResponse(self._template.render(target=target, complaint=complaint), status, headers)


def local_path(text: str) -> str:
    """Return a path of ours, or the front page for anything else.

    Examples
    --------
    >>> local_path("/monitors/bot"), local_path("//elsewhere.example"), local_path("https://elsewhere.example")
    ('/monitors/bot', '/', '/')
    """
    return text if LOCAL_PATH.fullmatch(text) else "/"


async def _body(request: Request) -> str:
    """Read a small form; what is longer is cut, for no token is that long."""
    taken = b""
    async for chunk in request.stream():
        taken += chunk
        if len(taken) > LONGEST_FORM:
            break
    return taken[:LONGEST_FORM].decode("utf-8", "replace")
