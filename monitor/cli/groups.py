"""Commands of two words: config, db, baseline, actions, silence."""

from __future__ import annotations

import getpass
import json
import os
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.load import load
from monitor.cli.options import DEFAULT, AsJson, ConfigFile, MonitorName, duration
from monitor.cli.output import echo

groups = {
    name: typer.Typer(no_args_is_help=True, help=text)
    for name, text in {
        "config": "Check the configuration, or print its JSON schema.",
        "db": "Manage driftd's own database.",
        "baseline": "Show or relearn the reference data that windows are compared with.",
        "actions": "List, approve, reject and resend messages and effects.",
        "silence": "Mute the alerts of a rule for a limited time.",
    }.items()
}


@groups["config"].command("check")
def config_check(config: ConfigFile = DEFAULT, as_json: AsJson = False) -> None:
    """Check the file, connect to every source, and list each column with its type, null share and role.

    Example: driftd config check --config driftd.yaml
    """
    from monitor.cli import status

    raise typer.Exit(status.config_check(load(config), as_json=as_json))


@groups["config"].command("schema")
def config_schema() -> None:
    """Print the JSON schema of driftd.yaml, for editors.

    Example: driftd config schema > driftd.schema.json
    """
    from monitor.checks.registry import config_models
    from monitor.config.load import json_schema

    echo(json.dumps(json_schema(config_models()), indent=2))


@groups["db"].command("upgrade")
def db_upgrade(config: ConfigFile = DEFAULT) -> None:
    """Migrate driftd's own database to the schema of this version.

    Example: driftd db upgrade
    """
    from monitor.cli.factory import open_store
    from monitor.store import migrate

    with open_store(load(config), upgrade=True) as database, database.read() as connection:
        echo(f"the store is at revision {migrate.current(connection)}")


@groups["baseline"].command("show")
def baseline_show(config: ConfigFile = DEFAULT, monitor: MonitorName = None, as_json: AsJson = False) -> None:
    """Print the baseline: its time range, its rows, and the thresholds learnt from it.

    Example: driftd baseline show --monitor churn
    """
    from monitor.cli import status

    raise typer.Exit(status.show_baseline(load(config), monitor, as_json=as_json))


@groups["baseline"].command("relearn")
def baseline_relearn(config: ConfigFile = DEFAULT, monitor: MonitorName = None) -> None:
    """Retire the baseline; the daemon then learns a new one.

    Example: driftd baseline relearn --monitor churn
    """
    from monitor.cli import status

    status.relearn(load(config), monitor)


@groups["actions"].command("list")
def actions_list(
    config: ConfigFile = DEFAULT,
    state: Annotated[str | None, typer.Option(help="Only actions in this state, such as awaiting_approval.")] = None,
    as_json: AsJson = False,
) -> None:
    """List actions, newest first.

    Example: driftd actions list --state awaiting_approval
    """
    from monitor.cli import status

    status.list_actions(load(config), state, as_json=as_json)


def _decide(config: Path, identity: str, verdict: str) -> None:
    from monitor.cli import status

    status.decide_action(load(config), identity, verdict, caller())


def caller() -> str:
    """Return who decides, for the record."""
    return os.environ.get("DRIFTD_USER") or getpass.getuser()


ActionId = Annotated[str, typer.Argument(help="Id of the action, from `driftd actions list`.")]


@groups["actions"].command("approve")
def actions_approve(identity: ActionId, config: ConfigFile = DEFAULT) -> None:
    """Approve an action that waits for approval; the daemon then sends it.

    Example: driftd actions approve 2f6c3f0e-…
    """
    _decide(config, identity, "approve")


@groups["actions"].command("reject")
def actions_reject(identity: ActionId, config: ConfigFile = DEFAULT) -> None:
    """Reject an action that waits for approval.

    Example: driftd actions reject 2f6c3f0e-…
    """
    _decide(config, identity, "reject")


@groups["actions"].command("replay")
def actions_replay(identity: ActionId, config: ConfigFile = DEFAULT) -> None:
    """Send a failed action again, with the same id.

    Example: driftd actions replay 2f6c3f0e-…
    """
    _decide(config, identity, "replay")


@groups["silence"].command("add")
def silence_add(
    length: Annotated[str, typer.Option("--for", help="Duration, such as 2h.")],
    monitor: Annotated[str, typer.Option("--monitor", "-m", help="Name of the monitor, or * for all.")],
    rule: Annotated[
        str, typer.Option(help="Name of the rule, experiment.NAME, shadow.NAME, breaker.NAME, or * for all.")
    ] = "*",
    comment: Annotated[str, typer.Option(help="Reason, shown in the list of silences.")] = "",
    config: ConfigFile = DEFAULT,
) -> None:
    """Mute the alerts of a rule for a limited time; its incidents are still recorded.

    Example: driftd silence add --monitor churn --for 2h --comment "planned import"
    """
    from monitor.cli import status

    status.add_silence(load(config), monitor, rule, duration(length), comment, getpass.getuser())


@groups["silence"].command("list")
def silence_list(config: ConfigFile = DEFAULT, as_json: AsJson = False) -> None:
    """List active silences.

    Example: driftd silence list
    """
    from monitor.cli import status

    status.list_silences(load(config), as_json=as_json)


@groups["silence"].command("end")
def silence_end(
    number: Annotated[int, typer.Argument(help="Number of the silence, from `driftd silence list`.")],
    config: ConfigFile = DEFAULT,
) -> None:
    """End a silence now.

    Example: driftd silence end 3
    """
    from monitor.cli import status

    status.end_silence(load(config), number)
