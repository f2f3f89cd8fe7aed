"""`driftd readiness`: what cannot be watched, because it is not logged, and the smallest changes that are found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from monitor.checks.sensitivity import list_sensitivity
from monitor.cli.candidate import print_sensitivity
from monitor.cli.factory import open_store
from monitor.cli.output import echo, print_json
from monitor.config.models import Config, Monitor
from monitor.config.presets import PRESETS
from monitor.config.source import Source
from monitor.sources.base import SourceError
from monitor.sources.connect import connect_and_probe
from monitor.sources.readiness import Answer, ReadinessRow, future_note, report
from monitor.store import baselines
from monitor.store.database import StoreError

NO_BASELINE = "no baseline has been learnt yet; `driftd run` learns it"


def readiness(config: Config, monitor: str | None, *, as_json: bool) -> int:
    """Print the report of each monitor's source; returns 2 when one cannot be read."""
    chosen = config.monitors if monitor is None else [config.monitor(monitor)]
    found = _sensitivities(config, chosen)
    told: list[dict[str, Any]] = []
    for one in chosen:
        entry: dict[str, Any] = {"monitor": one.name, "error": None, "capabilities": [], "notes": []}
        entry |= found[one.name]
        try:
            rows, entry["notes"] = assess_source(one.source)
            entry["capabilities"] = [row.as_json() for row in rows]
        except SourceError as error:
            entry["error"] = str(error)
        told.append(entry)
    if as_json:
        print_json(told)
    else:
        for entry in told:
            echo(f"{entry['monitor']}: {entry['error'] or 'what can be monitored'}")
            if entry["error"] is None:
                print_rows([ReadinessRow(**row) for row in entry["capabilities"]], entry["notes"])
            print_sensitivity(entry["sensitivity"], "  ")
            if entry["not_measured"]:
                echo(f"  the smallest change that is detected is unknown: {entry['not_measured']}")
    return 2 if any(entry["error"] for entry in told) else 0


def _sensitivities(config: Config, monitors: Sequence[Monitor]) -> dict[str, dict[str, Any]]:
    """Return by monitor the smallest changes that its baseline finds, or why they are not known; needs our database."""
    try:
        with open_store(config) as database, database.read() as connection:
            thresholds = {one.name: baselines.thresholds(connection, one.name) for one in monitors}
    except StoreError as error:
        return {one.name: {"sensitivity": [], "not_measured": str(error)} for one in monitors}
    found: dict[str, dict[str, Any]] = {}
    for name, calibration in thresholds.items():
        listed = list_sensitivity(calibration)
        missing = calibration.reason if calibration.definition else NO_BASELINE
        found[name] = {"sensitivity": listed, "not_measured": None if listed else missing}
    return found


def assess_source(source: Source) -> tuple[list[ReadinessRow], list[str]]:
    """Look at the newest records of a source; returns what they allow, and what is wrong with their times."""
    reader, lacking = connect_and_probe(source)
    try:
        columns = reader.describe()
        note = future_note(columns, reader.now())
    finally:
        reader.close()
    return report(columns, lacking, PRESETS.get(source.preset or "")), [] if note is None else [note]


def print_rows(rows: Sequence[ReadinessRow], notes: Sequence[str]) -> None:
    """Print the rows, what can be watched first, and the notes."""
    order = list(get_args(Answer))
    for row in sorted(rows, key=lambda row: order.index(row.answer)):
        echo(f"  {row.answer:8}{row.capability}: {row.reason}.")
        if row.fix:
            echo(f"          to log it: {row.fix}")
    for note in notes:
        echo(f"  note: {note}")
