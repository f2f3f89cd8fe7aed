"""`driftd config`: check the configuration against its sources, or print its JSON schema."""

from __future__ import annotations

import json
from typing import Any

from monitor.checks.registry import config_models
from monitor.cli.connections import open_reader
from monitor.cli.monitor_reports import report_monitors
from monitor.cli.options import DEFAULT_CONFIG, AsJson, ConfigOption, command_group
from monitor.cli.output import echo, print_table
from monitor.config.load import json_schema
from monitor.config.models import Monitor
from monitor.jobs.review_candidate import candidate_notes
from monitor.profiling.features import choose, list_hashed_segments
from monitor.sources.readiness import future_note

config = command_group()


@config.command("check")
def check(config: ConfigOption = DEFAULT_CONFIG, as_json: AsJson = False) -> int:
    """Check the file, connect to every source, and list each column with its type, null share and role.

    Example: driftd config check --config driftd.yaml
    """
    for warning in config.deprecations:
        echo(f"warning: {warning}", err=True)
    return report_monitors(config.monitors, _inspect, _print, as_json=as_json)


@config.command("schema")
def schema() -> None:
    """Print the JSON schema of driftd.yaml, for editors.

    Example: driftd config schema > driftd.schema.json
    """
    echo(json.dumps(json_schema(config_models()), indent=2))


def _inspect(monitor: Monitor, entry: dict[str, Any]) -> None:
    notes: list[str] = []
    entry |= {"columns": [], "notes": notes, "baseline": None}
    with open_reader(monitor) as reader:
        columns = reader.describe()
        used = {choice.name: choice for choice in choose(monitor, columns)}
        entry["columns"] = [_column(column, used.get(column.name)) for column in columns]
        notes += [
            f"the column {choice.name!r} is {choice.reason}; remove its class `category`, so that hashes are stored."
            for choice in used.values()
            if choice.personal
        ]
        notes += list_hashed_segments(monitor, columns)
        if reader.quiet_since(reader.now()) is None:
            notes.append("open transactions are invisible; `GRANT pg_read_all_stats TO` the reader for exact sealing.")
        if (note := future_note(columns, reader.now())) is not None:
            notes.append(note)
        review, baseline_notes = candidate_notes(reader, monitor)
        entry["baseline"] = review.to_json() if review else None
        notes += [f"baseline: {note}" for note in baseline_notes]


def _column(column: Any, choice: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "column": column.column,
        "name": column.name,
        "type": column.type,
        "database_type": column.database_type,
        "null_share": column.null_share,
        "role": column.role,
        "watched": choice.kind if choice else None,
        "why": choice.reason if choice else "not configured",
    }


def _print(entry: dict[str, Any]) -> None:
    echo(f"{entry['monitor']}: {entry['error'] or 'the source can be read'}")
    heads = ("column", "type", "database_type", "null_share", "role", "watched", "why")
    print_table(heads, [[column[head] for head in heads] for column in entry["columns"]], "no columns")
    for note in entry["notes"]:
        echo(f"  note: {note}")
