"""Read records from a JSON lines, CSV or Parquet file one by one, in bounded memory."""

from __future__ import annotations

import csv
import gzip
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import typer

from monitor.core.yamlfile import ConfigError

LONGEST_LINE = 64_000_000

Row = tuple[int, dict[str, Any] | None, str | None]
"""Number of a record, its fields (None if it is invalid), and the error (None if it is valid)."""


@contextmanager
def output(out: Path | None) -> Iterator[IO[str]]:
    """Open the output file, by default standard output."""
    if out is None:
        yield sys.stdout
        return
    try:
        with out.open("w", encoding="utf-8") as file:
            yield file
    except OSError as error:
        raise ConfigError(f"{out} cannot be written: {error.strerror}.") from error


@contextmanager
def progress(file: Path, *, quiet: bool) -> Iterator[tuple[Iterator[Row], Any]]:
    """Open a file of records, with a progress bar if standard error is a terminal."""
    try:
        with _open(file) as (rows, total, place):
            hidden = quiet or not sys.stderr.isatty()
            with typer.progressbar(length=total, label="checked", hidden=hidden, file=sys.stderr) as bar:
                position = 0

                def advance() -> None:
                    nonlocal position
                    here = place()
                    if not hidden and here - position >= total // 200:
                        bar.update(here - position)
                        position = here

                yield rows, advance
                bar.update(total - position)
    except FileNotFoundError:
        raise ConfigError(f"there is no file {file}; name a .jsonl, .csv, .tsv or .parquet file.") from None
    except IsADirectoryError:
        raise ConfigError(f"{file} is a folder; name a .jsonl, .csv, .tsv or .parquet file.") from None


@contextmanager
def _open(file: Path) -> Iterator[tuple[Iterator[Row], int, Any]]:
    ending = file.suffix.lower()
    if file.name.lower().endswith((".jsonl.gz", ".ndjson.gz")):
        with file.open("rb") as packed, gzip.open(packed) as raw:
            yield _jsonl(cast(IO[bytes], raw)), file.stat().st_size, packed.tell
        return
    if ending in (".parquet", ".pq"):
        with _parquet(file) as opened:
            yield opened
        return
    if ending not in (".jsonl", ".ndjson", ".csv", ".tsv"):
        raise ConfigError(f"{file} is not a .jsonl, .csv, .tsv or .parquet file; convert it to one.")
    size = file.stat().st_size
    with file.open("rb") as raw:
        rows = _jsonl(raw) if ending in (".jsonl", ".ndjson") else _csv(raw, "\t" if ending == ".tsv" else ",")
        yield rows, size, raw.tell


def _jsonl(raw: IO[bytes]) -> Iterator[Row]:
    number = 0
    while line := raw.readline(LONGEST_LINE):
        number += 1
        if not line.strip():
            continue
        if len(line) >= LONGEST_LINE and not line.endswith(b"\n"):
            while (rest := raw.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                pass
            yield number, None, f"the line is longer than {LONGEST_LINE} bytes."
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            yield number, None, "the line is not valid JSON."
            continue
        yield (number, record, None) if isinstance(record, dict) else (number, None, "the line is not a JSON object.")


def _csv(raw: IO[bytes], comma: str) -> Iterator[Row]:
    csv.field_size_limit(LONGEST_LINE)

    def lines() -> Iterator[str]:
        for place, line in enumerate(iter(lambda: raw.readline(LONGEST_LINE), b"")):
            yield line.decode("utf-8-sig" if place == 0 else "utf-8", "replace").replace("\0", "\ufffd")

    reader = csv.reader(lines(), delimiter=comma)
    number = 0
    heads: list[str] | None = None
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            number += 1
            yield number, None, f"the row cannot be read: {error}."
            continue
        if heads is None:
            heads = cells
        elif cells:
            number += 1
            if len(cells) == len(heads):
                yield number, dict(zip(heads, cells, strict=True)), None
            else:
                yield number, None, f"the row has {len(cells)} cells and the header {len(heads)}."


@contextmanager
def _parquet(file: Path) -> Iterator[tuple[Iterator[Row], int, Any]]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise ConfigError("Parquet files need pyarrow: install `driftd[arrow]`, or convert the file.") from None
    if not file.exists():
        raise FileNotFoundError(file)
    try:
        opened = parquet.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise ConfigError(f"{file} cannot be read as Parquet: {error}.") from error
    done = 0

    def rows() -> Iterator[Row]:
        nonlocal done
        for batch in opened.iter_batches(batch_size=1000):
            for record in batch.to_pylist():
                done += 1
                yield done, record, None

    with opened:
        yield rows(), opened.metadata.num_rows, lambda: done
