"""`driftd shadows`: compare challengers with champions on the same requests."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

import numpy as np
import typer

from detectors.binning import to_categories
from monitor.cli.comparisons import describe_source, load_states, open_records
from monitor.cli.connections import open_reader
from monitor.cli.options import DEFAULT_CONFIG, AsJson, ConfigOption, CountedUntil, MonitorName, Quiet
from monitor.cli.output import echo, print_json, print_table
from monitor.config.arms import Shadow
from monitor.config.models import ConfigError, Monitor
from monitor.profiling.comparison_reads import read_pages
from monitor.profiling.shadow_join import CHECK, Joiner, Pairs

MOST_ANSWERS = 5
"""Maximum number of disagreements that are printed and whose answers are read."""


def shadows(
    config: ConfigOption = DEFAULT_CONFIG,
    monitor: MonitorName = None,
    at: CountedUntil = None,
    answers: Annotated[
        bool, typer.Option(help="Show both answers of the worst disagreements; read from the source, never stored.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compare challengers with their champions on the same requests.

    Example: driftd shadows --monitor support-bot --json
    """
    watched = config.monitor(monitor)
    if not watched.shadows:
        raise ConfigError(f"{watched.name} has no `shadows:`; name champion and challenger and the column to join on.")
    states = {} if at else load_states(config, watched, CHECK, watched.shadows)
    results: list[dict[str, Any]] = []
    for spec in watched.shadows:
        state = states.get(spec.name)
        counted = Pairs.from_json(spec, state.total) if state and state.total else None
        pairs = counted or _count(watched, spec, at, quiet=quiet)
        names = {"name": spec.name, "champion": spec.champion, "challenger": spec.challenger}
        results.append({**names, "counted_from": describe_source(state), **pairs.summarize()})
        if answers:
            results[-1]["answers"] = _read_answers(watched, spec, results[-1]["disagreements"][:MOST_ANSWERS])
    if as_json:
        print_json({"monitor": watched.name, "shadows": results})
    else:
        for one in results:
            _print(one)


def _count(monitor: Monitor, spec: Shadow, at: datetime | None, *, quiet: bool) -> Pairs:
    with open_records(monitor, spec, at, quiet=quiet) as (end, pages):
        joiner = Joiner(spec, spec.start, end, max(end - spec.start, monitor.bucket))
        for page in pages:
            joiner.add(page)
    ((_, pairs),) = joiner.finish()
    return pairs


def _print(one: dict[str, Any]) -> None:
    agree = one["agreement"]
    share = "-" if agree["value"] is None else f"{agree['value']:.1%}"
    has_interval = agree["low"] is not None
    interval = f"{agree['low']:.1%} to {agree['high']:.1%}" if has_interval else "too few pairs for an interval"
    echo(
        f"{one['name']}, {one['challenger']} as shadow of {one['champion']}: {one['pairs']} pairs "
        f"({one['unmatched']} records without one), {share} agree ({interval}). Counted from {one['counted_from']}."
    )
    rows = [
        [metric, each["champion"], each["challenger"], *each["difference"].values(), each["verdict"]]
        for metric, each in one["metrics"].items()
    ]
    if rows:
        print_table(("metric", "champion", "challenger", "difference", "from", "to", "verdict"), rows, "")
    if one["disagreements"]:
        heads = ("request", "severity", "closeness")
        print_table(heads, [[each[head] for head in heads] for each in one["disagreements"][:MOST_ANSWERS]], "")
    for each in one.get("answers", []):
        echo(f"\n{each['request']}\n  {one['champion']}: {each.get('champion')}")
        echo(f"  {one['challenger']}: {each.get('challenger')}")


def _read_answers(monitor: Monitor, spec: Shadow, disagreements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Read the answers of champion and challenger to some requests from the source."""
    answers = []
    with open_reader(monitor) as reader:
        for one in disagreements:
            when, around = datetime.fromisoformat(one["at"]), spec.within + timedelta(seconds=1)
            answer: dict[str, Any] = {"request": one["request"]}
            for page in read_pages(reader, monitor, spec, when - around, when + around):
                whose, keys = to_categories(page[spec.arm]), to_categories(page[spec.join])
                for row in np.flatnonzero((keys == one["request"]) & np.isin(whose, [spec.champion, spec.challenger])):
                    side = "champion" if whose[row] == spec.champion else "challenger"
                    missing = page[spec.answer].missing[row]
                    answer.setdefault(side, None if missing else str(page[spec.answer].values[row]))
            answers.append(answer)
    return answers
