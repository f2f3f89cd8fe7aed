"""`driftd import`: append a file of records to a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.options import Quiet
from monitor.cli.output import echo
from monitor.sources import files


def import_file(
    file: Annotated[Path, typer.Argument(help="A .csv, .tsv, .jsonl or .parquet file.")],
    url: Annotated[str, typer.Option("--to", help="The database to append to.")],
    table: Annotated[str, typer.Option(help="The table; created if it does not exist.")] = "records",
    quiet: Quiet = False,
) -> None:
    """Append a file of records to a database table, so that a monitor can read it.

    Example: driftd import log.parquet --to sqlite:///log.db --table records
    """
    rows = 0
    with typer.progressbar(files.append(file, url, table), label="pages of 50,000 rows", hidden=quiet) as pages:
        for added in pages:
            rows += added
    echo(f"{rows} rows added to {table!r}", err=True)
