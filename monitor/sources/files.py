"""Read CSV, Parquet and JSONL files with pandas, for baselines and imports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import sqlalchemy as sa

from detectors.records import Column
from monitor.config.source import TEXT_ROLES, Source
from monitor.core.record_batch import RecordBatch
from monitor.sources import column_stats
from monitor.sources.base import ColumnInfo, ColumnType, SourceError

if TYPE_CHECKING:
    import pandas as pd

PAGE = 50_000
SAMPLE = 1000


def open_file(path: Path, source: Source) -> tuple[list[ColumnInfo], Callable[[], Iterator[RecordBatch]]]:
    """Open a file whose columns have the names of the source's columns or their roles.

    Returns
    -------
    columns
        Statistics of each column, from a sample of the first page.
    read
        Yields batches of records; may be called repeatedly. ``timestamp`` is the row number.
    """
    roles = {spec.column: role for role, spec in source.columns.items()}

    def read() -> Iterator[RecordBatch]:
        done = 0
        for frame in frames(path):
            renamed = frame.rename(columns=roles)
            page = {str(name): from_series(renamed[name]) for name in renamed.columns if name != "timestamp"}
            page["timestamp"] = Column.floats(np.arange(done, done + len(frame), dtype=np.float64))
            done += len(frame)
            yield RecordBatch(page)

    for frame in frames(path):
        ordered, middle = _in_order(frame.rename(columns=roles).head(SAMPLE))
        return [_describe(ordered, str(name), roles, middle) for name in ordered.columns], read
    raise SourceError("other", f"the baseline file {path} has no rows; use a file with reference records.")


def frames(path: Path, *, as_text: bool = False) -> Iterator[pd.DataFrame]:
    """Yield a file as data frames of at most 50,000 rows; ``as_text`` disables conversion to numbers."""
    import pandas as pd

    ending = path.suffix.lower()
    try:
        if ending in (".csv", ".tsv"):
            yield from pd.read_csv(
                path, chunksize=PAGE, sep="\t" if ending == ".tsv" else ",", dtype=str if as_text else None
            )
        elif ending in (".jsonl", ".ndjson"):
            yield from pd.read_json(path, lines=True, chunksize=PAGE, convert_dates=False, dtype=not as_text)
        elif ending in (".parquet", ".pq"):
            from pyarrow import parquet

            with parquet.ParquetFile(path) as file:  # in pages: a small file may have billions of rows
                yield from (batch.to_pandas() for batch in file.iter_batches(PAGE))
        else:
            raise SourceError("other", f"{path} is not a .csv, .tsv, .jsonl or .parquet file; convert it to one.")
    except FileNotFoundError:
        raise SourceError("unreachable", f"there is no file {path}; correct `baseline.file`.") from None
    except (ValueError, OSError, ImportError) as error:
        raise SourceError("other", f"{path} cannot be read as {ending}: {error}") from error


def append(path: Path, url: str, table: str) -> Iterator[int]:
    """Append a file to a table, which is created if necessary; yield the number of rows of each page."""
    engine = sa.create_engine(url)
    try:
        for frame in frames(path):
            frame.to_sql(table, engine, if_exists="append", index=False, chunksize=5000)
            yield len(frame)
    except sa.exc.SQLAlchemyError as error:
        reason = str(getattr(error, "orig", error)).strip()
        raise SourceError("other", f"{path} could not be written to the table {table!r}: {reason}.") from error
    finally:
        engine.dispose()


def from_series(series: pd.Series) -> Column:
    """Convert a pandas series to a column. NaN is missing, since pandas does not distinguish the two."""
    import pandas as pd

    missing = series.isna().to_numpy(dtype=bool)
    if pd.api.types.is_numeric_dtype(series) and not pd.api.types.is_bool_dtype(series):
        return Column(series.astype("float64").to_numpy(), missing)
    values = series.astype(object).to_numpy(copy=True)
    values[missing] = None
    return Column(values, missing)


def _in_order(frame: pd.DataFrame) -> tuple[pd.DataFrame, float | None]:
    """Return rows in order of time and their median time; without times, the rows are shuffled and the median is None.

    Shuffling is needed because a column by which the file is sorted would look like a counter.
    """
    import pandas as pd

    if "timestamp" in frame:
        times = pd.to_datetime(frame["timestamp"].astype(str), errors="coerce", format="ISO8601", utc=True)
        if times.notna().any():
            return frame.loc[times.sort_values().index], float(times.dropna().median().timestamp())
    return frame.sample(frac=1, random_state=0), None


def _describe(frame: pd.DataFrame, name: str, roles: dict[str, str], middle: float | None) -> ColumnInfo:
    import pandas as pd

    series = frame[name]
    present = series.dropna()
    kind: ColumnType = "text"
    if pd.api.types.is_bool_dtype(series):
        kind = "boolean"
    elif pd.api.types.is_numeric_dtype(series):
        kind = "numeric"
    elif pd.api.types.is_datetime64_any_dtype(series):
        kind = "time"
    texts = present.astype(str)
    return ColumnInfo(
        name=name,
        column=name,
        database_type=str(series.dtype),
        type=kind,
        role=name if name in roles.values() else None,
        sampled=len(series),
        null_share=float(series.isna().mean()) if len(series) else 0.0,
        distinct=int(texts.nunique()),
        mean_length=float(texts.str.len().mean()) if kind == "text" and len(texts) else None,
        unfit=column_stats.unfit(name, kind, present.tolist(), middle) if name not in TEXT_ROLES else None,
        personal=column_stats.personal(kind, texts.tolist()) if name not in TEXT_ROLES else (),
    )
