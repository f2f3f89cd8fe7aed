"""`driftd db`: manage our own database."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.cli.connections import open_store
from monitor.cli.options import DEFAULT_CONFIG, AsJson, ConfigOption, command_group
from monitor.cli.output import echo, print_json, print_table
from monitor.store import migrate, sizes

db = command_group()


@db.command("upgrade")
def upgrade(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Migrate driftd's own database to the schema of this version.

    Example: driftd db upgrade
    """
    with open_store(config, upgrade=True) as database, database.read() as connection:
        echo(f"the store is at revision {migrate.current(connection)}")


@db.command("size")
def size(config: ConfigOption = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Print the bytes of driftd's own database by kind of rows and monitor, with indexes, and an estimate for a year.

    The estimate for a year continues the rate of the stored time range. Reads the whole file of a SQLite store.

    Example: driftd db size
    """
    with open_store(config) as database, database.read() as connection:
        measured, free = sizes.measure(connection), sizes.free_bytes(connection)
    rows = [_describe(one) for one in measured]
    years = _sum_years(measured)
    if as_json:
        total = sum(one.bytes for one in measured)
        print_json({"bytes": total, "free_bytes": free, "bytes_after_a_year": years, "kinds": rows})
        return
    heads = ("monitor", "kind", "rows", "bytes", "bytes_after_a_year", "oldest")
    print_table(heads, [[row[head] for head in heads] for row in rows], "the store has no rows")
    for name, needed in years.items():
        echo(f"{name}: {needed / 1e6:.1f} MB after a year at this rate")
    if free:
        echo(f"{free / 1e6:.1f} MB of the file are free and will be used again")


def _describe(one: sizes.KindSize) -> dict[str, object]:
    return {
        "monitor": one.monitor,
        "kind": one.kind,
        "rows": one.rows,
        "bytes": one.bytes,
        "bytes_after_a_year": one.estimate_year(),
        "oldest": one.oldest,
        "newest": one.newest,
    }


def _sum_years(measured: Sequence[sizes.KindSize]) -> dict[str, int]:
    """Return the bytes of each monitor after a year."""
    needed: dict[str, int] = {}
    for one in measured:
        if one.monitor is not None:
            needed[one.monitor] = needed.get(one.monitor, 0) + one.estimate_year()
    return dict(sorted(needed.items()))
