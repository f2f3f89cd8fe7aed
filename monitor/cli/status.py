"""`driftd status`: print the status of every monitor."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from monitor.cli.connections import open_store
from monitor.cli.options import DEFAULT_CONFIG, AsJson, ConfigOption
from monitor.cli.output import echo, print_json, print_table
from monitor.metrics.monitor_status import exit_code, find_quarantine, monitor_status
from monitor.store import reads


def status(config: ConfigOption = DEFAULT_CONFIG, as_json: AsJson = False) -> int:
    """Print the status of every monitor; exits 0 healthy, 1 firing, 2 unknown.

    Example: driftd status --json
    """
    with open_store(config) as database:
        state = reads.snapshot(database, config)
    rows = [_describe(one, config.monitor(one.name).bucket, state.at) for one in state.monitors]
    if as_json:
        monitors = [row | {"estimates": list(one.record)} for row, one in zip(rows, state.monitors, strict=True)]
        print_json({"at": state.at, "monitors": monitors})
    else:
        heads = ("monitor", "state", "newest_bucket", "rows", "open_incidents", "baseline", "detail")
        print_table(heads, [[row[head] for head in heads] for row in rows], "no monitor")
        for row, monitor in zip(rows, state.monitors, strict=True):
            if row["quarantine"]:
                echo(f"{monitor.name}: {row['quarantine']}")
            _print_estimates(monitor)
    return exit_code(row["state"] for row in rows)


def _describe(monitor: reads.MonitorState, bucket: timedelta, at: datetime) -> dict[str, Any]:
    current = monitor_status(monitor, bucket, at)
    return {
        "monitor": monitor.name,
        "state": current.state,
        "newest_bucket": monitor.newest.start if monitor.newest else None,
        "rows": monitor.newest.source_rows if monitor.newest else None,
        "open_incidents": len(monitor.open),
        "baseline": f"{monitor.baseline.rows} rows" if monitor.baseline else None,
        "detail": current.detail,
        "quarantine": find_quarantine(monitor),
    }


def _print_estimates(monitor: reads.MonitorState) -> None:
    for row in monitor.record:
        echo(
            f"{monitor.name}: the estimated {row['metric']} differed from the measured value by "
            f"{row['mean_distance']:.3g} on average over {row['windows']} labelled windows; the measured value was in "
            f"the interval, on average {row['mean_width']:.3g} wide, in {row['within_interval']:.0%} of them "
            f"({row['low']:.0%} to {row['high']:.0%}; {row['nominal']:.0%} is nominal)"
        )
