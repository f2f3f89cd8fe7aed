"""Shared by `driftd backtest` and `driftd simulate`: the replay with a progress bar, and its output."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any

import typer

from monitor.actions.plan_context import Receivers
from monitor.cli.output import count_actions, echo, print_table
from monitor.config.models import Monitor
from monitor.jobs.backtest import backtest as replay
from monitor.sources.base import Reader

BUDGET_VERDICTS = {"kept": "within", "broken": "more than", "undecided": "too short a period to compare with"}


def replay_buckets(
    reader: Reader,
    monitor: Monitor,
    between: tuple[datetime, datetime],
    marked: list[datetime],
    receivers: Receivers,
    *,
    quiet: bool,
) -> dict[str, Any]:
    total = (between[1] - between[0]) // monitor.bucket
    with typer.progressbar(length=total, label="buckets", hidden=quiet, file=sys.stderr) as bar:
        return replay(reader, monitor, between, marked, bar.update, receivers=receivers)


def describe_alerts(result: dict[str, Any]) -> str:
    """Return the number of alerts and the length of the period, with a rate if it lasts a week or more."""
    pages, weeks = result["pages"], result["weeks"]
    text = f"{pages} alert{'s' * (pages != 1)} in {_length(weeks)}"
    if weeks >= 1:
        interval = f"95 % interval {result['pages_low']:.2f} to {result['pages_high']:.2f}"
        text += f", {result['pages_per_week']:.2f} a week ({interval})"
    return f"{text}; {BUDGET_VERDICTS[result['budget']]} the alert budget of {result['budget_per_week']:.2f} a week"


def _length(weeks: float) -> str:
    minutes = 7 * 24 * 60 * weeks
    for unit, size in (("weeks", 7 * 24 * 60), ("days", 24 * 60), ("hours", 60)):
        if minutes >= 2 * size:
            return f"{minutes / size:.1f} {unit}"
    return f"{minutes:.0f} minutes"


def print_replay(result: dict[str, Any]) -> None:
    echo(f"{result['monitor']}: {describe_alerts(result)}. Thresholds: {result['baseline']['calibration']}.")
    if result["updates"]:
        echo(f"updates of open incidents: {result['updates']}")
    if result["left_out"]:
        echo(f"not replayed: {', '.join(result['left_out'])}")
    heads = ("fired_at", "resolved_at", "rule", "columns", "reason")
    incidents = [{**incident, "columns": ", ".join(incident["columns"])} for incident in result["incidents"]]
    print_table(heads, [[i[head] for head in heads] for i in incidents], "no alerts")
    if result["actions"]:
        echo(f"planned actions, not sent: {count_actions(result['actions'])}")
    if result["changes"]:
        marks = ("at", "detected_at", "delay_seconds")
        print_table(marks, [[change[mark] for mark in marks] for change in result["changes"]], "")
