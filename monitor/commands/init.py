"""`driftd init`: probe a database and write a first configuration."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import typer
from pydantic import SecretStr

from monitor.config import ConfigError
from monitor.sources import connect
from monitor.sources.base import ColumnInfo
from monitor.sourcespec import Source

GUESSES = {
    "id": ("id", "request_id", "trace_id", "uuid"),
    "model_version": ("model_version", "model", "model_name", "served_model"),
    "prompt_version": ("prompt_version", "prompt_hash"),
    "prediction": ("prediction", "score", "y_pred", "predicted"),
    "label": ("label", "target", "y_true", "actual"),
    "question": ("question", "prompt", "input", "query"),
    "context": ("context", "retrieved", "documents"),
    "response": ("response", "answer", "output", "completion"),
}
TIMES = ("timestamp", "created_at", "ts", "time", "event_time", "logged_at", "start_time", "startTime", "date")


def write_config(url: str, table: str | None, preset: str | None, out: Path) -> None:
    """Write a configuration that can be run; refuses to replace a file."""
    if out.exists():
        raise ConfigError(f"{out} is there already; name another file with --out.")
    if (table is None) == (preset is None):
        raise ConfigError("give either --table or --preset litellm|otel.")
    lines = [f"    source: {{url: {_quoted(_visible(url))}, preset: {preset}}}"]
    if table is not None:
        columns = _probe(url, table)
        mapped = ", ".join(f"{role}: {spec}" for role, spec in columns.items())
        lines = [
            "    source:",
            f"      url: {_quoted(_visible(url))}",
            f"      table: {_quoted(table)}",
            f"      columns: {{{mapped}}}",
        ]
    name = "".join(c if c.isalnum() else "-" for c in (table or preset or "")).strip("-") or "app"
    out.write_text(
        "\n".join(
            [
                "# Written by `driftd init`. Next: `driftd config check`, `driftd check`, `driftd run`.",
                "# A numeric timestamp is taken for seconds; write unit: ms, us or ns when it is not.",
                "store: sqlite:///driftd.db",
                "monitors:",
                f"  - name: {name}",
                *lines,
                "    bucket: 5m",
                "    window: 1h",
                "    baseline: {rolling: 14d}",
                "    checks: [drift, quality]",
                "",
            ]
        ),
        encoding="utf-8",
    )
    typer.echo(f"{out} is written; look at it, then `driftd config check --config {out}`", err=True)


def _visible(url: str) -> str:
    match = re.match(r"^([^:/]+://[^:/@]+):([^@]+)@(.*)$", url)
    if match is None:
        return url
    typer.echo("the password is not written down; set DRIFTD_SOURCE_PASSWORD where driftd runs.", err=True)
    return f"{match.group(1)}:${{DRIFTD_SOURCE_PASSWORD}}@{match.group(3)}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _probe(url: str, table: str) -> dict[str, str]:
    source = Source.model_validate({"url": SecretStr(url), "table": table, "columns": {"timestamp": "?"}})
    plain = source.model_copy(update={"columns": {}})
    reader = connect(plain)
    try:
        columns = reader.describe()
    finally:
        reader.close()
    found = {"timestamp": _time_column(columns, table)}
    names = {column.column.lower(): column.column for column in columns}
    for role, words in GUESSES.items():
        match = next((names[word] for word in words if word in names), None)
        if match:
            found[role] = _quoted(match)
    return found


def _time_column(columns: Sequence[ColumnInfo], table: str) -> str:
    named = {column.column.lower(): column for column in columns}
    for word in TIMES:
        if word.lower() in named:
            return _spec(named[word.lower()])
    timed = [column for column in columns if column.type == "time"]
    if timed:
        return _spec(timed[0])
    raise ConfigError(
        f"no column of {table!r} looks like a time ({', '.join(c.column for c in columns)}); "
        "write driftd.yaml by hand and map `timestamp`."
    )


def _spec(column: ColumnInfo) -> str:
    if column.type != "numeric":
        return _quoted(column.column)
    return f"{{column: {_quoted(column.column)}, unit: s}}"
