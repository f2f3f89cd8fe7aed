"""`driftd labels import`: store labels that are not in the source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detectors.binning import LONGEST_CATEGORY, category
from monitor.cli.connections import open_store
from monitor.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigOption,
    MonitorName,
    Quiet,
    command_group,
    expand_options,
    time_option,
)
from monitor.cli.output import echo, print_json
from monitor.config.models import ConfigError, Monitor
from monitor.config.sections import nearest, parse_time
from monitor.core.schedule import floor
from monitor.sources import files
from monitor.sources.protection import Protection
from monitor.store import buckets
from monitor.store import labels as store
from monitor.store.database import Database

if TYPE_CHECKING:
    import pandas as pd


labels = command_group()


@dataclass(frozen=True, kw_only=True)
class LabelColumns:
    """The columns of a file of labels."""

    record: Annotated[str, typer.Option("--id", help="Column with the id of the record.")] = "id"
    label: Annotated[str, typer.Option(help="Column with the label.")] = "label"
    time: Annotated[str, typer.Option(help="Column with the time of the record, if there is one.")] = "timestamp"


@dataclass(frozen=True, kw_only=True)
class Period:
    """Range of the buckets that are computed again if the file has no times."""

    start: Annotated[
        datetime | None,
        time_option("--from", text="Without a time column: compute buckets again from this time."),
    ] = None
    end: Annotated[
        datetime | None,
        time_option("--to", text="Without a time column: compute buckets again up to this time."),
    ] = None


@labels.command("import")
@expand_options
def import_labels(
    file: Annotated[Path, typer.Argument(help="CSV, TSV, JSONL or Parquet file with an id and a label in each row.")],
    *,
    monitor: MonitorName = None,
    columns: LabelColumns,
    period: Period,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Import labels by record id, and compute the buckets of these records again.

    An imported label replaces the one in the source, and a later import replaces an earlier one. If the file has no
    time column, all finished buckets are computed again, or those between --from and --to.

    Example: driftd labels import reviewed.csv --label hallucinated --monitor support-bot
    """
    watched = config.monitor(monitor)
    if "id" not in watched.source.columns and watched.source.preset is None:
        raise ConfigError(f"monitor {watched.name}: labels are joined by id; map the role `id` under `columns:` first.")
    stored = without = 0
    protection = Protection.of(watched)
    starts: set[datetime] = set()
    with open_store(config, upgrade=True) as database:
        pages = _pages(file, columns)
        with typer.progressbar(pages, label="pages of 50,000 labels", hidden=quiet or as_json) as shown_pages:
            for page_labels, times, left_out in shown_pages:
                stored_labels = {protection.replace("id", record): value for record, value in page_labels.items()}
                with database.write() as connection:
                    store.put(connection, watched.name, stored_labels)
                stored, without = stored + len(page_labels), without + left_out
                starts |= {floor(at, watched.bucket) for at in times}
        again = _mark(database, watched, starts, period)
    result = {"monitor": watched.name, "labels": stored, "without_a_label": without, "buckets_to_compute_again": again}
    if as_json:
        print_json(result)
    else:
        echo(f"{stored} labels stored, {without} rows had none; {again} buckets will be computed again")


def _pages(path: Path, columns: LabelColumns) -> Iterator[tuple[dict[str, str], list[datetime], int]]:
    """Yield labels by id, the times of their records if the file has them, and the number of rows without a label."""
    for frame in files.frames(path, as_text=True):
        record, label = columns.record, columns.label
        for wanted in (record, label):
            if wanted not in frame.columns:
                names = [str(one) for one in frame.columns]
                raise ConfigError(
                    f"{path}: there is no column {wanted!r}. Columns: {', '.join(names)}.{nearest(wanted, names)} Name "
                    "the columns with --id and --label."
                )
        labelled = frame[frame[record].notna() & frame[label].notna()]
        labels = {
            category(one)[:LONGEST_CATEGORY]: category(value)[:LONGEST_CATEGORY]
            for one, value in zip(labelled[record], labelled[label], strict=True)
        }
        yield labels, _times(labelled, columns.time, path), len(frame) - len(labelled)


def _times(frame: pd.DataFrame, name: str, path: Path) -> list[datetime]:
    if name not in frame.columns:
        return []
    try:
        moments = (one if isinstance(one, datetime) else parse_time(str(one)) for one in frame[name].dropna())
        return [one.replace(tzinfo=UTC) if one.tzinfo is None else one for one in moments]
    except ValueError as error:
        raise ConfigError(f"{path}: a value of the column {name!r} is not an ISO 8601 time: {error}") from None


def _mark(database: Database, monitor: Monitor, starts: set[datetime], period: Period) -> int:
    """Mark buckets as due again: those of the records, or those of ``period`` if the file has no times."""
    with database.write() as connection:
        if not starts:
            starts = buckets.finished_starts(
                connection, monitor.name, period.start or datetime.fromtimestamp(0, UTC), period.end
            )
        return buckets.mark_stale(connection, monitor.name, sorted(starts))
