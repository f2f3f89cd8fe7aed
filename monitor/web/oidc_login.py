"""Signing in with an OpenID Connect provider."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import asdict
from urllib.parse import urlsplit

import structlog
from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from monitor.config.access import OidcConfig
from monitor.store.database import DatabaseError
from monitor.web.access import client_address
from monitor.web.directory import Directory
from monitor.web.oidc import CALLBACK, Attempt, Provider, ProviderError, User
from monitor.web.session_cookie import local_path, set_session_cookie

LOG = structlog.get_logger(__name__)
COOKIE = "driftd_sign_in"
SECONDS = 600
"""How long a person may take at the provider."""
BUSY = "driftd's own database does not answer; try again later."
Complain = Callable[[str, str | None, int], Response]
"""Shows the login form: the path to open afterwards, what is wrong, and the status."""


class OidcLogin:
    """Sends people to the provider, and signs them in when they return.

    Parameters
    ----------
    settings
        The roles of the users.
    complain
        Shows the login form with an error.
    """

    def __init__(
        self,
        settings: OidcConfig,
        provider: Provider,
        directory: Directory,
        environment: Environment,
        complain: Complain,
    ) -> None:
        self._settings = settings
        self._provider = provider
        self._directory = directory
        self._secure = urlsplit(provider.redirect_uri).scheme == "https"
        self._key = hashlib.sha256(f"sign in {settings.client_secret.get_secret_value()}".encode()).digest()
        self._template = environment.get_template("signed_in.html")
        self._complain = complain

    def list_routes(self) -> list[Route]:
        """Return the routes of leaving to the provider and of returning."""
        return [Route("/login/provider", self.begin), Route(CALLBACK, self.finish)]

    async def begin(self, request: Request) -> Response:
        """Redirect to the provider."""
        attempt = Attempt.begin(local_path(request.query_params.get("next", "/")))
        try:
            response = RedirectResponse(await self._provider.make_url(attempt), 303)
        except ProviderError as error:
            return self._refuse(request, attempt.target, error)
        # Lax: the provider's redirect to us is a request from another site.
        response.set_cookie(
            COOKIE, self._seal(attempt), SECONDS, path="/login", httponly=True, secure=self._secure, samesite="lax"
        )
        return response

    async def finish(self, request: Request) -> Response:
        """Sign in whom the provider sends back."""
        attempt = self._open(request.cookies.get(COOKIE, ""))
        if attempt is None or not hmac.compare_digest(attempt.state, request.query_params.get("state", "")):
            return self._complain("/", "This sign-in was not begun here, or took too long. Try again.", 400)
        code = request.query_params.get("code")
        if code is None:
            LOG.warning("login_refused", client=client_address(request), reason="the provider sends no code")
            return self._complain(attempt.target, "The identity provider did not sign you in.", 403)
        try:
            user = await self._provider.authenticate(code, attempt)
        except ProviderError as error:
            return self._refuse(request, attempt.target, error)
        if self._settings.find_role(user.name, user.groups) is None:
            return self._complain(attempt.target, f"{user.name} has no role in driftd; ask its administrator.", 403)
        return await self._let_in(request, attempt, user)

    async def _let_in(self, request: Request, attempt: Attempt, user: User) -> Response:
        try:
            cookie = await self._directory.sign_in_user(user.name, user.groups)
        except (DatabaseError, TimeoutError):
            return self._complain(attempt.target, BUSY, 503)
        # A page and not a redirect: a redirect of a request from another site would be sent without the strict cookie.
        response = HTMLResponse(
            self._template.render(user=user.name, target=attempt.target),
            headers={"refresh": f"0; url={attempt.target}"},
        )
        set_session_cookie(response, cookie, self._secure)
        response.delete_cookie(COOKIE, path="/login")
        return response

    def _refuse(self, request: Request, target: str, error: ProviderError) -> Response:
        LOG.warning("login_refused", client=client_address(request), reason=str(error))
        return self._complain(target, f"Signing in with the identity provider failed: {error}.", 502)

    def _seal(self, attempt: Attempt) -> str:
        content = base64.urlsafe_b64encode(json.dumps(asdict(attempt)).encode())
        return f"{content.decode()}.{hmac.new(self._key, content, 'sha256').hexdigest()}"

    def _open(self, cookie: str) -> Attempt | None:
        content, _, seal = cookie.partition(".")
        if not hmac.compare_digest(hmac.new(self._key, content.encode(), "sha256").hexdigest().encode(), seal.encode()):
            return None
        return Attempt(**json.loads(base64.urlsafe_b64decode(content)))
