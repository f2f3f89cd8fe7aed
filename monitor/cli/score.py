"""`driftd score`: compute the signals of the records of a file, with their evidence."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from detectors import SIGNALS, Signal
from detectors.records import Column, Records
from detectors.text.parts import join_context
from monitor.cli.options import Quiet
from monitor.cli.output import echo
from monitor.config.signals import problems, resolve
from monitor.config.source import ROLES
from monitor.core.lines import Row, output, progress
from monitor.core.plain import escape_json
from monitor.core.yamlfile import ConfigError

TOGETHER = 256
"""Records per page; the signals of a page share the analysis of its texts."""
LONGEST_PAGE = 32_000_000
"""Code points of a page; a longer one is not extended."""
BAD_SHOWN = 5
NOT_BY_DEFAULT = ("json_schema", "matches", "entailment")
"""Signals that have no result without options."""
TEXTS = ("question", "context", "response")


def score(
    file: Annotated[Path, typer.Argument(help="A .jsonl, .jsonl.gz, .csv, .tsv or .parquet file of records.")],
    signals: Annotated[
        str | None, typer.Option(help="Names of signals, separated by commas; default: all whose fields the file has.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write to this file instead of stdout.")] = None,
    quiet: Quiet = False,
) -> int:
    """Compute signals for the records of a file: one JSON line per record; exits 2 if a record is invalid.

    Records have the fields `id`, `question`, `context` and `response`, as far as the signals need them.

    Example: driftd score answers.jsonl --signals hallucinated,refusal -o scores.jsonl
    """
    selected = _select_signals(signals)
    bad: list[str] = []
    start, done = time.monotonic(), 0
    with output(out) as write, progress(file, quiet=quiet) as (rows, advance):
        for page in _pages(rows, bad, advance):
            for line in score_page(page, selected):
                write.write(escape_json(json.dumps(line, ensure_ascii=False, allow_nan=False, default=str)) + "\n")
            done += len(page)
    _report(done, time.monotonic() - start, bad)
    return 2 if bad else 0


def _select_signals(names: str | None) -> tuple[Signal, ...] | None:
    """Return the signals with these names; None selects all signals whose fields the records have."""
    if names is None:
        return None
    entries = [name.strip() for name in names.split(",") if name.strip()]
    wrong = problems(entries, ())
    if wrong or not entries:
        reason = " ".join(problem.message for problem in wrong) or "name at least one signal."
        raise ConfigError(f"--signals {names!r}: {reason}")
    return resolve(entries)


def _pages(rows: Iterator[Row], bad: list[str], advance: Any) -> Iterator[list[tuple[object, dict[str, Any]]]]:  # noqa: ANN401
    page: list[tuple[object, dict[str, Any]]] = []
    length = 0
    for number, record, problem in rows:
        advance()
        if record is None:
            bad.append(f"record {number}: {problem}")
            continue
        identity = record.get("id")
        page.append((number if identity is None else identity, record))
        length += sum(len(value) for value in record.values() if isinstance(value, str))
        if len(page) == TOGETHER or length > LONGEST_PAGE:
            yield page
            page, length = [], 0
    if page:
        yield page


def score_page(
    page: Sequence[tuple[object, Mapping[str, Any]]], selected: tuple[Signal, ...] | None
) -> Iterator[dict[str, Any]]:
    """Yield id, values and evidence of every record of a page; a missing value is null."""
    records = _columns([record for _, record in page])
    signals = selected or tuple(
        signal
        for signal in SIGNALS.values()
        if signal.kind != "vector"
        and signal.name not in NOT_BY_DEFAULT
        and all(role in records for role in signal.needs)
    )
    values = {
        signal.name: signal.compute(records) if all(role in records for role in signal.needs) else None
        for signal in signals
    }
    for place, (identity, record) in enumerate(page):
        yield {
            "id": identity,
            "signals": {name: _value(column, place) for name, column in values.items()},
            "evidence": {
                signal.name: _evidence(signal, record)
                for signal in signals
                if signal.evidence is not None and _value(values[signal.name], place) is not None
            },
        }


def _columns(records: Sequence[Mapping[str, Any]]) -> Records:
    """Return the columns of a page; a context may be a list of passages, and an empty CSV field is a missing value."""
    names = dict.fromkeys(name for record in records for name in record)
    used = [name for name in names if name in ROLES or any(name in (*s.needs, *s.uses) for s in SIGNALS.values())]
    return {name: Column.of([_plain(name, record.get(name)) for record in records]) for name in used}


def _plain(name: str, value: object) -> object:
    if name in TEXTS and isinstance(value, list | tuple):
        return join_context(value)
    return json.dumps(value) if isinstance(value, list | dict) else value


def _value(column: Column | None, place: int) -> object:
    if column is None or column.missing[place]:
        return None
    value = column.values[place]
    if isinstance(value, str):
        return value
    if getattr(value, "shape", ()):
        return [float(part) for part in value]
    return float(value) if math.isfinite(float(value)) else None


def _evidence(signal: Signal, record: Mapping[str, Any]) -> list[dict[str, Any]]:
    if signal.evidence is None:
        return []
    texts = {name: str(_plain(name, value)) for name, value in record.items() if name in TEXTS and value is not None}
    return [asdict(one) for one in signal.evidence(texts)]


def _report(done: int, seconds: float, bad: Sequence[str]) -> None:
    echo(f"{done} records in {seconds:.1f} s ({done / max(seconds, 1e-9):,.0f} a second)", err=True)
    if bad:
        echo(f"{len(bad)} records could not be read and were not scored, among them:", err=True)
        for line in bad[:BAD_SHOWN]:
            echo(f"  {line}", err=True)
