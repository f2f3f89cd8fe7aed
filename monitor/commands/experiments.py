"""`driftd experiments` and `driftd shadows`: what the comparisons of a monitor say so far."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import typer

from detectors.records import Column, unseen
from monitor.arms import Experiment, Shadow
from monitor.commands.build import open_reader
from monitor.commands.show import print_json, print_table
from monitor.config import Config, ConfigError, Monitor
from monitor.engine import build
from monitor.engine.arms import Arms, Shadowed, answers_of, needed
from monitor.engine.learn import with_signals
from monitor.sections import nearest
from monitor.signals import resolve
from monitor.sources.base import Reader

EXIT = {"win": 0, "no difference": 0, "keep running": 0, "lose": 1, "invalid": 2}


def experiments(config: Config, name: str | None, at: datetime | None, *, as_json: bool, quiet: bool) -> int:
    """Print the verdict of every experiment; return 1 when a treatment loses, 2 when a verdict cannot be trusted."""
    monitor = config.monitor(name)
    if not monitor.experiments:
        raise ConfigError(f"{monitor.name} has no `experiments:`; name the arms and what is compared there.")
    told = []
    with open_reader(monitor) as reader:
        for spec in monitor.experiments:
            arms = Arms(spec)
            for page in _records(reader, monitor, spec, at, quiet=quiet):
                arms.add(page)
            told += [_verdict(spec, arms, treatment) for treatment in spec.treatments]
    if as_json:
        print_json({"monitor": monitor.name, "experiments": told})
    else:
        for one in told:
            _print(one)
    return max(EXIT[one["verdict"]] for one in told)


def _verdict(spec: Experiment, arms: Arms, treatment: str) -> dict[str, Any]:
    seen = arms.verdict(treatment)
    return {
        "name": spec.name,
        "control": spec.control,
        "treatment": treatment,
        "verdict": seen.verdict,
        "reason": seen.reason,
        "split_evidence": seen.split_evidence,
        "metrics": answers_of(seen),
    }


def _print(one: dict[str, Any]) -> None:
    typer.echo(f"{one['name']}, {one['treatment']} against {one['control']}: {one['verdict']}. {one['reason']}")
    rows = [
        [
            each["metric"], each["role"], each["control"], each["treatment"],
            *(_percent(each["relative"][end]) for end in ("value", "low", "high")), each["verdict"],
            f"{each['rows_needed']:,.0f}" if each["rows_needed"] not in (0.0, float("inf")) else "-",
        ]
        for each in one["metrics"]
    ]  # fmt: skip
    heads = ("metric", "role", "control", "treatment", "lift", "from", "to", "says", "rows still needed")
    print_table(heads, rows, "")


def _percent(share: float) -> str:
    return f"{100 * share:+.2f} %" if abs(share) < float("inf") else "-"


def shadows(config: Config, name: str | None, at: datetime | None, *, as_json: bool, quiet: bool) -> int:
    """Print how every challenger compares with its champion on the same requests."""
    monitor = config.monitor(name)
    if not monitor.shadows:
        raise ConfigError(f"{monitor.name} has no `shadows:`; name champion and challenger and the column to join on.")
    told = []
    with open_reader(monitor) as reader:
        for spec in monitor.shadows:
            pairs = Shadowed(spec)
            for page in _records(reader, monitor, spec, at, quiet=quiet):
                pairs.add(page)
            told.append({"name": spec.name, "champion": spec.champion, "challenger": spec.challenger, **pairs.told()})
    if as_json:
        print_json({"monitor": monitor.name, "shadows": told})
        return 0
    for one in told:
        agree = one["agreement"]
        typer.echo(
            f"{one['name']}, {one['challenger']} in the shadow of {one['champion']}: {one['pairs']} pairs "
            f"({one['unmatched']} records without one), {agree['value']:.1%} agree "
            f"({agree['low']:.1%} to {agree['high']:.1%})."
        )
        rows = [
            [metric, each["champion"], each["challenger"], *each["difference"].values()]
            for metric, each in one["metrics"].items()
        ]
        print_table(("metric", "champion", "challenger", "difference", "from", "to"), rows, "")
        if one["disagreements"]:
            print_table(("request", "severity"), [list(each.values()) for each in one["disagreements"][:5]], "")
    return 0


def _records(
    reader: Reader, monitor: Monitor, spec: Experiment | Shadow, at: datetime | None, *, quiet: bool
) -> Iterator[dict[str, Column]]:
    """Yield the pages of a comparison, signals added, with a bar that shows how far it is."""
    end = min(at or reader.now(), spec.end or at or reader.now())
    signals = {signal.name: signal for signal in resolve(monitor.signals)}
    asked = needed(spec)
    made = [entry for entry, signal in zip(monitor.signals, signals.values(), strict=True) if signal.name in asked]
    roles = [role for name in asked if name in signals for role in (*signals[name].needs, *signals[name].uses)]
    schema = reader.schema()
    for name in asked:
        if name not in schema and name not in signals:
            known = sorted({*schema, *signals})
            raise ConfigError(
                f"{spec.name}: {name!r} is no column and no signal of {monitor.name}.{nearest(name, known)}"
            )
    columns = [name for name in dict.fromkeys([*asked, *roles, "id"]) if name in schema]
    length = max(1, int((end - spec.start).total_seconds()))
    with typer.progressbar(length=length, label=spec.name, hidden=quiet, file=sys.stderr) as bar:
        done, seen = 0, set[object]()
        for read in build.pages(reader, columns, spec.start, end):
            page = unseen(read, seen)
            if len(page["timestamp"]):
                reached = int(float(page["timestamp"].values[-1]) - spec.start.timestamp())
                bar.update(max(0, reached - done))
                done = max(done, reached)
            yield with_signals(page, made)
