"""`driftd readiness`: list what can be monitored, what is not logged, and the smallest detectable changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from monitor.checks.sensitivity import list_sensitivity
from monitor.cli.baseline_notes import print_sensitivity
from monitor.cli.connections import open_store
from monitor.cli.monitor_reports import report_monitors
from monitor.cli.options import DEFAULT_CONFIG, AsJson, ConfigOption, MonitorName
from monitor.cli.output import echo
from monitor.config.models import Config, Monitor
from monitor.config.presets import PRESETS
from monitor.sources.connect import connect_and_probe
from monitor.sources.readiness import Answer, ReadinessRow, future_note, report
from monitor.store import baselines
from monitor.store.database import StoreError

NO_BASELINE = "no baseline has been learnt yet; `driftd run` learns it"


def readiness(config: ConfigOption = DEFAULT_CONFIG, monitor: MonitorName = None, as_json: AsJson = False) -> int:
    """List what each monitor can measure, which columns are missing for the rest, and how to log them.

    Example: driftd readiness --json
    """
    monitors = config.monitors if monitor is None else [config.monitor(monitor)]
    sensitivities = _load_sensitivities(config, monitors)

    def inspect(one: Monitor, entry: dict[str, Any]) -> None:
        entry |= {"capabilities": [], "notes": [], **sensitivities[one.name]}
        rows, entry["notes"] = _assess_source(one)
        entry["capabilities"] = [row.as_json() for row in rows]

    return report_monitors(monitors, inspect, _print, as_json=as_json)


def _print(entry: dict[str, Any]) -> None:
    echo(f"{entry['monitor']}: {entry['error'] or 'what can be monitored'}")
    if entry["error"] is None:
        print_capabilities([ReadinessRow(**row) for row in entry["capabilities"]], entry["notes"])
    print_sensitivity(entry["sensitivity"], "  ")
    if entry["not_measured"]:
        echo(f"  the smallest change that is detected is unknown: {entry['not_measured']}")


def _load_sensitivities(config: Config, monitors: Sequence[Monitor]) -> dict[str, dict[str, Any]]:
    """Return by monitor the smallest detectable changes, or the reason why they are unknown; reads our database."""
    try:
        with open_store(config) as database, database.read() as connection:
            thresholds = {one.name: baselines.thresholds(connection, one.name) for one in monitors}
    except StoreError as error:
        return {one.name: {"sensitivity": [], "not_measured": str(error)} for one in monitors}
    sensitivities: dict[str, dict[str, Any]] = {}
    for name, calibration in thresholds.items():
        listed = list_sensitivity(calibration)
        missing = calibration.reason if calibration.definition else NO_BASELINE
        sensitivities[name] = {"sensitivity": listed, "not_measured": None if listed else missing}
    return sensitivities


def _assess_source(monitor: Monitor) -> tuple[list[ReadinessRow], list[str]]:
    """Inspect the newest records of a monitor's source; return its capabilities and notes on its timestamps."""
    reader, lacking = connect_and_probe(monitor.source)
    try:
        columns = reader.describe()
        note = future_note(columns, reader.now())
    finally:
        reader.close()
    return report(columns, lacking, PRESETS.get(monitor.source.preset or "")), [] if note is None else [note]


def print_capabilities(rows: Sequence[ReadinessRow], notes: Sequence[str]) -> None:
    """Print the capabilities, available ones first, and the notes."""
    order = list(get_args(Answer))
    for row in sorted(rows, key=lambda row: order.index(row.answer)):
        echo(f"  {row.answer:8}{row.capability}: {row.reason}.")
        if row.fix:
            echo(f"          to log it: {row.fix}")
    for note in notes:
        echo(f"  note: {note}")
