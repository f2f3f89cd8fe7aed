"""Named tokens, and the sessions of browsers."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from monitor.core.access_token import AccessToken, Session, check_token
from monitor.core.operation import CreateToken, RefusedOperation
from monitor.store.rows import columns, read_all, read_first
from monitor.store.tables import sessions, tokens

USE_INTERVAL = timedelta(hours=1)
"""The last use of a token is written at most this often."""
_TOKENS = sa.select(*columns(tokens, AccessToken))
_SESSIONS = sa.select(*columns(sessions, Session))


def add_token(connection: Connection, wanted: CreateToken, by: str, at: datetime) -> dict[str, object]:
    """Store a token; return what is stored of it besides its hash.

    Raises
    ------
    OperationError
        If its name is invalid or it permits nothing.
    RefusedOperation
        If there is a token of that name.
    """
    check_token(wanted.token, wanted.role, wanted.scopes)
    if load_token(connection, wanted.token) is not None:
        raise RefusedOperation(f"there is a token {wanted.token!r} already; names are not used again")
    expires_at = at + wanted.length if wanted.length else None
    own = {"role": wanted.role, "scopes": list(wanted.scopes)}
    values = {"name": wanted.token, "hash": wanted.secret_hash, "created_by": by, "created_at": at, **own}
    connection.execute(sa.insert(tokens).values(**values, expires_at=expires_at))
    return {**own, "expires_at": expires_at.isoformat() if expires_at else None}


def revoke_token(connection: Connection, token: AccessToken, at: datetime) -> dict[str, object]:
    """End a token, and with it its sessions; raise RefusedOperation if it is revoked already."""
    if token.revoked_at is not None:
        raise RefusedOperation(f"the token {token.name!r} was revoked at {token.revoked_at:%Y-%m-%d %H:%M} UTC")
    connection.execute(sa.update(tokens).where(tokens.c.name == token.name).values(revoked_at=at))
    return {}


def load_token(connection: Connection, name: str) -> AccessToken | None:
    """Return the token of a name."""
    return read_first(connection, AccessToken, _TOKENS.where(tokens.c.name == name))


def list_tokens(connection: Connection) -> list[AccessToken]:
    """Return all tokens by name."""
    return read_all(connection, AccessToken, _TOKENS.order_by(tokens.c.name))


def find_token(connection: Connection, secret_hash: str, at: datetime) -> AccessToken | None:
    """Return the token with a hash if it is neither revoked nor expired."""
    token = read_first(connection, AccessToken, _TOKENS.where(tokens.c.hash == secret_hash))
    return token if token is not None and token.is_live(at) else None


def is_use_due(token: AccessToken, at: datetime) -> bool:
    """Return whether a use of a token should be recorded."""
    return token.last_used_at is None or at - token.last_used_at >= USE_INTERVAL


def record_use(connection: Connection, token: AccessToken, at: datetime) -> None:
    """Record that a token was used."""
    connection.execute(sa.update(tokens).where(tokens.c.name == token.name).values(last_used_at=at))


def add_session(connection: Connection, session_hash: str, session: Session, at: datetime, length: timedelta) -> None:
    """Store a session, and delete those that have ended."""
    connection.execute(sa.delete(sessions).where(sessions.c.expires_at <= at))
    values = {"hash": session_hash, "created_at": at, "expires_at": at + length}
    connection.execute(sa.insert(sessions).values(**values, **asdict(session)))


def find_session(connection: Connection, session_hash: str, at: datetime) -> Session | None:
    """Return a session that has not ended."""
    query = _SESSIONS.where(sessions.c.hash == session_hash, sessions.c.expires_at > at)
    return read_first(connection, Session, query)


def end_session(connection: Connection, session_hash: str) -> None:
    """End a session."""
    connection.execute(sa.delete(sessions).where(sessions.c.hash == session_hash))
