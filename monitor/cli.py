"""The command line: names, options, examples. What the commands do is in :mod:`monitor.commands`."""

from __future__ import annotations

import getpass
import json
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic_core import PydanticCustomError

from monitor import __version__, log
from monitor.config import Config, ConfigError
from monitor.configfile import load
from monitor.sections import parse_duration, parse_time
from monitor.sources.base import SourceError
from monitor.store.database import DatabaseError, StoreError

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)
groups = {
    name: typer.Typer(no_args_is_help=True, help=text)
    for name, text in {
        "config": "Check the configuration, or print its JSON schema.",
        "db": "Our own database.",
        "baseline": "What windows are compared with.",
        "actions": "The outbox: what was done, what waits for approval.",
        "silence": "Keep a rule from telling anybody for a while.",
    }.items()
}
for name, group in groups.items():
    app.add_typer(group, name=name)

ConfigFile = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="DRIFTD_CONFIG", help="The configuration file.", metavar="FILE"),
]
MonitorName = Annotated[str | None, typer.Option("--monitor", "-m", help="The monitor; not needed when there is one.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")]
DEFAULT = Path("driftd.yaml")


def moment(text: str) -> datetime:
    """Read a time given on the command line."""
    try:
        value = parse_time(text)
    except PydanticCustomError as error:
        raise ConfigError(f"{text!r}: {error.message()}.") from None
    if not isinstance(value, datetime):
        raise ConfigError(f"{text!r} is no time.")
    return value


@app.callback()
def root(
    level: Annotated[
        str, typer.Option("--log-level", envvar="DRIFTD_LOG_LEVEL", help="debug, info, warning.")
    ] = "info",
) -> None:
    """Keep a model or an LLM application honest in production.

    Start with `driftd demo`, then `driftd init --url URL --table TABLE`, `driftd config check`, `driftd check`,
    and `driftd run`.
    """
    if level.lower() not in ("debug", "info", "warning", "error"):
        raise ConfigError(f"--log-level {level!r} is not known. Allowed: debug, info, warning, error.")
    log.set_up(level)


@app.command()
def init(
    url: Annotated[str, typer.Option(help="The database that the application logs to.")],
    table: Annotated[str | None, typer.Option(help="The table or view.")] = None,
    preset: Annotated[str | None, typer.Option(help="litellm or otel, instead of a table.")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")] = DEFAULT,
) -> None:
    """Probe a database and write a first driftd.yaml.

    Example: driftd init --url postgresql://reader@logs/app --table predictions
    """
    from monitor.commands.init import write_config

    write_config(url, table, preset, out)


@app.command()
def demo(
    serve: Annotated[bool, typer.Option(help="Leave the page and /metrics running until interrupted.")] = True,
    as_json: AsJson = False,
    folder: Annotated[Path | None, typer.Option(help="Keep the databases here.")] = None,
    listen: Annotated[str, typer.Option(help="Where the page is shown.")] = "127.0.0.1:9478",
) -> None:
    """Watch a real model swap: real answers, real arrival times, nothing scripted.

    Example: driftd demo --no-serve --json
    """
    from monitor.demo import run_demo

    raise typer.Exit(run_demo(serve=serve, as_json=as_json, folder=folder, listen=listen))


@app.command()
def run(config: ConfigFile = DEFAULT) -> None:
    """Run the daemon until SIGTERM or SIGINT.

    Example: driftd run --config /etc/driftd/driftd.yaml
    """
    from monitor.commands.operate import run as run_daemon

    run_daemon(load(config))


@app.command()
def check(
    config: ConfigFile = DEFAULT,
    monitor: MonitorName = None,
    at: Annotated[str | None, typer.Option(help="The end of the window, ISO 8601; by default now.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare one window with its baseline and exit 0 healthy, 1 firing, 2 could not tell.

    Example: driftd check --monitor churn --at 2026-11-20T12:00:00Z --json
    """
    from monitor.commands.operate import check_once

    raise typer.Exit(check_once(load(config), monitor, moment(at) if at else None, as_json=as_json))


@app.command()
def backfill(
    start: Annotated[str, typer.Option("--from", help="ISO 8601 date or time.")],
    end: Annotated[str, typer.Option("--to", help="ISO 8601 date or time.")],
    config: ConfigFile = DEFAULT,
    monitor: MonitorName = None,
    quiet: Quiet = False,
) -> None:
    """Compute the buckets of the past; nobody is paged for them.

    Example: driftd backfill --monitor churn --from 2026-11-01 --to 2026-11-08
    """
    from monitor.commands.operate import backfill as compute

    raise typer.Exit(compute(load(config), monitor, moment(start), moment(end), quiet=quiet))


@app.command()
def status(config: ConfigFile = DEFAULT, as_json: AsJson = False) -> None:
    """Print every monitor as it stands; exits 0 healthy, 1 firing, 2 could not tell.

    Example: driftd status --json
    """
    from monitor.commands import look

    raise typer.Exit(look.status(load(config), as_json=as_json))


@app.command()
def incidents(
    config: ConfigFile = DEFAULT,
    monitor: MonitorName = None,
    only_open: Annotated[bool, typer.Option("--open", help="Leave resolved ones out.")] = False,
    as_json: AsJson = False,
) -> None:
    """List incidents, newest first, each transition with its reason.

    Example: driftd incidents --open --json
    """
    from monitor.commands import look

    look.list_incidents(load(config), monitor, only_open=only_open, as_json=as_json)


@app.command()
def report(
    config: ConfigFile = DEFAULT,
    monitor: MonitorName = None,
    at: Annotated[str | None, typer.Option(help="The end of the window, ISO 8601; by default now.")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The HTML file to write.")] = Path("report.html"),
) -> None:
    """Write an Evidently report of a window's sample against its baseline's.

    Example: driftd report --monitor churn --at 2026-11-20T12:00:00Z -o churn.html
    """
    from monitor.commands.report import write

    write(load(config), monitor, moment(at) if at else None, out)


@app.command(name="import")
def import_(
    file: Annotated[Path, typer.Argument(help="A .csv, .tsv, .jsonl or .parquet file.")],
    url: Annotated[str, typer.Option("--to", help="The database to append to.")],
    table: Annotated[str, typer.Option(help="The table; made when it is not there.")] = "records",
    quiet: Quiet = False,
) -> None:
    """Append a file of records to a table, so that it can be watched.

    Example: driftd import log.parquet --to sqlite:///log.db --table records
    """
    from monitor.commands.operate import import_file

    raise typer.Exit(import_file(file, url, table, quiet=quiet))


@app.command()
def health(listen: Annotated[str, typer.Option(help="Where the daemon listens.")] = "127.0.0.1:9478") -> None:
    """Exit 0 when the daemon on this host answers; for container health checks.

    Example: driftd health --listen 127.0.0.1:9478
    """
    import httpx

    try:
        answer = httpx.get(f"http://{listen}/healthz", timeout=3, trust_env=False)
    except httpx.HTTPError as error:
        typer.echo(f"nothing answers at {listen}: {type(error).__name__}", err=True)
        raise typer.Exit(1) from None
    raise typer.Exit(0 if answer.is_success else 1)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


@groups["config"].command("check")
def config_check(config: ConfigFile = DEFAULT, as_json: AsJson = False) -> None:
    """Check the file, connect to every source, and list each column with its type, null share and role.

    Example: driftd config check --config driftd.yaml
    """
    from monitor.commands import look

    raise typer.Exit(look.config_check(load(config), as_json=as_json))


@groups["config"].command("schema")
def config_schema() -> None:
    """Print the JSON schema of driftd.yaml, for editors.

    Example: driftd config schema > driftd.schema.json
    """
    typer.echo(json.dumps(Config.model_json_schema(by_alias=True), indent=2))


@groups["db"].command("upgrade")
def db_upgrade(config: ConfigFile = DEFAULT) -> None:
    """Bring our own database to the schema of this version.

    Example: driftd db upgrade
    """
    from monitor.commands.build import open_store
    from monitor.store import migrate

    with open_store(load(config), upgrade=True) as database, database.read() as connection:
        typer.echo(f"the store is at revision {migrate.current(connection)}")


@groups["baseline"].command("show")
def baseline_show(config: ConfigFile = DEFAULT, monitor: MonitorName = None, as_json: AsJson = False) -> None:
    """Print what windows are compared with.

    Example: driftd baseline show --monitor churn
    """
    from monitor.commands import look

    raise typer.Exit(look.show_baseline(load(config), monitor, as_json=as_json))


@groups["baseline"].command("relearn")
def baseline_relearn(config: ConfigFile = DEFAULT, monitor: MonitorName = None) -> None:
    """Drop the baseline, so that the daemon learns a new one.

    Example: driftd baseline relearn --monitor churn
    """
    from monitor.commands import look

    look.relearn(load(config), monitor)


@groups["actions"].command("list")
def actions_list(
    config: ConfigFile = DEFAULT,
    state: Annotated[str | None, typer.Option(help="For instance awaiting_approval.")] = None,
    as_json: AsJson = False,
) -> None:
    """List actions, newest first.

    Example: driftd actions list --state awaiting_approval
    """
    from monitor.commands import look

    look.list_actions(load(config), state, as_json=as_json)


def _decide(config: Path, identity: str, verdict: str) -> None:
    from monitor.commands import look

    look.decide_action(load(config), identity, verdict, os.environ.get("DRIFTD_USER") or getpass.getuser())


ActionId = Annotated[str, typer.Argument(help="The id, from `driftd actions list`.")]


@groups["actions"].command("approve")
def actions_approve(identity: ActionId, config: ConfigFile = DEFAULT) -> None:
    """Send an action that waits for approval.

    Example: driftd actions approve 2f6c3f0e-…
    """
    _decide(config, identity, "approve")


@groups["actions"].command("reject")
def actions_reject(identity: ActionId, config: ConfigFile = DEFAULT) -> None:
    """Drop an action that waits for approval.

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
    length: Annotated[str, typer.Option("--for", help="How long, such as 2h.")],
    monitor: Annotated[str, typer.Option("--monitor", "-m", help="The monitor, or * for all.")],
    rule: Annotated[str, typer.Option(help="The rule's name, or * for all.")] = "*",
    comment: Annotated[str, typer.Option(help="Why.")] = "",
    config: ConfigFile = DEFAULT,
) -> None:
    """Keep a rule from telling anybody for a while; it is judged all the same.

    Example: driftd silence add --monitor churn --for 2h --comment "planned import"
    """
    from monitor.commands import look

    try:
        span: Any = parse_duration(length)
    except PydanticCustomError as error:
        raise ConfigError(f"--for {length!r}: {error.message()}.") from None
    look.add_silence(load(config), monitor, rule, span, comment, getpass.getuser())


@groups["silence"].command("list")
def silence_list(config: ConfigFile = DEFAULT, as_json: AsJson = False) -> None:
    """List the silences that have not ended.

    Example: driftd silence list
    """
    from monitor.commands import look

    look.list_silences(load(config), as_json=as_json)


@groups["silence"].command("end")
def silence_end(number: Annotated[int, typer.Argument(help="The number.")], config: ConfigFile = DEFAULT) -> None:
    """End a silence now.

    Example: driftd silence end 3
    """
    from monitor.commands import look

    look.end_silence(load(config), number)


def main() -> None:
    """Run the command line; what can be explained ends in a sentence and exit code 2."""
    try:
        app()
    except (ConfigError, SourceError, StoreError) as error:
        typer.echo(str(error), err=True)
        sys.exit(2)
    except DatabaseError as error:
        typer.echo(f"the store failed: {str(getattr(error, 'orig', error)).strip()}. Check `store:`.", err=True)
        sys.exit(2)
