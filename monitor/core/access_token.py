"""Named tokens of people and machines: random, stored only as a hash."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from monitor.core.operation import OperationError, Role

Scope = Literal["events", "metrics", "guard", "breakers"]
SCOPES: tuple[Scope, ...] = ("events", "metrics", "guard", "breakers")
"""What a machine may do without a role: report deployments, read metrics, check texts, ask breakers."""
PREFIX = "driftd_"
FORM = re.compile(PREFIX + r"[A-Za-z0-9_-]{43}")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
SERVER_NAME = "server"
"""Name of the token in the configuration, which is an admin."""


@dataclass(frozen=True)
class AccessToken:
    """A token without its secret.

    Parameters
    ----------
    role
        What a person may do; None for a machine, which may do only what its scopes permit.
    last_used_at
        Recorded at most once an hour.
    """

    name: str
    role: Role | None
    scopes: Sequence[str]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def is_live(self, at: datetime) -> bool:
        """Return whether it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or at < self.expires_at)


@dataclass(frozen=True)
class Session:
    """A browser that is signed in, by a token or by an OpenID Connect provider.

    Parameters
    ----------
    token_hash
        Of the token that began it; None if a provider did.
    user_name, user_groups
        As the provider named them; their role follows from the configuration of the moment.
    """

    token_hash: str | None = None
    user_name: str | None = None
    user_groups: Sequence[str] | None = None


def new_secret() -> str:
    """Return the secret of a new token: 256 random bits, so that a plain hash of it cannot be reversed."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """Return the hash under which a secret is stored."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def check_token(name: str, role: Role | None, scopes: Sequence[str]) -> None:
    """Raise OperationError unless a token can have a name, a role and scopes."""
    if not NAME.fullmatch(name):
        raise OperationError(
            f"{name[:80]!r} is no name of a token: up to 64 letters, digits and the characters _ . @ -"
        )
    if name == SERVER_NAME:
        raise OperationError(f"{name!r} is the name of the token in the configuration; choose another one")
    if role is None and not scopes:
        raise OperationError("a token needs a role or a scope")
