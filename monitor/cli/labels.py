"""`driftd labels import`: what people said of records, kept beside the source."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from detectors.binning import LONGEST_CATEGORY, category
from monitor.cli.factory import open_store
from monitor.cli.output import echo, print_json
from monitor.config.models import Config, ConfigError, Monitor
from monitor.config.sections import nearest, parse_time
from monitor.core.schedule import floor
from monitor.sources import files
from monitor.store import buckets, labels
from monitor.store.database import Database

if TYPE_CHECKING:
    import pandas as pd


def import_file(
    config: Config,
    path: Path,
    name: str | None,
    columns: tuple[str, str, str],
    span: tuple[datetime | None, datetime | None],
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    """Store the labels of a file, and ask for the buckets of their records to be computed again."""
    monitor = config.monitor(name)
    if "id" not in monitor.source.columns and monitor.source.preset is None:
        raise ConfigError(f"monitor {monitor.name}: labels are joined by id; map the role `id` under `columns:` first.")
    stored = without = 0
    starts: set[datetime] = set()
    with open_store(config, upgrade=True) as database:
        pages = _pages(path, columns)
        with typer.progressbar(pages, label="pages of 50,000 labels", hidden=quiet or as_json) as shown:
            for given, times, left_out in shown:
                with database.write() as connection:
                    labels.put(connection, monitor.name, given)
                stored, without = stored + len(given), without + left_out
                starts |= {floor(at, monitor.bucket) for at in times}
        again = _mark(database, monitor, starts, span)
    told = {"monitor": monitor.name, "labels": stored, "without_a_label": without, "buckets_to_compute_again": again}
    if as_json:
        print_json(told)
    else:
        echo(f"{stored} labels stored, {without} rows had none; {again} buckets will be computed again")


def _pages(path: Path, columns: tuple[str, str, str]) -> Iterator[tuple[dict[str, str], list[datetime], int]]:
    """Yield labels by id, the times of their records where the file has them, and how many rows had no label."""
    for frame in files.frames(path, as_text=True):
        record, label, time = columns
        for wanted in (record, label):
            if wanted not in frame.columns:
                found = [str(one) for one in frame.columns]
                raise ConfigError(
                    f"{path}: there is no column {wanted!r}. Found: {', '.join(found)}.{nearest(wanted, found)} Name "
                    "the columns with --id and --label."
                )
        kept = frame[frame[record].notna() & frame[label].notna()]
        given = {
            category(one)[:LONGEST_CATEGORY]: category(said)[:LONGEST_CATEGORY]
            for one, said in zip(kept[record], kept[label], strict=True)
        }
        yield given, _times(kept, time, path), len(frame) - len(kept)


def _times(frame: pd.DataFrame, name: str, path: Path) -> list[datetime]:
    if name not in frame.columns:
        return []
    try:
        moments = (one if isinstance(one, datetime) else parse_time(str(one)) for one in frame[name].dropna())
        return [one.replace(tzinfo=UTC) if one.tzinfo is None else one for one in moments]
    except ValueError as error:
        raise ConfigError(f"{path}: a value of the column {name!r} is not an ISO 8601 time: {error}") from None


def _mark(
    database: Database, monitor: Monitor, starts: set[datetime], span: tuple[datetime | None, datetime | None]
) -> int:
    """Ask for buckets to be computed again: those of the records, or where the file has no times, a stretch."""
    with database.write() as connection:
        if not starts:
            starts = buckets.finished_starts(
                connection, monitor.name, span[0] or datetime.fromtimestamp(0, UTC), span[1]
            )
        return buckets.mark_stale(connection, monitor.name, sorted(starts))
