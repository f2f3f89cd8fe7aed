"""The key of the pseudonyms: that of the configuration, else a random one in our database."""

from __future__ import annotations

import hashlib
import secrets
from contextlib import closing
from dataclasses import dataclass

import sqlalchemy as sa
import structlog

from monitor.config.models import Config
from monitor.core.pseudonym import HashKey, key_of_process
from monitor.store.database import Connection, Database, DatabaseError, StoreError, now, sqlite_path, upsert
from monitor.store.tables import hash_keys

LOG = structlog.get_logger(__name__)
SIZE = 32
_loaded: dict[str, bytes] = {}
"""Keys that this process has read, by the URL of the store."""


@dataclass(frozen=True)
class ConfiguredKey:
    """The key of the configuration."""

    key: bytes

    def __call__(self) -> bytes:
        """Return the key."""
        return self.key


@dataclass(frozen=True)
class StoredKey:
    """The key of a store, which is read, or made, when it is first needed; a child process can receive it.

    Without a store, such as for `driftd check` before the first run, the key lasts as long as the process.
    """

    store: str

    def __call__(self) -> bytes:
        """Return the key."""
        if self.store not in _loaded:
            path = sqlite_path(self.store)
            if path is not None and not path.exists():
                return key_of_process()
            try:
                with closing(Database(self.store)) as database:
                    _loaded[self.store] = _load_or_create(database)
            except (DatabaseError, StoreError) as error:
                LOG.debug("no_stored_hash_key", error=type(error).__name__)
                return key_of_process()
        return _loaded[self.store]


def find_hash_key(config: Config) -> HashKey:
    """Return the key of a configuration: its `hash_key:`, else that of its store."""
    if config.hash_key is not None:
        return ConfiguredKey(hashlib.sha256(config.hash_key.get_secret_value().encode()).digest())
    return StoredKey(config.store.get_secret_value())


def _load_or_create(database: Database) -> bytes:
    with database.read() as connection:
        stored = _load(connection)
    if stored is not None:
        return stored
    with database.write() as connection:  # of several replicas, the first one's key remains
        row = {"id": 1, "key": secrets.token_bytes(SIZE), "created_at": now(connection)}
        upsert(connection, hash_keys, [row])
        made = _load(connection)
    if made is None:
        raise StoreError("the store has no key for hashes, and none could be made.")
    return made


def _load(connection: Connection) -> bytes | None:
    return connection.execute(sa.select(hash_keys.c.key)).scalar_one_or_none()
