"""`driftd eval`: run, list, show, accept."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli.options import DEFAULT, AsJson, ConfigFile, Quiet

group = typer.Typer(no_args_is_help=True, help="Run evaluation suites and compare each run with the last good ones.")

Store = Annotated[
    str | None,
    typer.Option(
        "--store", envvar="DRIFTD_STORE", help="URL of driftd's own database; default: `store:` of the configuration."
    ),
]
RunId = Annotated[
    str, typer.Argument(help="Id of the run, or its first characters, from `driftd eval list`.", metavar="ID")
]


@group.command("run")
def eval_run(
    suite: Annotated[Path, typer.Argument(help="YAML file of the suite.", metavar="SUITE")],
    config: ConfigFile = DEFAULT,
    store: Store = None,
    answers: Annotated[
        Path | None,
        typer.Option(help="Score the answers in this JSONL file instead of calling the endpoint.", metavar="FILE"),
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML to this file.", metavar="FILE")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Run a suite; exits 0 no regression, 1 regression or below `min_score`, 2 inconclusive.

    Example: driftd eval run suite.yaml --junit eval.xml
    """
    from monitor.cli import eval as evals
    from monitor.core.yamlfile import ConfigError

    if config != DEFAULT and store is None and not config.exists():
        raise ConfigError(f"{config}: there is no such file. Leave --config out to store runs in driftd.db.")
    raise typer.Exit(evals.run(suite, config, store, answers, junit, as_json=as_json, quiet=quiet))


@group.command("list")
def eval_list(
    config: ConfigFile = DEFAULT,
    store: Store = None,
    suite: Annotated[str | None, typer.Option(help="Only runs of this suite.")] = None,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first.

    Example: driftd eval list --suite support-bot --json
    """
    from monitor.cli import eval as evals

    evals.list_runs(config, store, suite, as_json=as_json)


@group.command("show")
def eval_show(identity: RunId, config: ConfigFile = DEFAULT, store: Store = None, as_json: AsJson = False) -> None:
    """Print a run with its comparisons and the scores of its cases.

    Example: driftd eval show 2f6c3f0e
    """
    from monitor.cli import eval as evals

    evals.show(config, store, identity, as_json=as_json)


@group.command("accept")
def eval_accept(identity: RunId, config: ConfigFile = DEFAULT, store: Store = None) -> None:
    """Accept a run that is worse or inconclusive as the new reference for later runs.

    Example: driftd eval accept 2f6c3f0e
    """
    from monitor.cli import eval as evals

    evals.accept(config, store, identity, getpass.getuser())
