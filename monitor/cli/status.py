"""Commands that only look, and those by which people decide: approve, reject, silence."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from detectors.family import classify
from detectors.null_distribution import NullDistribution
from detectors.quality.traffic import VOLUME_FLOOR
from detectors.season import ALL_TIMES
from monitor.baselines.definition import definition
from monitor.checks.anchor import notes_on
from monitor.checks.calibration import Calibration
from monitor.checks.methods import METHODS
from monitor.checks.sensitivity import list_sensitivity
from monitor.cli.candidate import candidate_notes, print_baseline_notes, print_sensitivity
from monitor.cli.factory import open_reader, open_store
from monitor.cli.output import echo, print_json, print_table
from monitor.config.models import Config, ConfigError
from monitor.core.clock import SystemClock
from monitor.core.plain import plain
from monitor.metrics.monitor_status import exit_code, monitor_status
from monitor.profiling.features import choose
from monitor.sources.base import SourceError
from monitor.sources.readiness import future_note
from monitor.store import baselines, incidents, outbox, reads


def config_check(config: Config, *, as_json: bool) -> int:
    """Connect to every source and list its columns, with what each is used for. Returns the exit code."""
    for warning in config.deprecations:
        echo(f"warning: {warning}", err=True)
    described: list[dict[str, Any]] = []
    for monitor in config.monitors:
        entry: dict[str, Any] = {"monitor": monitor.name, "columns": [], "error": None, "notes": [], "baseline": None}
        try:
            with open_reader(monitor) as reader:
                columns = reader.describe()
                used = {choice.name: choice for choice in choose(monitor, columns)}
                entry["columns"] = [_column(column, used.get(column.name)) for column in columns]
                entry["notes"] += [
                    f"the column {choice.name!r} is {choice.reason}; take it out of `features:`, or log a hash."
                    for choice in used.values()
                    if choice.personal
                ]
                if reader.quiet_since(reader.now()) is None:
                    entry["notes"].append(
                        "open transactions cannot be seen; `GRANT pg_read_all_stats TO` the reader seals exactly."
                    )
                if (note := future_note(columns, reader.now())) is not None:
                    entry["notes"].append(note)
                review, notes = candidate_notes(reader, monitor)
                entry["baseline"] = review.to_json() if review else None
                entry["notes"] += [f"baseline: {note}" for note in notes]
        except (SourceError, ConfigError) as error:
            entry["error"] = str(error)
        described.append(entry)
    if as_json:
        print_json(described)
    else:
        for entry in described:
            echo(f"{entry['monitor']}: {entry['error'] or 'the source can be read'}")
            heads = ("column", "type", "database_type", "null_share", "role", "watched", "why")
            print_table(heads, [[c[head] for head in heads] for c in entry["columns"]], "no columns")
            for note in entry["notes"]:
                echo(f"  note: {note}")
    return 2 if any(entry["error"] for entry in described) else 0


def _column(column: Any, choice: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "column": column.column,
        "name": column.name,
        "type": column.type,
        "database_type": column.database_type,
        "null_share": column.null_share,
        "role": column.role,
        "watched": choice.kind if choice else None,
        "why": choice.reason if choice else "not configured",
    }


def status(config: Config, *, as_json: bool) -> int:
    """Print the status of every monitor; returns 1 if one is firing, 2 if the state of one is unknown."""
    with open_store(config) as database:
        state = reads.snapshot(database, config)
    rows = [_monitor_row(one, config.monitor(one.name).bucket, state.at) for one in state.monitors]
    if as_json:
        told = [row | {"estimates": list(one.record)} for row, one in zip(rows, state.monitors, strict=True)]
        print_json({"at": state.at, "monitors": told})
    else:
        heads = ("monitor", "state", "newest_bucket", "rows", "open_incidents", "baseline", "detail")
        print_table(heads, [[row[head] for head in heads] for row in rows], "no monitor")
        for monitor in state.monitors:
            for row in monitor.record:
                echo(
                    f"{monitor.name}: the estimated {row['metric']} was {row['mean_distance']:.3g} from the truth on "
                    f"average over {row['windows']} labelled windows; the truth lay in the interval, on average "
                    f"{row['mean_width']:.3g} wide, in {row['within_interval']:.0%} of them ({row['low']:.0%} to "
                    f"{row['high']:.0%}; {row['nominal']:.0%} is nominal)"
                )
    return exit_code(row["state"] for row in rows)


def _monitor_row(monitor: reads.MonitorState, bucket: timedelta, at: datetime) -> dict[str, Any]:
    status = monitor_status(monitor, bucket, at)
    return {
        "monitor": monitor.name,
        "state": status.state,
        "newest_bucket": monitor.newest.start if monitor.newest else None,
        "rows": monitor.newest.source_rows if monitor.newest else None,
        "open_incidents": len(monitor.open),
        "baseline": f"{monitor.baseline.rows} rows" if monitor.baseline else None,
        "detail": status.detail,
    }


def list_incidents(config: Config, name: str | None, *, only_open: bool, as_json: bool) -> None:
    """Print incidents with the reasons of their state changes."""
    with open_store(config) as database, database.read() as connection:
        rows = reads.incident_rows(connection, name, only_open=only_open)
        told = [{**plain(row), "transitions": plain(reads.transition_rows(connection, row.id))} for row in rows]
    if as_json:
        print_json(told)
        return
    heads = ("id", "monitor", "rule", "severity", "state", "opened_at", "resolved_at", "reason")
    print_table(heads, [[getattr(row, head) for head in heads] for row in rows], "no incidents")


def list_actions(config: Config, state: str | None, *, as_json: bool) -> None:
    """Print the outbox."""
    with open_store(config) as database, database.read() as connection:
        rows = reads.action_rows(connection, state=state)
    if as_json:
        print_json(rows)
        return
    heads = ("id", "monitor", "name", "kind", "mode", "state", "attempts", "not_after", "reason")
    print_table(heads, [[getattr(row, head) for head in heads] for row in rows], "no actions")


def decide_action(config: Config, identity: str, verdict: str, who: str) -> None:
    """Approve, reject or replay one action."""
    clock = SystemClock()
    with open_store(config) as database, database.write() as connection:
        if verdict == "replay":
            if not outbox.replay(connection, identity, clock.now()):
                raise ConfigError(f"there is no failed action {identity!r}; `driftd actions list` shows all actions.")
            echo("the action will be sent again, with the same id")
            return
        wanted = "pending" if verdict == "approve" else "rejected"
        now_in = outbox.resolve_approval(connection, identity, wanted, f"{verdict}d by {who}", clock.now())
    if now_in is None:
        raise ConfigError(f"there is no action {identity!r}; `driftd actions list` shows all actions.")
    if now_in != wanted:
        raise ConfigError(f"the action is {now_in!r}, not awaiting approval; nothing was changed.")
    echo(f"the action is {now_in}")


def show_baseline(config: Config, name: str | None, *, as_json: bool) -> int:
    """Print what windows are compared with; returns 2 when there is no baseline."""
    monitor = config.monitor(name)
    with open_store(config) as database, database.read() as connection:
        baseline = baselines.newest(connection, monitor.name, definition(monitor))
    if baseline is None:
        echo(f"{monitor.name} has no baseline yet; `driftd run` or `driftd backfill` learns it.", err=True)
        return 2
    columns = [
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
        for column, layout in baseline.layouts.items()
        for profile in [baseline.profiles.get(None, {}).get(column)]
        if profile is not None
        for family in [classify(profile)]
    ]
    told = describe_calibration(baseline.calibration)
    said = {
        "monitor": monitor.name,
        "state": baseline.state,
        "rows": baseline.rows,
        "from": baseline.start,
        "to": baseline.end,
        "columns": columns,
        "calibration": told,
        "review": baseline.review.to_json() if baseline.review else None,
        "notes": notes_on(baseline),
    }
    if as_json:
        print_json(said)
    else:
        echo(f"{monitor.name}: {baseline.state}, {baseline.rows} rows, {baseline.start} to {baseline.end}")
        print_baseline_notes({"notes": said["notes"]})
        heads = ("column", "kind", "family", "bins", "n", "missing", "mean", "min", "max")
        print_table(heads, [[c[head] for head in heads] for c in columns], "no columns yet")
        _print_calibration(told)
    return 0


def describe_calibration(calibration: Calibration) -> dict[str, Any]:
    """Return the thresholds of a baseline as plain data, the check that costs the most pages first."""
    limit = calibration.limit
    checks = [
        _describe_check(calibration, key, null)
        for key, null in sorted(calibration.nulls.items(), key=lambda item: (-item[1].expected, item[0]))
    ]
    whole = limit.to_json() if limit else {}
    return {
        "reason": calibration.reason,
        "budget_per_week": whole.get("budget"),
        "expected_pages_per_week": whole.get("expected"),
        "expected_low": whole.get("low"),
        "expected_high": whole.get("high"),
        "weeks": whole.get("weeks"),
        "extrapolation": whole.get("beyond"),
        "rarity": whole.get("rarity"),
        "seasons": dict(calibration.seasons),
        "set_apart": [check for check in checks if check["own_limit"]],
        "unusual": {column: list(stretches) for column, stretches in calibration.unusual.items()},
        "sensitivity": list_sensitivity(calibration),
        "checks": checks,
    }


def _describe_check(calibration: Calibration, key: str, null: NullDistribution) -> dict[str, Any]:
    check, column, method, segment = calibration.subjects[key]
    floor = METHODS[method].floor if method in METHODS else VOLUME_FLOOR
    calibrated = calibration.calibrated(key)
    return {
        "check": check,
        "column": column,
        "method": method,
        "segment": segment,
        "null_50": null.quantiles[0],
        "null_90": null.quantiles[1],
        "null_99": null.quantiles[2],
        "null_max": null.quantiles[3],
        "threshold": max(floor, calibrated.threshold(null.noise)) if calibrated else None,
        "own_limit": null.limit is not None,
        "expected_pages_per_week": null.expected,
        "season": calibration.seasons.get(column or "", ALL_TIMES),
    }


def _print_calibration(told: dict[str, Any]) -> None:
    echo(f"thresholds: {told['reason']}")
    if told["budget_per_week"] is not None:
        echo(
            f"expected: {told['expected_pages_per_week']:.2g} false alerts a week, "
            f"{told['budget_per_week']:.2g} allowed "
            f"(95 % interval {told['expected_low']:.2g} to {told['expected_high']:.2g})"
        )
    print_sensitivity(told["sensitivity"])
    for column, season in told["seasons"].items():
        echo(f"  {column}: compared with the same {season}")
    for column, stretches in told["unusual"].items():
        for start, end in stretches:
            echo(f"  {column}: an unusual period was left out when thresholds were learnt: {start} to {end}")
    for check in told["set_apart"]:
        echo(
            f"  {check['column'] or check['check']}: {check['method']} behaves unlike the other statistics on "
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
    print_table(heads, [[check[head] for head in heads] for check in told["checks"]], "no check is calibrated")


def relearn(config: Config, name: str | None) -> None:
    """Drop a monitor's baseline, so that the daemon learns a new one."""
    monitor = config.monitor(name)
    with open_store(config) as database, database.write() as connection:
        baselines.retire(connection, monitor.name)
    echo(f"the baseline of {monitor.name} is retired; `driftd run` learns a new one")


def add_silence(config: Config, name: str, rule: str, length: timedelta, comment: str, who: str) -> None:
    """Mute the alerts of a rule for a limited time; its incidents are still recorded."""
    if name != "*":
        config.monitor(name)
    now = SystemClock().now()
    row = {
        "monitor": name,
        "rule": rule,
        "starts_at": now,
        "ends_at": now + length,
        "comment": comment[:256],
        "created_by": who[:128],
    }
    with open_store(config) as database, database.write() as connection:
        number = incidents.add_silence(connection, row)
    echo(f"silence #{number} until {row['ends_at']:%Y-%m-%d %H:%M} UTC")


def list_silences(config: Config, *, as_json: bool) -> None:
    """Print the silences that have not ended."""
    with open_store(config) as database, database.read() as connection:
        rows = incidents.list_silences(connection, SystemClock().now())
    if as_json:
        print_json(list(rows))
        return
    heads = ("id", "monitor", "rule", "starts_at", "ends_at", "created_by", "comment")
    print_table(heads, [[getattr(row, head) for head in heads] for row in rows], "no silences")


def end_silence(config: Config, number: int) -> None:
    """End a silence now."""
    with open_store(config) as database, database.write() as connection:
        if not incidents.end_silence(connection, number, SystemClock().now()):
            raise ConfigError(f"there is no silence #{number}; `driftd silence list` shows them.")
    echo(f"silence #{number} has ended")
