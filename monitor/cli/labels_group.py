"""The command `driftd labels`: import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.load import load
from monitor.cli.options import DEFAULT, AsJson, ConfigFile, MonitorName, Quiet, moment

labels = typer.Typer(no_args_is_help=True, help="Labels that people gave outside of the source.")


@labels.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="CSV, TSV, JSONL or Parquet with an id and a label a row.")],
    monitor: MonitorName = None,
    record: Annotated[str, typer.Option("--id", help="The column that holds the record's id.")] = "id",
    label: Annotated[str, typer.Option("--label", help="The column that holds the label.")] = "label",
    time: Annotated[str, typer.Option("--time", help="The column that holds the record's time, if any.")] = "timestamp",
    start: Annotated[str | None, typer.Option("--from", help="Without times: compute again from here.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Without times: compute again up to here.")] = None,
    config: ConfigFile = DEFAULT,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Store labels by the id of their records, and compute the buckets of these records again.

    An imported label wins over the source's own, and a later import over an earlier one. Where the file holds no
    times, every finished bucket is computed again, or those between --from and --to.

    Example: driftd labels import reviewed.csv --label hallucinated --monitor support-bot
    """
    from monitor.cli import labels as command

    span = (moment(start) if start else None, moment(end) if end else None)
    command.import_file(load(config), file, monitor, (record, label, time), span, as_json=as_json, quiet=quiet)
