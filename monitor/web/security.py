"""The outermost layer: security headers, Host and token checks, and error responses without tracebacks."""

from __future__ import annotations

from collections.abc import Iterable

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monitor.store.database import DatabaseError
from monitor.web.access import GUESS_SECONDS, SLACK_PATH, Access, client_address
from monitor.web.assets import LONG

LOG = structlog.get_logger(__name__)

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
RAW = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
KEPT = (b"cache-control", LONG.encode())
NAMES = frozenset(name for name, _ in RAW)
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class Guard:
    """ASGI middleware that protects all routes.

    Parameters
    ----------
    app
        The application to protect.
    access
        Checks Host, origin and token.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        self._access.read_forwarded(scope)
        began = False

        async def send_with_headers(message: Message) -> None:
            nonlocal began
            if message["type"] == "http.response.start":
                began = True
                message["headers"] = secure_headers(message.get("headers", ()))
            await send(message)

        try:
            refusal = await self._refuse(Request(scope))
            await (refusal or self._app)(scope, receive, send_with_headers)
        except ClientDisconnect:
            return
        except Exception as error:
            LOG.exception("web_failed", path=scope["path"], error=type(error).__name__)
            if began:
                raise
            sentence = "An internal error occurred; see the log of the daemon.\n"
            await PlainTextResponse(sentence, 500)(scope, receive, send_with_headers)

    async def _refuse(self, request: Request) -> Response | None:
        """Return the response to a request that is rejected, or None."""
        if request.scope["path"] == "/healthz":
            return None
        if not self._access.host_allowed(request):
            return PlainTextResponse("This host name is not allowed.\n", 400)
        if request.method not in SAFE_METHODS and not (is_program(request) or self._access.same_origin(request)):
            return PlainTextResponse("This form was not sent by driftd's own page.\n", 403)
        try:
            if await self._access.is_accepted(request):
                return None
        except (DatabaseError, TimeoutError):
            sentence = "driftd's own database does not answer; try again later."
            return JSONResponse({"error": sentence}, 503)
        if "authorization" in request.headers and self._access.brakes(client_address(request)):
            sentence = "Too many wrong tokens. Try again in a minute."
            return JSONResponse({"error": sentence}, 429, {"retry-after": f"{GUESS_SECONDS:.0f}"})
        if wants_page(request):
            return RedirectResponse(f"/login?next={request.url.path}", 303)
        sentence = "A token is required: send `Authorization: Bearer ...`."
        return JSONResponse({"error": sentence}, 401, {"www-authenticate": 'Bearer realm="driftd"'})


def secure_headers(given: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers of a response with the security headers; only a versioned file may be kept by browsers."""
    own = [pair for pair in given if pair[0] not in NAMES or pair == KEPT]
    return own + [pair for pair in RAW if pair[0] != KEPT[0] or KEPT not in own]


def is_program(request: Request) -> bool:
    """Return whether the request is not from a browser, which always sends the origin, or is signed by Slack."""
    if request.scope["path"] == SLACK_PATH:
        return True
    is_json = request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
    return request.scope["path"].startswith("/api/") and is_json and "origin" not in request.headers


def wants_page(request: Request) -> bool:
    """Return whether the request prefers HTML."""
    return request.method == "GET" and "text/html" in request.headers.get("accept", "")
