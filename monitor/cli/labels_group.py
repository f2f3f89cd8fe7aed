"""The command `driftd labels`: import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.load import load
from monitor.cli.options import DEFAULT, AsJson, ConfigFile, MonitorName, Quiet, moment

labels = typer.Typer(no_args_is_help=True, help="Import labels that are not in the source.")


@labels.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="CSV, TSV, JSONL or Parquet file with an id and a label in each row.")],
    monitor: MonitorName = None,
    record: Annotated[str, typer.Option("--id", help="Column with the id of the record.")] = "id",
    label: Annotated[str, typer.Option("--label", help="Column with the label.")] = "label",
    time: Annotated[
        str, typer.Option("--time", help="Column with the time of the record, if there is one.")
    ] = "timestamp",
    start: Annotated[
        str | None, typer.Option("--from", help="Without a time column: compute buckets again from this time.")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", help="Without a time column: compute buckets again up to this time.")
    ] = None,
    config: ConfigFile = DEFAULT,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Import labels by record id, and compute the buckets of these records again.

    An imported label replaces the one in the source, and a later import replaces an earlier one. If the file has no
    time column, all finished buckets are computed again, or those between --from and --to.

    Example: driftd labels import reviewed.csv --label hallucinated --monitor support-bot
    """
    from monitor.cli import labels as command

    span = (moment(start) if start else None, moment(end) if end else None)
    command.import_file(load(config), file, monitor, (record, label, time), span, as_json=as_json, quiet=quiet)
