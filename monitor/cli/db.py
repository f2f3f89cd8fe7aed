"""`driftd db`: manage our own database."""

from __future__ import annotations

from monitor.cli.connections import open_store
from monitor.cli.options import DEFAULT_CONFIG, ConfigOption, command_group
from monitor.cli.output import echo
from monitor.store import migrate

db = command_group()


@db.command("upgrade")
def upgrade(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Migrate driftd's own database to the schema of this version.

    Example: driftd db upgrade
    """
    with open_store(config, upgrade=True) as database, database.read() as connection:
        echo(f"the store is at revision {migrate.current(connection)}")
