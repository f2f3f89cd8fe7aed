"""Migrate our database to the schema of this version of driftd."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from monitor.store.database import Database, StoreError

_LOCK = 0x64726966  # any number, the same in every replica


def upgrade(database: Database) -> str:
    """Apply missing migrations and return the revision; several replicas may call it at once."""
    try:
        with database.write() as connection:
            if database.dialect == "postgresql":
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            settings = _settings()
            settings.attributes["connection"] = connection
            command.upgrade(settings, "head")
            return current(connection) or ""
    except CommandError as error:
        raise _newer(str(error)) from error
    except DBAPIError as error:
        raise _cannot_open(database, error) from error


def require_head(database: Database) -> None:
    """Raise StoreError unless the schema is that of this version."""
    try:
        with database.read() as connection:
            version = current(connection)
    except DBAPIError as error:
        raise _cannot_open(database, error) from error
    scripts = ScriptDirectory.from_config(_settings())
    wanted = scripts.get_current_head()
    if version is None:
        raise StoreError("the store is empty; run `driftd db upgrade`.")
    if version not in {script.revision for script in scripts.walk_revisions()}:
        raise _newer(f"revision {version} is unknown to this version")
    if version != wanted:
        raise StoreError(f"the store is at revision {version}, this driftd needs {wanted}; run `driftd db upgrade`.")


def _newer(detail: str) -> StoreError:
    return StoreError(
        f"the store was written by a newer driftd ({detail}); upgrade driftd, or set `store:` to another database."
    )


def _cannot_open(database: Database, error: DBAPIError) -> StoreError:
    return StoreError(f"the store {database.url!r} cannot be opened: {str(error.orig).strip()}. Check `store:`.")


def current(connection: Connection) -> str | None:
    """Return the revision of a database, or None if it is empty."""
    return MigrationContext.configure(connection).get_current_revision()


def _settings() -> AlembicConfig:
    settings = AlembicConfig()
    settings.set_main_option("script_location", str(folder()).replace("%", "%%"))
    return settings


def folder() -> Path:
    """Return the folder of the migrations: next to the packages in a checkout, inside the package in a wheel."""
    package = Path(__file__).parent.parent
    checkout = package.parent / "migrations"
    return checkout if (checkout / "env.py").exists() else package / "_migrations"
