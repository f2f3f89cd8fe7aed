"""Perform an operation as the user of the command line, who has the rights of an admin: the store is theirs.

With a token, the operation has the name and the role of the token.
"""

from __future__ import annotations

from monitor.cli.connections import open_store
from monitor.cli.options import Person, current_user
from monitor.config.models import Config, ConfigError
from monitor.core.access_token import hash_secret
from monitor.core.operation import AuditEntry, Author, Operation, OperationError
from monitor.store.database import Database, now
from monitor.store.operations import perform
from monitor.store.tokens import find_token


def perform_as_user(config: Config, operation: Operation, person: Person, listed_by: str) -> AuditEntry:
    """Perform an operation; return its entry of the audit log.

    Parameters
    ----------
    listed_by
        The command that lists what could be meant.

    Raises
    ------
    ConfigError
        With a sentence, if it is refused.
    """
    with open_store(config) as database:
        try:
            return perform(database, operation, find_author(database, person))
        except LookupError as error:
            raise ConfigError(f"{error.args[0]}; `{listed_by}` lists them.") from None
        except OperationError as error:
            raise ConfigError(f"{error}.") from None


def find_author(database: Database, person: Person) -> Author:
    """Return who does something; raise ConfigError if the token is not valid."""
    if person.token is None:
        return Author(person.by or current_user(), "cli", "admin")
    if person.by is not None:
        raise ConfigError("a token says who does it: leave out --by, or --token and DRIFTD_TOKEN.")
    with database.read() as connection:
        token = find_token(connection, hash_secret(person.token), now(connection))
    if token is None or token.role is None:
        raise ConfigError(
            "the token is unknown, revoked or expired, or has no role; `driftd tokens list` lists tokens."
        )
    return Author(token.name, "cli", token.role, is_verified=True)
