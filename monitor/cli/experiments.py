"""`driftd experiments`: print the results of a monitor's experiments so far."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from monitor.cli.comparisons import describe_source, load_states, open_records
from monitor.cli.options import DEFAULT_CONFIG, AsJson, ConfigOption, CountedUntil, MonitorName, Quiet
from monitor.cli.output import echo, print_json, print_table
from monitor.config.arms import Experiment
from monitor.config.models import ConfigError, Monitor
from monitor.profiling.ab_counts import CHECK, Arms

EXIT = {"win": 0, "no difference": 0, "keep running": 0, "lose": 1, "invalid": 2}


def experiments(
    config: ConfigOption = DEFAULT_CONFIG,
    monitor: MonitorName = None,
    at: CountedUntil = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> int:
    """Print the results of a monitor's experiments so far; results are valid at any time, however often you look.

    Exits 0; 1 when a treatment is worse; 2 when traffic is not split as configured.

    Example: driftd experiments --monitor support-bot --json
    """
    watched = config.monitor(monitor)
    if not watched.experiments:
        raise ConfigError(f"{watched.name} has no `experiments:`; name the arms and what is compared there.")
    states = {} if at else load_states(config, watched, CHECK, watched.experiments)
    results: list[dict[str, Any]] = []
    for spec in watched.experiments:
        state = states.get(spec.name)
        counted = Arms.from_json(spec, state.total) if state and state.total else None
        arms = counted or _count(watched, spec, at, quiet=quiet)
        names = {"name": spec.name, "control": spec.control}
        results += [
            {**names, "treatment": treatment, "counted_from": describe_source(state), **one}
            for treatment, one in arms.summarize(state.report if state else {}, at).items()
        ]
    if as_json:
        print_json({"monitor": watched.name, "experiments": results})
    else:
        for one in results:
            _print(one)
    return max(EXIT[one["verdict"]] for one in results)


def _count(monitor: Monitor, spec: Experiment, at: datetime | None, *, quiet: bool) -> Arms:
    arms = Arms(spec)
    with open_records(monitor, spec, at, quiet=quiet) as (_, pages):
        for page in pages:
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
    heads = ("metric", "role", "control", "treatment", "lift", "from", "to", "verdict", "rows still needed")
    print_table(heads, rows, "")


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:+.2f} %"
