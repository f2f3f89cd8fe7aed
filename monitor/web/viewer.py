"""Who looks at a page, and what its forms therefore offer."""

from __future__ import annotations

from starlette.requests import Request

from monitor.core.operation import LONGEST_NAME, has_role
from monitor.web.identity import find_identity

NAME_COOKIE = "driftd_name"
"""Keeps the name that somebody stated where nobody signs in, in hexadecimal digits."""


def describe_viewer(request: Request) -> dict[str, object]:
    """Return whether the viewer may act, and whether forms ask for a name, with the one that was stated last."""
    identity = find_identity(request)
    return {
        "identity": identity,
        "can_respond": identity.role is not None and has_role(identity.role, "responder"),
        "asks_name": not identity.is_verified,
        "csrf_token": identity.csrf,
        "known_name": read_name(request.cookies.get(NAME_COOKIE, "")),
    }


def read_name(cookie: str) -> str:
    """Return the name in a cookie; empty if there is none."""
    try:
        return bytes.fromhex(cookie).decode("utf-8")[:LONGEST_NAME]
    except ValueError:
        return ""
