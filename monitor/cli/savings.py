"""`driftd savings`: what the same requests would have cost otherwise, and whether a retraining pays."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from tempfile import TemporaryDirectory
from typing import Any

import typer

from detectors.binning import to_categories
from detectors.cost.savings import Cells, Plan, Tier
from monitor.cli.factory import open_reader
from monitor.cli.output import echo, print_json, print_table
from monitor.config.models import Config, ConfigError, Monitor
from monitor.config.savings import Savings
from monitor.jobs.what_if import DAY, MOST_MODELS, count, days, definition, make_plans, report_savings, stretch
from monitor.jobs.what_if_text import describe_retraining, describe_tier
from monitor.profiling.profile import deciding_columns
from monitor.profiling.served import keep_served
from monitor.sources.base import Reader, read_in_steps
from monitor.store import migrate
from monitor.store import savings as store
from monitor.store.database import Database, DatabaseError, StoreError


def savings(
    config: Config,
    name: str | None,
    models: Sequence[str],
    last_days: int | None,
    at: datetime | None,
    *,
    as_json: bool,
    quiet: bool,
) -> int:
    """Print what every plan would have saved; days that the daemon has not counted are read from the log."""
    monitor = config.monitor(name)
    spec = monitor.savings or Savings()
    if last_days is not None:
        spec = Savings.model_validate({**spec.model_dump(), "days": last_days})
    monitor = monitor.model_copy(update={"savings": spec})
    with open_reader(monitor) as reader, _open_counts(config) as database:
        now = at or reader.now()
        first, last = stretch(spec, now)
        given = [Plan(f"all on {model}"[:80], (Tier(model),)) for model in models]
        plans = given or make_plans(spec, [] if spec.plans else _busiest_models(reader, monitor, first, last))
        if not plans:
            raise ConfigError(f"savings: {monitor.name} has no request from {first:%Y-%m-%d} to {last:%Y-%m-%d}.")
        with database.read() as connection:
            held = [
                store.counted_days(connection, monitor.name, plan.name, definition(monitor, plan)) for plan in plans
            ]
        owed = [day for day in days(first, last) if any(day not in known for known in held)]
        more = _count_missing_days(reader, monitor, plans, held, owed, quiet=quiet)
        with database.read() as connection:
            told = report_savings(connection, monitor, plans, more, now)
    if as_json:
        print_json(told)
    else:
        _print(told)
    return 0


@contextmanager
def _open_counts(config: Config) -> Iterator[Database]:
    """Open what the daemon has counted; where it never ran here, an empty store of the moment."""
    database = Database(config.store.get_secret_value())
    try:
        migrate.require_head(database)
    except (DatabaseError, StoreError):
        database.close()
        with TemporaryDirectory() as folder:
            database = Database(f"sqlite:///{folder}/empty.db")
            try:
                migrate.upgrade(database)
                yield database
            finally:
                database.close()
        return
    try:
        yield database
    finally:
        database.close()


def _busiest_models(reader: Reader, monitor: Monitor, first: datetime, last: datetime) -> list[str]:
    """Return the models that answered most of the requests."""
    schema = reader.schema()
    if "model_version" not in schema:
        raise ConfigError("savings: map `model_version` under `columns:`; prices are looked up by model.")
    counted: Counter[str] = Counter()
    columns = list(dict.fromkeys(["model_version", *deciding_columns(monitor, schema)]))
    for page in read_in_steps(reader, columns, first, last):
        counted.update(name for name in to_categories(keep_served(page, monitor)["model_version"]) if name)
    return [name for name, _ in counted.most_common(MOST_MODELS)]


def _count_missing_days(
    reader: Reader,
    monitor: Monitor,
    plans: Sequence[Plan],
    held: Sequence[dict[datetime, datetime]],
    owed: Sequence[datetime],
    *,
    quiet: bool,
) -> dict[str, list[Cells]]:
    """Count the days that nobody has counted, of the plans that lack them."""
    more: dict[str, list[Cells]] = {plan.name: [] for plan in plans}
    with typer.progressbar(owed, label="days", hidden=quiet, file=sys.stderr) as bar:
        for day in bar:
            lacking = [plan for plan, known in zip(plans, held, strict=True) if day not in known]
            for plan, cells in count(reader, monitor, lacking, day, day + DAY).items():
                more[plan].append(cells)
    return more


def _print(told: dict[str, Any]) -> None:
    span = f"{told['from']:%Y-%m-%d} to {told['to']:%Y-%m-%d}"
    echo(f"{told['monitor']}, {span}, in {told['currency']}")
    heads = ("plan", "requests", "unpriced", "now", "then", "saved", "share")
    rows = [
        [
            one["plan"],
            one["requests"],
            one["unpriced"],
            *(f"{one[key]:,.2f}" for key in ("now", "then", "saved")),
            "-" if one["share"] is None else f"{one['share']:+.1%}",
        ]
        for one in told["plans"]
    ]
    print_table(heads, rows, "There was no request.")
    for one in told["plans"]:
        for tier in one["tiers"]:
            echo(f"{one['plan']}: {describe_tier(tier)}")
    if told["retraining"]:
        echo(describe_retraining(told["retraining"], told["currency"]))
