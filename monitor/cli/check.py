"""`driftd check`: compare one window with its baseline."""

from __future__ import annotations

from typing import Any

from monitor.alerting.suspects import describe_suspect
from monitor.cli.baseline_notes import print_baseline_notes
from monitor.cli.connections import open_reader
from monitor.cli.options import DEFAULT_CONFIG, AsJson, ConfigOption, MonitorName, WindowEnd
from monitor.cli.output import count_actions, echo, print_json, print_table
from monitor.jobs.one_shot import EXIT
from monitor.jobs.one_shot import check as check_window
from monitor.sources.base import SourceError


def check(
    config: ConfigOption = DEFAULT_CONFIG,
    monitor: MonitorName = None,
    at: WindowEnd = None,
    as_json: AsJson = False,
) -> int:
    """Compare one window with its baseline; exits 0 healthy, 1 firing, 2 unknown.

    Example: driftd check --monitor churn --at 2026-11-20T12:00:00Z --json
    """
    monitors = [config.monitor(monitor)] if monitor or len(config.monitors) == 1 else config.monitors
    verdicts = []
    for one in monitors:
        try:
            with open_reader(one) as reader:
                verdicts.append(check_window(reader, one, at or reader.now(), config.receivers))
        except SourceError as error:
            reason = f"{error.reason}: {error}"
            verdicts.append({"monitor": one.name, "window": None, "status": "error", "reason": reason, "findings": []})
    if as_json:
        print_json(verdicts[0] if len(verdicts) == 1 else verdicts)
    else:
        for verdict in verdicts:
            _print(verdict)
    codes = [EXIT[verdict["status"]] for verdict in verdicts]
    return 1 if 1 in codes else max(codes)


def _print(verdict: dict[str, Any]) -> None:
    echo(f"{verdict['monitor']}: {verdict['status']}: {verdict['reason']}")
    if labelled := verdict.get("labelled_window"):
        echo(f"labels are of the records from {labelled['start']} to {labelled['end']}")
    if note := verdict.get("note"):
        echo(f"note: {note}")
    if suspect := verdict.get("suspected_change"):
        echo(f"suspected: {describe_suspect(suspect)}, first seen {suspect['first_seen']}")
    print_baseline_notes(verdict.get("baseline"))
    if actions := verdict.get("actions"):
        echo(f"the daemon would plan: {count_actions(actions)}")
    columns = ("status", "check", "column", "statistic", "threshold", "segment", "method", "n_window", "reason")
    rows = [[finding[name] for name in columns] for finding in verdict["findings"]]
    print_table(columns, rows, "no findings")
