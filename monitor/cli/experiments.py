"""`driftd experiments` and `driftd shadows`: what the comparisons of a monitor say so far."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import typer

from detectors.binning import to_categories
from detectors.records import Records
from monitor.checks.comparisons import ComparisonState
from monitor.cli.factory import open_reader
from monitor.cli.output import echo, print_json, print_table
from monitor.config.arms import Experiment, Shadow
from monitor.config.models import Config, ConfigError, Monitor
from monitor.profiling.ab_counts import CHECK as EXPERIMENT
from monitor.profiling.ab_counts import Arms, definition
from monitor.profiling.comparison_reads import check_columns, read_pages
from monitor.profiling.shadow_join import CHECK as SHADOW
from monitor.profiling.shadow_join import Joiner, Pairs
from monitor.sources.base import Reader
from monitor.store import comparisons
from monitor.store.database import Database, DatabaseError, StoreError

MOST_ANSWERS = 5
"""Disagreements that are printed, and whose answers are read."""
EXIT = {"win": 0, "no difference": 0, "keep running": 0, "lose": 1, "invalid": 2}


def experiments(config: Config, name: str | None, at: datetime | None, *, as_json: bool, quiet: bool) -> int:
    """Print the verdict of every experiment; return 1 when a treatment loses, 2 when a verdict cannot be trusted."""
    monitor = config.monitor(name)
    if not monitor.experiments:
        raise ConfigError(f"{monitor.name} has no `experiments:`; name the arms and what is compared there.")
    held = {} if at else _load_standings(config, monitor, EXPERIMENT)
    told: list[dict[str, Any]] = []
    for spec in monitor.experiments:
        stands = held.get(spec.name)
        arms = (
            Arms.from_json(spec, stands.total)
            if stands and stands.total
            else _count_arms(monitor, spec, at, quiet=quiet)
        )
        names = {"name": spec.name, "control": spec.control}
        told += [
            {**names, "treatment": treatment, "counted_from": _source(stands), **one}
            for treatment, one in arms.told(stands.report if stands else {}, at).items()
        ]
    if as_json:
        print_json({"monitor": monitor.name, "experiments": told})
    else:
        for one in told:
            _print(one)
    return max(EXIT[one["verdict"]] for one in told)


def _load_standings(config: Config, monitor: Monitor, kind: str) -> dict[str, ComparisonState]:
    """Return what the daemon has counted of each comparison, as it is defined now; nothing where it never ran."""
    try:
        database = Database(config.store.get_secret_value())
        try:
            with database.read() as connection:
                held = comparisons.load_states(connection, monitor.name)
        finally:
            database.close()
    except (DatabaseError, StoreError):
        return {}
    specs: list[Any] = [*(monitor.experiments if kind == EXPERIMENT else monitor.shadows)]
    known = {(kind, spec.name): definition(monitor, spec) for spec in specs}
    return {
        key[1]: stands
        for key, stands in held.items()
        if stands.definition == known.get(key) and stands.reported_at is not None
    }


def _count_arms(monitor: Monitor, spec: Experiment, at: datetime | None, *, quiet: bool) -> Arms:
    arms = Arms(spec)
    with open_reader(monitor) as reader:
        for page in _records(reader, monitor, spec, _end(reader, spec, at), quiet=quiet):
            arms.add(page)
    return arms


def _print(one: dict[str, Any]) -> None:
    echo(f"{one['name']}, {one['treatment']} against {one['control']}: {one['verdict']}. {one['reason']}")
    echo(f"counted from {one['counted_from']}; p-value of the split: {one['split_p_value']:.3g}")
    rows = [
        [
            each["metric"],
            each["role"],
            each["control"],
            each["treatment"],
            *(_percent(each["relative"][end]) for end in ("value", "low", "high")),
            each["verdict"],
            f"{each['rows_needed']:,.0f}" if each["rows_needed"] else "-",
        ]
        for each in one["metrics"]
    ]
    heads = ("metric", "role", "control", "treatment", "lift", "from", "to", "says", "rows still needed")
    print_table(heads, rows, "")


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:+.2f} %"


def shadows(config: Config, name: str | None, at: datetime | None, *, answers: bool, as_json: bool, quiet: bool) -> int:
    """Print how every challenger compares with its champion on the same requests, with ``answers`` what both said."""
    monitor = config.monitor(name)
    if not monitor.shadows:
        raise ConfigError(f"{monitor.name} has no `shadows:`; name champion and challenger and the column to join on.")
    held = {} if at else _load_standings(config, monitor, SHADOW)
    told: list[dict[str, Any]] = []
    for spec in monitor.shadows:
        stands = held.get(spec.name)
        pairs = (
            Pairs.from_json(spec, stands.total)
            if stands and stands.total
            else _join_pairs(monitor, spec, at, quiet=quiet)
        )
        names = {"name": spec.name, "champion": spec.champion, "challenger": spec.challenger}
        told.append({**names, "counted_from": _source(stands), **pairs.told()})
        if answers:
            told[-1]["answers"] = _disagreements(monitor, spec, told[-1]["disagreements"][:MOST_ANSWERS])
    if as_json:
        print_json({"monitor": monitor.name, "shadows": told})
        return 0
    for one in told:
        _print_shadow(one)
    return 0


def _join_pairs(monitor: Monitor, spec: Shadow, at: datetime | None, *, quiet: bool) -> Pairs:
    with open_reader(monitor) as reader:
        end = _end(reader, spec, at)
        joiner = Joiner(spec, spec.start, end, max(end - spec.start, monitor.bucket))
        for page in _records(reader, monitor, spec, end, quiet=quiet):
            joiner.add(page)
    ((_, pairs),) = joiner.finish()
    return pairs


def _print_shadow(one: dict[str, Any]) -> None:
    agree = one["agreement"]
    share = "-" if agree["value"] is None else f"{agree['value']:.1%}"
    known = agree["low"] is not None
    interval = f"{agree['low']:.1%} to {agree['high']:.1%}" if known else "too few pairs for an interval"
    echo(
        f"{one['name']}, {one['challenger']} as shadow of {one['champion']}: {one['pairs']} pairs "
        f"({one['unmatched']} records without one), {share} agree ({interval}). Counted from {one['counted_from']}."
    )
    rows = [
        [metric, each["champion"], each["challenger"], *each["difference"].values(), each["verdict"]]
        for metric, each in one["metrics"].items()
    ]
    if rows:
        print_table(("metric", "champion", "challenger", "difference", "from", "to", "says"), rows, "")
    if one["disagreements"]:
        heads = ("request", "severity", "closeness")
        print_table(heads, [[each[head] for head in heads] for each in one["disagreements"][:MOST_ANSWERS]], "")
    for each in one.get("answers", []):
        echo(f"\n{each['request']}\n  {one['champion']}: {each.get('champion')}")
        echo(f"  {one['challenger']}: {each.get('challenger')}")


def _disagreements(monitor: Monitor, spec: Shadow, disagreements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Read from the log what champion and challenger said to some requests."""
    found = []
    with open_reader(monitor) as reader:
        for one in disagreements:
            when, around = datetime.fromisoformat(one["at"]), spec.within + timedelta(seconds=1)
            said: dict[str, Any] = {"request": one["request"]}
            for page in read_pages(reader, monitor, spec, when - around, when + around):
                whose, keys = to_categories(page[spec.arm]), to_categories(page[spec.join])
                for row in np.flatnonzero((keys == one["request"]) & np.isin(whose, [spec.champion, spec.challenger])):
                    side = "champion" if whose[row] == spec.champion else "challenger"
                    missing = page[spec.answer].missing[row]
                    said.setdefault(side, None if missing else str(page[spec.answer].values[row]))
            found.append(said)
    return found


def _source(stands: ComparisonState | None) -> str:
    return f"the daemon's buckets before {stands.next.isoformat()}" if stands else "log"


def _end(reader: Reader, spec: Experiment | Shadow, at: datetime | None) -> datetime:
    return min(at or reader.now(), spec.end or at or reader.now())


def _records(
    reader: Reader, monitor: Monitor, spec: Experiment | Shadow, end: datetime, *, quiet: bool
) -> Iterator[Records]:
    """Yield the pages of a comparison, with a bar that shows how far it is."""
    check_columns(reader, monitor, spec)
    length = max(1, int((end - spec.start).total_seconds()))
    with typer.progressbar(length=length, label=spec.name, hidden=quiet, file=sys.stderr) as bar:
        done = 0
        for page in read_pages(reader, monitor, spec, spec.start, end):
            if len(page["timestamp"]):
                reached = int(float(page["timestamp"].values[-1]) - spec.start.timestamp())
                bar.update(max(0, reached - done))
                done = max(done, reached)
            yield page
