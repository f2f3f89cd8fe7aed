"""Who sends a request: the person or the machine that its token, session or proxy names."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from monitor.core.operation import Author, Channel, Role

IDENTITY = "identity"
"""Key in the state of a request."""


@dataclass(frozen=True)
class Identity:
    """Who sends a request, and what they may do.

    Parameters
    ----------
    role
        Of a person; None of a machine, which may do only what its scopes permit.
    csrf
        What each form of a session must contain; empty where there is no session.
    is_verified
        Whether somebody is known at all; without users and tokens everyone is an admin without a name.
    """

    name: str
    role: Role | None
    scopes: frozenset[str] = frozenset()
    csrf: str = ""
    is_verified: bool = True


ANYONE = Identity("", "admin", is_verified=False)
"""Everyone, where the server has neither users nor tokens."""
SERVER = Identity("server", "admin")
"""Whoever has the token of the configuration."""


def find_identity(request: HTTPConnection) -> Identity:
    """Return who sends a request."""
    identity: Identity = request.scope.get("state", {}).get(IDENTITY, ANYONE)
    return identity


def find_author(request: HTTPConnection, given: str = "", channel: Channel = "api") -> Author:
    """Return the author of an operation.

    Parameters
    ----------
    given
        The name that the request states; it counts only where everyone is an admin without a name.
    """
    identity = find_identity(request)
    return Author(
        identity.name if identity.is_verified else given, channel, identity.role or "viewer", identity.is_verified
    )
