"""Our tables of who may use the server, and of the key of hashed values."""

from __future__ import annotations

from sqlalchemy import Column, Integer, LargeBinary, String, Table

from monitor.store.types import Json, Utc, metadata

tokens = Table(
    "tokens",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("hash", String(64), nullable=False, index=True),  # SHA-256 of the secret
    Column("role", String(16)),  # null: a machine, by its scopes
    Column("scopes", Json, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("created_by", String(128), nullable=False),
    Column("expires_at", Utc),
    Column("revoked_at", Utc),
    Column("last_used_at", Utc),
    comment="named tokens of people and machines",
)

sessions = Table(
    "sessions",
    metadata,
    Column("hash", String(64), primary_key=True),  # SHA-256 of the cookie
    Column("token_hash", String(64)),  # of the token that began it and whose end ends it
    Column("user_name", String(128)),  # of an OpenID Connect provider, where no token began it
    Column("user_groups", Json),  # of that user when the session began
    Column("created_at", Utc, nullable=False),
    Column("expires_at", Utc, nullable=False, index=True),
    comment="browsers that are signed in",
)

hash_keys = Table(
    "hash_keys",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", LargeBinary, nullable=False),
    Column("created_at", Utc, nullable=False),
    comment="the key of the hashes that stand for identifiers and personal data: one row",
)
