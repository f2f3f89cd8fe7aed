"""Forms that change something contain a token of their session, so that another site cannot send them."""

from __future__ import annotations

import hmac

from starlette.requests import HTTPConnection

from monitor.core.operation import RoleError
from monitor.web.identity import find_identity

HEADER = "x-csrf-token"
"""Header of requests by a script, instead of the field `csrf` of a form."""


def check_csrf(request: HTTPConnection, field: str = "") -> None:
    """Raise RoleError unless a request of a session has its token; the origin of every form is checked before."""
    expected = find_identity(request).csrf
    given = field or request.headers.get(HEADER, "")
    if expected and not hmac.compare_digest(given.encode(), expected.encode()):
        raise RoleError("this form is not of this session; load the page again")
