"""`driftd baseline`: show the baseline that windows are compared with, or learn a new one."""

from __future__ import annotations

from typing import Any

from detectors.family import classify
from monitor.baselines.definition import definition
from monitor.checks.anchor import notes_on
from monitor.checks.baseline import Baseline
from monitor.checks.calibration_report import describe_calibration
from monitor.cli.baseline_notes import print_baseline_notes, print_sensitivity
from monitor.cli.connections import open_store
from monitor.cli.options import DEFAULT_CONFIG, AsJson, ConfigOption, MonitorName, command_group
from monitor.cli.output import echo, print_json, print_table
from monitor.store import baselines

baseline = command_group()


@baseline.command("show")
def show(config: ConfigOption = DEFAULT_CONFIG, monitor: MonitorName = None, as_json: AsJson = False) -> int:
    """Print the baseline: its time range, its rows, and the thresholds learnt from it.

    Example: driftd baseline show --monitor churn
    """
    watched = config.monitor(monitor)
    with open_store(config) as database, database.read() as connection:
        newest = baselines.newest(connection, watched.name, definition(watched))
    if newest is None:
        echo(f"{watched.name} has no baseline yet; `driftd run` or `driftd backfill` learns it.", err=True)
        return 2
    described = {
        "monitor": watched.name,
        "state": newest.state,
        "rows": newest.rows,
        "from": newest.start,
        "to": newest.end,
        "columns": _describe_columns(newest),
        "calibration": describe_calibration(newest.calibration),
        "review": newest.review.to_json() if newest.review else None,
        "notes": notes_on(newest),
    }
    if as_json:
        print_json(described)
    else:
        _print(described)
    return 0


@baseline.command("relearn")
def relearn(config: ConfigOption = DEFAULT_CONFIG, monitor: MonitorName = None) -> None:
    """Retire the baseline; the daemon then learns a new one.

    Example: driftd baseline relearn --monitor churn
    """
    name = config.monitor(monitor).name
    with open_store(config) as database, database.write() as connection:
        baselines.retire(connection, name)
    echo(f"the baseline of {name} is retired; `driftd run` learns a new one")


def _describe_columns(newest: Baseline) -> list[dict[str, Any]]:
    return [
        {
            "column": column,
            "kind": layout.kind,
            "family": family.name if family else None,
            "family_about": family.about if family else None,
            "bins": layout.bins,
            "n": profile.n,
            "missing": profile.missing,
            "mean": profile.mean if layout.kind == "numeric" and profile.n else None,
            "min": profile.minimum if layout.kind == "numeric" and profile.n else None,
            "max": profile.maximum if layout.kind == "numeric" and profile.n else None,
        }
        for column, layout in newest.layouts.items()
        for profile in [newest.profiles.get(None, {}).get(column)]
        if profile is not None
        for family in [classify(profile)]
    ]


def _print(described: dict[str, Any]) -> None:
    echo(
        f"{described['monitor']}: {described['state']}, {described['rows']} rows, "
        f"{described['from']} to {described['to']}"
    )
    print_baseline_notes({"notes": described["notes"]})
    heads = ("column", "kind", "family", "missing", "mean", "min", "max")
    print_table(heads, [[column[head] for head in heads] for column in described["columns"]], "no columns yet")
    _print_calibration(described["calibration"])


def _print_calibration(described: dict[str, Any]) -> None:
    echo(f"thresholds: {described['reason']}")
    if described["budget_per_week"] is not None:
        echo(
            f"expected: {described['expected_pages_per_week']:.2g} false alerts a week, "
            f"{described['budget_per_week']:.2g} allowed "
            f"(95 % interval {described['expected_low']:.2g} to {described['expected_high']:.2g})"
        )
    print_sensitivity(described["sensitivity"])
    for column, season in described["seasons"].items():
        echo(f"  {column}: compared with the same {season}")
    for column, stretches in described["unusual"].items():
        for start, end in stretches:
            echo(f"  {column}: an unusual period was left out when thresholds were learnt: {start} to {end}")
    for check in described["set_apart"]:
        echo(
            f"  {check['column'] or check['check']}: {check['method']} varies more than the other statistics on "
            f"the baseline; it has its own threshold, {check['threshold']:.3g}, and is less sensitive"
        )
    heads = (
        "check",
        "column",
        "method",
        "segment",
        "null_50",
        "null_90",
        "null_99",
        "null_max",
        "threshold",
        "expected_pages_per_week",
    )
    print_table(heads, [[check[head] for head in heads] for check in described["checks"]], "no check is calibrated")
