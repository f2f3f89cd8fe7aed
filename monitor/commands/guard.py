"""`driftd guard`: the output parser over a file, line by line."""

from __future__ import annotations

import csv
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import typer

from detectors import Policy, Verdict, guard
from monitor.config import ConfigError
from monitor.configfile import load
from monitor.policies import load_policy, policies_of, unknown_policy

FIELDS = ("response", "text", "answer", "output")
"""Where the text is looked for, the first that a record has."""
LONGEST_LINE = 64_000_000
BAD_SHOWN = 5

Row = tuple[int, dict[str, Any] | None, str | None]
"""Number of the record, what it holds, or what is wrong with it."""


def find_policy(name: str, config: Path) -> Policy:
    """Return the policy of a YAML file, of driftd.yaml, or one that is built in."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        return load_policy(path)
    known = policies_of(load(config).policies if config.exists() else {})
    if name not in known:
        raise ConfigError(f"{unknown_policy(name, list(known))} A policy in a file ends in .yaml.")
    return known[name]


def run(
    file: Path, policy: Policy, field: str | None, out: Path | None, fail_on: str, *, as_json: bool, quiet: bool
) -> int:
    """Check every record; returns 2 when lines were bad, 1 when asked to and something was blocked, else 0."""
    counts: Counter[str] = Counter()
    found: Counter[str] = Counter()
    bad: list[str] = []
    begun = time.monotonic()
    with _output(out) as write, _progress(file, quiet=quiet) as (records, advance):
        for number, record, problem in records:
            text, wrong = _text(record, field, problem)
            advance()
            if text is None or record is None:
                counts["bad"] += 1
                if len(bad) < BAD_SHOWN:
                    bad.append(f"record {number}: {wrong}")
                continue
            verdict = guard(text, policy, time.monotonic)
            counts[verdict.verdict] += 1
            found.update(finding.type for finding in verdict.findings)
            identity = record.get("id")
            _write(write, number if identity is None else identity, verdict, as_json=as_json)
    _report(counts, found, bad, policy, time.monotonic() - begun)
    withheld = counts["block"] + counts["error"]
    return 2 if counts["bad"] else 1 if fail_on == "block" and withheld else 0


def _text(record: dict[str, Any] | None, field: str | None, problem: str | None) -> tuple[str | None, str | None]:
    if record is None:
        return None, problem
    name = field or next((name for name in FIELDS if isinstance(record.get(name), str)), None)
    if name is None:
        return None, f"none of the fields {', '.join(FIELDS)} holds a text; name yours with --field."
    text = record.get(name)
    if not isinstance(text, str):
        return None, f"the field {name!r} holds no text."
    return text, None


def _write(write: IO[str], identity: object, verdict: Verdict, *, as_json: bool) -> None:
    if as_json:
        told = {
            "id": identity,
            "verdict": verdict.verdict,
            "findings": [
                {name: value for name, value in asdict(finding).items() if value is not None}
                for finding in verdict.findings
            ],
        }  # fmt: skip
        if verdict.failed:
            told["failed"] = verdict.failed
            told["reasons"] = list(verdict.reasons)
        write.write(json.dumps(told, ensure_ascii=True, default=str) + "\n")
    elif verdict.verdict != "allow":
        write.write(f"{identity}: {verdict.verdict}: {' '.join(verdict.reasons)}\n")


def _report(counts: Counter[str], found: Counter[str], bad: list[str], policy: Policy, seconds: float) -> None:
    checked = sum(counts[name] for name in ("allow", "redact", "block", "error"))
    said = ", ".join(f"{counts[name]} {word}" for name, word in (
        ("allow", "allowed"), ("redact", "redacted"), ("block", "blocked"), ("error", "could not be checked"),
    ))  # fmt: skip
    typer.echo(
        f"policy {policy.name}: {checked} texts in {seconds:.1f} s ({checked / max(seconds, 1e-9):,.0f} a second): "
        f"{said}.",
        err=True,
    )
    for kind, count in found.most_common():
        typer.echo(f"  {kind}: {count}", err=True)
    if counts["bad"]:
        typer.echo(f"{counts['bad']} records were not checked, among them:", err=True)
        for line in bad:
            typer.echo(f"  {line}", err=True)


@contextmanager
def _output(out: Path | None) -> Iterator[IO[str]]:
    if out is None:
        yield sys.stdout
        return
    try:
        with out.open("w", encoding="utf-8") as file:
            yield file
    except OSError as error:
        raise ConfigError(f"{out} cannot be written: {error.strerror}.") from error


@contextmanager
def _progress(file: Path, *, quiet: bool) -> Iterator[tuple[Iterator[Row], Any]]:
    """Open the file, with a progress bar over its bytes or rows where somebody watches."""
    try:
        with _opened(file) as (rows, total, place):
            hidden = quiet or not sys.stderr.isatty()
            with typer.progressbar(length=total, label="checked", hidden=hidden, file=sys.stderr) as bar:
                seen = 0

                def advance() -> None:
                    nonlocal seen
                    here = place()
                    if not hidden and here - seen >= total // 200:
                        bar.update(here - seen)
                        seen = here

                yield rows, advance
                bar.update(total - seen)
    except FileNotFoundError:
        raise ConfigError(f"there is no file {file}; name a .jsonl, .csv, .tsv or .parquet file.") from None
    except IsADirectoryError:
        raise ConfigError(f"{file} is a folder; name a .jsonl, .csv, .tsv or .parquet file.") from None


@contextmanager
def _opened(file: Path) -> Iterator[tuple[Iterator[Row], int, Any]]:
    ending = file.suffix.lower()
    if ending in (".parquet", ".pq"):
        with _parquet(file) as opened:
            yield opened
        return
    if ending not in (".jsonl", ".ndjson", ".csv", ".tsv"):
        raise ConfigError(f"{file} is no .jsonl, .csv, .tsv or .parquet file; convert it to one.")
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
        yield (number, record, None) if isinstance(record, dict) else (number, None, "the line is no JSON object.")


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
