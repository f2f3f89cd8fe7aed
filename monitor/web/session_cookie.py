"""The cookie of a session, and where a browser goes after signing in."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response

from monitor.web.access import COOKIE, parse_origin
from monitor.web.directory import SESSION

LOCAL_PATH = re.compile(r"/(?:[A-Za-z0-9_.~%-][A-Za-z0-9_.~%/-]*)?")


def set_session_cookie(response: Response, cookie: str, secure: bool) -> None:
    """Let the browser keep the cookie of its session; a ``secure`` one is sent by TLS only."""
    response.set_cookie(COOKIE, cookie, int(SESSION.total_seconds()), httponly=True, secure=secure, samesite="strict")


def is_tls(request: Request) -> bool:
    """Return whether the browser uses TLS, to us or to a proxy.

    The headers are not verified: a client that forges them without TLS only loses its own session.
    """
    return "https" in (request.url.scheme, request.headers.get("x-forwarded-proto"), parse_origin(request)[0])


def local_path(text: str) -> str:
    """Return ``text`` if it is a local path, else the path of the home page.

    Examples
    --------
    >>> local_path("/monitors/bot"), local_path("//elsewhere.example"), local_path("https://elsewhere.example")
    ('/monitors/bot', '/', '/')
    """
    return text if LOCAL_PATH.fullmatch(text) else "/"
