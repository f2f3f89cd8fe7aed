"""`driftd savings`: estimate the cost of the same requests on other models, and whether retraining pays."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from detectors.cost.savings import Cells, Plan, Tier
from monitor.cli.connections import open_reader, open_store_or_empty
from monitor.cli.options import DEFAULT_CONFIG, AsJson, ConfigOption, MonitorName, Quiet, time_option
from monitor.cli.output import echo, print_json, print_table
from monitor.config.models import ConfigError, Monitor
from monitor.config.money import Savings
from monitor.jobs.busiest_models import busiest_models
from monitor.jobs.count_savings import count
from monitor.jobs.savings_plans import DAY, MOST_MODELS, make_plans, stretch
from monitor.jobs.savings_plans import days as whole_days
from monitor.jobs.savings_report import load_counted_days, report_savings
from monitor.jobs.what_if_text import describe_retraining, describe_tier
from monitor.sources.base import Reader

DaysUntil = Annotated[
    datetime | None,
    time_option("--at", text="Count days up to this time, ISO 8601; default: now."),
]


def savings(
    config: ConfigOption = DEFAULT_CONFIG,
    monitor: MonitorName = None,
    model: Annotated[
        list[str] | None, typer.Option(help="Estimate the cost with all requests on this model; may be repeated.")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, max=366, help="Number of whole days to read.")] = None,
    at: DaysUntil = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Estimate the cost and quality of the same requests on other models or routes, and whether retraining pays.

    Example: driftd savings --monitor support-bot --model small-7b --days 7 --json
    """
    watched = config.monitor(monitor)
    spec = watched.savings or Savings()
    if days is not None:
        spec = Savings.model_validate({**spec.model_dump(), "days": days})
    watched = watched.model_copy(update={"savings": spec})
    with open_reader(watched) as reader, open_store_or_empty(config) as database:
        now = at or reader.now()
        first, last = stretch(spec, now)
        plans = [Plan(f"all on {one}"[:80], (Tier(one),)) for one in model or []]
        if not plans:
            models = [] if spec.plans else busiest_models(reader, watched, first, last, MOST_MODELS)
            plans = make_plans(spec, models)
        if not plans:
            raise ConfigError(f"savings: {watched.name} has no request from {first:%Y-%m-%d} to {last:%Y-%m-%d}.")
        with database.read() as connection:
            counted = load_counted_days(connection, watched, plans)
        missing = [day for day in whole_days(first, last) if any(day not in counted_days for counted_days in counted)]
        more = _count_days(reader, watched, plans, counted, missing, quiet=quiet)
        with database.read() as connection:
            result = report_savings(connection, watched, plans, more, now)
    if as_json:
        print_json(result)
    else:
        _print(result)


def _count_days(
    reader: Reader,
    monitor: Monitor,
    plans: Sequence[Plan],
    counted: Sequence[dict[datetime, datetime]],
    missing: Sequence[datetime],
    *,
    quiet: bool,
) -> dict[str, list[Cells]]:
    """Count the missing days of each plan."""
    more: dict[str, list[Cells]] = {plan.name: [] for plan in plans}
    with typer.progressbar(missing, label="days", hidden=quiet, file=sys.stderr) as bar:
        for day in bar:
            lacking = [plan for plan, counted_days in zip(plans, counted, strict=True) if day not in counted_days]
            for plan, cells in count(reader, monitor, lacking, day, day + DAY).items():
                more[plan].append(cells)
    return more


def _print(result: dict[str, Any]) -> None:
    span = f"{result['from']:%Y-%m-%d} to {result['to']:%Y-%m-%d}"
    echo(f"{result['monitor']}, {span}, in {result['currency']}")
    heads = ("plan", "requests", "unpriced", "now", "then", "saved", "share")
    rows = [
        [
            one["plan"],
            one["requests"],
            one["unpriced"],
            *(f"{one[key]:,.2f}" for key in ("now", "then", "saved")),
            "-" if one["share"] is None else f"{one['share']:+.1%}",
        ]
        for one in result["plans"]
    ]
    print_table(heads, rows, "There was no request.")
    for one in result["plans"]:
        for tier in one["tiers"]:
            echo(f"{one['plan']}: {describe_tier(tier)}")
    if result["retraining"]:
        echo(describe_retraining(result["retraining"], result["currency"]))
