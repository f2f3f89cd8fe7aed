"""Look up tokens and sessions in our database, with a cache: breakers and metrics are asked many times a second."""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from monitor.config.access import RoleMapping
from monitor.core.access_token import FORM, AccessToken, Session, hash_secret, new_secret
from monitor.core.clock import Clock
from monitor.store import tokens as store
from monitor.store.database import Database, DatabaseError, decision_time
from monitor.web.bounded_reads import BoundedReads
from monitor.web.identity import SERVER, Identity

SESSION = timedelta(hours=12)
FRESH = timedelta(seconds=10)
"""How long an answer of the database counts, and so how soon a revoked token is refused."""
STALE = timedelta(minutes=10)
"""How long it counts while the database does not answer."""
MOST_CACHED = 1000
SECONDS = 5.0
LOOKUPS_AT_ONCE = 4


@dataclass(frozen=True)
class CachedIdentity:
    """Whom a hash belongs to, and when the database was asked."""

    identity: Identity
    asked_at: datetime


class Directory:
    """Finds who has a token or a session.

    Parameters
    ----------
    server_token
        The token of the configuration, which is an admin.
    users
        The roles of the users of an OpenID Connect provider.
    """

    def __init__(
        self, database: Database, clock: Clock, server_token: str | None, users: RoleMapping | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._users = users
        self._server_hash = hash_secret(server_token) if server_token else None
        self._cache: OrderedDict[str, CachedIdentity] = OrderedDict()
        self._reads = BoundedReads(LOOKUPS_AT_ONCE)

    async def find_by_token(self, secret: str) -> Identity | None:
        """Return who has a token; None if there is no such token, or it has ended."""
        secret_hash = hash_secret(secret)
        if self._is_server(secret_hash):
            return SERVER
        if not FORM.fullmatch(secret):
            return None
        return await self._find(secret_hash, self._load_token)

    async def find_by_cookie(self, cookie: str) -> Identity | None:
        """Return who is signed in with a session cookie; None if it has ended, or its token has."""
        if not FORM.fullmatch(cookie):
            return None
        identity = await self._find(hash_secret(cookie), self._load_session)
        return replace(identity, csrf=csrf_token(cookie)) if identity else None

    async def sign_in(self, secret: str) -> str:
        """Begin a session with a valid token; return its cookie."""
        return await self._begin(Session(token_hash=hash_secret(secret)))

    async def sign_in_user(self, user: str, groups: Sequence[str]) -> str:
        """Begin a session of a user whom the provider has authenticated; return its cookie."""
        return await self._begin(Session(user_name=user, user_groups=list(groups)))

    async def sign_out(self, cookie: str) -> None:
        """End a session."""
        session_hash = hash_secret(cookie)
        self._cache.pop(session_hash, None)
        await self._reads.run(partial(self._end_session, session_hash), SECONDS)

    async def _begin(self, session: Session) -> str:
        cookie = new_secret()
        await self._reads.run(partial(self._add_session, hash_secret(cookie), session), SECONDS)
        return cookie

    async def _find(self, key: str, load: Callable[[str], Identity | None]) -> Identity | None:
        now = self._clock.now()
        cached = self._cache.get(key)
        if cached and now - cached.asked_at < FRESH:
            return cached.identity
        try:
            identity = await self._reads.run(partial(load, key), SECONDS)
        except (DatabaseError, TimeoutError):
            if cached and now - cached.asked_at < STALE:
                return cached.identity
            raise
        self._cache.pop(key, None)
        if identity is not None:
            self._cache[key] = CachedIdentity(identity, now)
            while len(self._cache) > MOST_CACHED:
                self._cache.popitem(last=False)
        return identity

    def _load_token(self, secret_hash: str) -> Identity | None:
        with self._database.read() as connection:
            at = decision_time(connection, self._clock)
            token = store.find_token(connection, secret_hash, at)
        if token is None:
            return None
        if store.is_use_due(token, at):
            with self._database.write() as connection:
                store.record_use(connection, token, at)
        return make_identity(token)

    def _load_session(self, session_hash: str) -> Identity | None:
        with self._database.read() as connection:
            at = decision_time(connection, self._clock)
            session = store.find_session(connection, session_hash, at)
        if session is None:
            return None
        if session.token_hash is None:
            return self._find_user(session.user_name or "", session.user_groups or ())
        return SERVER if self._is_server(session.token_hash) else self._load_token(session.token_hash)

    def _find_user(self, user: str, groups: Sequence[str]) -> Identity | None:
        role = self._users.find_role(user, groups) if self._users else None
        return Identity(user, role) if role else None

    def _add_session(self, session_hash: str, session: Session) -> None:
        with self._database.write() as connection:
            at = decision_time(connection, self._clock)
            store.add_session(connection, session_hash, session, at, SESSION)

    def _end_session(self, session_hash: str) -> None:
        with self._database.write() as connection:
            store.end_session(connection, session_hash)

    def _is_server(self, secret_hash: str) -> bool:
        return self._server_hash is not None and hmac.compare_digest(secret_hash, self._server_hash)


def make_identity(token: AccessToken) -> Identity:
    """Return who has a token."""
    return Identity(token.name, token.role, frozenset(token.scopes))


def csrf_token(cookie: str) -> str:
    """Return what each form of a session must contain: derived from the cookie, so another site cannot know it."""
    return hash_secret(f"csrf {cookie}")
