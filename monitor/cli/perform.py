"""Perform an operation as the user of the command line, who has the rights of an admin: the store is theirs."""

from __future__ import annotations

from monitor.cli.connections import open_store
from monitor.cli.options import current_user
from monitor.config.models import Config, ConfigError
from monitor.core.operation import AuditEntry, Author, Operation, OperationError
from monitor.store.operations import perform


def perform_as_user(config: Config, operation: Operation, by: str | None, listed_by: str) -> AuditEntry:
    """Perform an operation; return its entry of the audit log.

    Parameters
    ----------
    by
        Who does it; the current user if it is None.
    listed_by
        The command that lists what could be meant.

    Raises
    ------
    ConfigError
        With a sentence, if it is refused.
    """
    author = Author(by or current_user(), "cli", "admin")
    with open_store(config) as database:
        try:
            return perform(database, operation, author)
        except LookupError as error:
            raise ConfigError(f"{error.args[0]}; `{listed_by}` lists them.") from None
        except OperationError as error:
            raise ConfigError(f"{error}.") from None
