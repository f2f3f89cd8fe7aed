"""The command line: names, options, examples. What the commands do is in the other modules of the package.

What a command needs is imported when it runs: a container asks `driftd health` every few seconds.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from monitor import __version__
from monitor.cli.breakers_group import breakers
from monitor.cli.eval_group import group as eval_group
from monitor.cli.groups import groups
from monitor.cli.labels_group import labels
from monitor.cli.load import load
from monitor.cli.options import DEFAULT, AsJson, ConfigFile, MonitorName, Quiet, Version, moment
from monitor.cli.output import echo
from monitor.cli.prompts_group import prompts
from monitor.config.presets import PRESETS

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)
for name, group in groups.items():
    app.add_typer(group, name=name)
app.add_typer(prompts, name="prompts")
app.add_typer(labels, name="labels")
app.add_typer(breakers, name="breakers")
app.add_typer(eval_group, name="eval")


SILENT = ("health", "version")
"""Commands that log nothing, so that they need not wait for the logging to be imported."""


@app.callback()
def root(
    context: typer.Context,
    level: Annotated[
        str, typer.Option("--log-level", envvar="DRIFTD_LOG_LEVEL", help="debug, info, warning.")
    ] = "info",
    version: Version = False,
) -> None:
    """Monitor machine-learning models and LLM applications in production.

    Start with `driftd demo`, then `driftd init --url URL --table TABLE`, `driftd config check`, `driftd check`,
    and `driftd run`.
    """
    if level.lower() not in ("debug", "info", "warning", "error"):
        from monitor.core.yamlfile import ConfigError

        raise ConfigError(f"--log-level {level!r} is not known. Allowed: debug, info, warning, error.")
    if context.invoked_subcommand not in SILENT:
        from monitor.core import log

        log.set_up(level)


@app.command()
def init(
    url: Annotated[str, typer.Option(help="The database that the application logs to.")],
    table: Annotated[
        str | None,
        typer.Option(
            help="The table or view to read; with --preset, only when its name differs from the tool's default."
        ),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help=f"Format of a known tool: {', '.join(PRESETS)}; auto detects it.")
    ] = None,
    where: Annotated[str | None, typer.Option(help="SQL condition that selects rows; only with --preset.")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Write the configuration to this file.")] = DEFAULT,
) -> None:
    """Inspect a database, write a first driftd.yaml for its table, and list what cannot be monitored.

    Example: driftd init --url postgresql://reader@logs/litellm --preset auto
    """
    from monitor.cli.init import write_config

    write_config(url, table, preset, where, out)


@app.command()
def readiness(config: ConfigFile = DEFAULT, monitor: MonitorName = None, as_json: AsJson = False) -> None:
    """List what each monitor can measure, which columns are missing for the rest, and how to log them.

    Example: driftd readiness --json
    """
    from monitor.cli.readiness import readiness as report

    raise typer.Exit(report(load(config), monitor, as_json=as_json))


@app.command()
def demo(
    serve: Annotated[bool, typer.Option(help="Keep the web interface and /metrics running until interrupted.")] = True,
    as_json: AsJson = False,
    folder: Annotated[
        Path | None, typer.Option(help="Keep the databases in this folder; by default they are deleted at the end.")
    ] = None,
    listen: Annotated[str, typer.Option(help="Address of the web interface, HOST:PORT.")] = "127.0.0.1:9478",
) -> None:
    """Run driftd on a recorded model swap: recorded answers and arrival times, one simulated hour.

    Example: driftd demo --no-serve --json
    """
    from monitor.cli.demo import run_demo

    raise typer.Exit(run_demo(serve=serve, as_json=as_json, folder=folder, listen=listen))


@app.command()
def run(config: ConfigFile = DEFAULT) -> None:
    """Run the daemon until SIGTERM or SIGINT.

    Example: driftd run --config /etc/driftd/driftd.yaml
    """
    from monitor.cli.run import run as run_daemon

    run_daemon(load(config))


@app.command()
def check(
    config: ConfigFile = DEFAULT,
    monitor: MonitorName = None,
    at: Annotated[str | None, typer.Option(help="End of the window, ISO 8601; default: now.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare one window with its baseline; exits 0 healthy, 1 firing, 2 unknown.

    Example: driftd check --monitor churn --at 2026-11-20T12:00:00Z --json
    """
    from monitor.cli.run import check_once

    raise typer.Exit(check_once(load(config), monitor, moment(at) if at else None, as_json=as_json))


@app.command()
def backfill(
    start: Annotated[str, typer.Option("--from", help="ISO 8601 date or time.")],
    end: Annotated[str, typer.Option("--to", help="ISO 8601 date or time.")],
    config: ConfigFile = DEFAULT,
    monitor: MonitorName = None,
    quiet: Quiet = False,
) -> None:
    """Compute past buckets, and failed ones again; sends no alerts for them.

    Example: driftd backfill --monitor churn --from 2026-11-01 --to 2026-11-08
    """
    from monitor.cli.run import backfill as compute

    raise typer.Exit(compute(load(config), monitor, moment(start), moment(end), quiet=quiet))


@app.command()
def backtest(
    start: Annotated[str, typer.Option("--from", help="ISO 8601 date or time.")],
    end: Annotated[str, typer.Option("--to", help="ISO 8601 date or time.")],
    config: ConfigFile = DEFAULT,
    monitor: MonitorName = None,
    changes: Annotated[
        Path | None,
        typer.Option(
            help="File with the times of known changes, to score detection: one ISO 8601 time per line, or a JSON list."
        ),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Replay a past period with the current configuration: alerts that it would have raised, and the alert budget.

    Example: driftd backtest --monitor churn --from 2026-10-01 --to 2026-11-01 --changes releases.txt
    """
    from monitor.cli.history import backtest as replay

    replay(load(config), monitor, moment(start), moment(end), changes, as_json=as_json, quiet=quiet)


@app.command()
def simulate(
    drift: Annotated[str, typer.Option(help="Kind of drift: shift, scale, missing, new_category or version_swap.")],
    column: Annotated[str, typer.Option(help="Column that drifts.")],
    start: Annotated[str, typer.Option("--from", help="Start of the replay, ISO 8601.")],
    end: Annotated[str, typer.Option("--to", help="End of the replay, ISO 8601.")],
    at: Annotated[str, typer.Option(help="Start of the drift, ISO 8601.")],
    size: Annotated[
        float,
        typer.Option(help="Size of the drift: standard deviations (shift), factor (scale), or share of the rows."),
    ] = 0.5,
    config: ConfigFile = DEFAULT,
    monitor: MonitorName = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Inject a drift into past records and report whether it would be detected, and after how long.

    Example: driftd simulate --drift shift --size 0.25 --column amount --from 2026-11-01 --to 2026-11-04 --at 2026-11-02
    """
    from monitor.cli.history import simulate as inject

    inject(
        load(config), monitor, drift, column, size, moment(start), moment(end), moment(at), as_json=as_json, quiet=quiet
    )


@app.command()
def status(config: ConfigFile = DEFAULT, as_json: AsJson = False) -> None:
    """Print the status of every monitor; exits 0 healthy, 1 firing, 2 unknown.

    Example: driftd status --json
    """
    from monitor.cli import status

    raise typer.Exit(status.status(load(config), as_json=as_json))


@app.command()
def incidents(
    config: ConfigFile = DEFAULT,
    monitor: MonitorName = None,
    only_open: Annotated[bool, typer.Option("--open", help="Only incidents that are not resolved.")] = False,
    as_json: AsJson = False,
) -> None:
    """List incidents, newest first, with the reason of each state change.

    Example: driftd incidents --open --json
    """
    from monitor.cli import status

    status.list_incidents(load(config), monitor, only_open=only_open, as_json=as_json)


@app.command()
def report(
    config: ConfigFile = DEFAULT,
    monitor: MonitorName = None,
    at: Annotated[str | None, typer.Option(help="End of the window, ISO 8601; default: now.")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The HTML file to write.")] = Path("report.html"),
) -> None:
    """Write an Evidently report that compares a sample of a window with a sample of its baseline.

    Example: driftd report --monitor churn --at 2026-11-20T12:00:00Z -o churn.html
    """
    from monitor.cli.report import write

    write(load(config), monitor, moment(at) if at else None, out)


@app.command()
def drilldown(
    config: ConfigFile = DEFAULT,
    monitor: MonitorName = None,
    at: Annotated[str | None, typer.Option(help="End of the window, ISO 8601; default: now.")] = None,
    as_json: AsJson = False,
) -> None:
    """Find the columns that, taken together, separate a window's rows from its baseline's.

    Example: driftd drilldown --monitor churn --at 2026-11-20T12:00:00Z --json
    """
    from monitor.cli.drilldown import drill_down

    drill_down(load(config), monitor, moment(at) if at else None, as_json=as_json)


@app.command()
def experiments(
    config: ConfigFile = DEFAULT,
    monitor: MonitorName = None,
    at: Annotated[str | None, typer.Option(help="Count records up to this time, ISO 8601; default: now.")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Print the results of a monitor's experiments so far; results are valid at any time, however often you look.

    Exits 0; 1 when a treatment is worse; 2 when traffic is not split as configured.

    Example: driftd experiments --monitor support-bot --json
    """
    from monitor.cli.experiments import experiments as tell

    raise typer.Exit(tell(load(config), monitor, moment(at) if at else None, as_json=as_json, quiet=quiet))


@app.command()
def savings(
    config: ConfigFile = DEFAULT,
    monitor: MonitorName = None,
    model: Annotated[
        list[str] | None, typer.Option(help="Estimate the cost with all requests on this model; may be repeated.")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, max=366, help="Number of whole days to read.")] = None,
    at: Annotated[str | None, typer.Option(help="Count days up to this time, ISO 8601; default: now.")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Estimate the cost and quality of the same requests on other models or routes, and whether retraining pays.

    Example: driftd savings --monitor support-bot --model small-7b --days 7 --json
    """
    from monitor.cli.savings import savings as tell

    told = tell(load(config), monitor, model or [], days, moment(at) if at else None, as_json=as_json, quiet=quiet)
    raise typer.Exit(told)


@app.command()
def shadows(
    config: ConfigFile = DEFAULT,
    monitor: MonitorName = None,
    at: Annotated[str | None, typer.Option(help="Count records up to this time, ISO 8601; default: now.")] = None,
    answers: Annotated[
        bool, typer.Option(help="Show both answers of the worst disagreements; read from the source, never stored.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compare challengers with their champions on the same requests.

    Example: driftd shadows --monitor support-bot --json
    """
    from monitor.cli.experiments import shadows as tell

    raise typer.Exit(
        tell(load(config), monitor, moment(at) if at else None, answers=answers, as_json=as_json, quiet=quiet)
    )


@app.command(name="import")
def import_(
    file: Annotated[Path, typer.Argument(help="A .csv, .tsv, .jsonl or .parquet file.")],
    url: Annotated[str, typer.Option("--to", help="The database to append to.")],
    table: Annotated[str, typer.Option(help="The table; created if it does not exist.")] = "records",
    quiet: Quiet = False,
) -> None:
    """Append a file of records to a database table, so that a monitor can read it.

    Example: driftd import log.parquet --to sqlite:///log.db --table records
    """
    from monitor.cli.run import import_file

    raise typer.Exit(import_file(file, url, table, quiet=quiet))


@app.command()
def score(
    file: Annotated[Path, typer.Argument(help="A .jsonl, .jsonl.gz, .csv, .tsv or .parquet file of records.")],
    signals: Annotated[
        str | None, typer.Option(help="Names of signals, separated by commas; default: all whose fields the file has.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write to this file instead of stdout.")] = None,
    quiet: Quiet = False,
) -> None:
    """Compute signals for the records of a file: one JSON line per record; exits 2 if a record is invalid.

    Records have the fields `id`, `question`, `context` and `response`, as far as the signals need them.

    Example: driftd score answers.jsonl --signals hallucinated,refusal -o scores.jsonl
    """
    from monitor.cli.score import run as score_file

    raise typer.Exit(score_file(file, signals, out, quiet=quiet))


@app.command()
def guard(
    file: Annotated[Path, typer.Argument(help="A .jsonl, .csv, .tsv or .parquet file of texts.")],
    policy: Annotated[
        str, typer.Option("--policy", "-p", help="A name in driftd.yaml, a YAML file, or a built-in: default, pii.")
    ] = "default",
    field: Annotated[str | None, typer.Option(help="Field to check; default: response, else text.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write to this file instead of stdout.")] = None,
    fail_on: Annotated[str, typer.Option(help="When to exit 1: never, or block (a text was blocked).")] = "never",
    config: ConfigFile = DEFAULT,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Check the texts of a file with a guardrail policy; exits 2 if a record could not be read.

    Example: driftd guard answers.jsonl --policy pii --json > verdicts.jsonl
    """
    from monitor.cli import guard as guarding
    from monitor.core.yamlfile import ConfigError

    if fail_on not in ("never", "block"):
        raise ConfigError(f"--fail-on {fail_on!r} is not known. Allowed: never, block.")
    chosen = guarding.find_policy(policy, config)
    raise typer.Exit(guarding.run(file, chosen, field, out, fail_on, as_json=as_json, quiet=quiet))


@app.command()
def health(listen: Annotated[str, typer.Option(help="Address of the daemon, HOST:PORT.")] = "127.0.0.1:9478") -> None:
    """Exit 0 if the daemon on this host answers; for container health checks.

    Example: driftd health --listen 127.0.0.1:9478
    """
    from contextlib import closing
    from http.client import HTTPConnection, HTTPException  # imported ten times as fast as httpx

    try:
        with closing(HTTPConnection(listen, timeout=3)) as connection:
            connection.request("GET", "/healthz")
            status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        echo(f"no answer from {listen}: {type(error).__name__}", err=True)
        raise typer.Exit(1) from None
    raise typer.Exit(0 if 200 <= status < 300 else 1)  # noqa: PLR2004  (2xx)


@app.command()
def version() -> None:
    """Print the version."""
    echo(__version__)


def main() -> None:
    """Run the command line; what can be explained ends in a sentence and exit code 2."""
    try:
        app()
    except Exception as error:
        sentence = _explain(error)
        if sentence is None:
            raise
        echo(sentence, err=True)
        sys.exit(2)


def _explain(error: Exception) -> str | None:
    """Return the sentence of an error that people can do something about; None for a defect."""
    from monitor.core.yamlfile import ConfigError
    from monitor.sources.base import SourceError
    from monitor.store.database import DatabaseError, StoreError

    if isinstance(error, ConfigError | SourceError | StoreError):
        return str(error)
    if isinstance(error, DatabaseError):
        return f"the store failed: {str(getattr(error, 'orig', error)).strip()}. Check `store:`."
    return None
