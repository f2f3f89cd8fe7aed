"""`driftd eval`: run suites of prompts and expectations, and compare their runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from monitor.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, Quiet, command_group, current_user, load_config
from monitor.cli.output import echo, print_json, print_table
from monitor.core.clock import SystemClock
from monitor.core.plain import plain
from monitor.core.suite_run import EXIT, LISTED, Run, case_json
from monitor.core.yamlfile import ConfigError
from monitor.jobs.evals import suite as suites
from monitor.jobs.evals.junit import junit as write_junit
from monitor.jobs.evals.run import evaluate, requests
from monitor.store import evaluations as runs
from monitor.store import migrate
from monitor.store.database import Database

DEFAULT_STORE = "sqlite:///driftd.db"

evaluations = command_group()
Store = Annotated[
    str | None,
    typer.Option(
        "--store", envvar="DRIFTD_STORE", help="URL of driftd's own database; default: `store:` of the configuration."
    ),
]
RunId = Annotated[
    str, typer.Argument(help="Id of the run, or its first characters, from `driftd eval list`.", metavar="ID")
]


@evaluations.command("run")
def run(
    suite: Annotated[Path, typer.Argument(help="YAML file of the suite.", metavar="SUITE")],
    config: ConfigPath = DEFAULT_CONFIG,
    store: Store = None,
    answers: Annotated[
        Path | None,
        typer.Option(help="Score the answers in this JSONL file instead of calling the endpoint.", metavar="FILE"),
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML to this file.", metavar="FILE")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> int:
    """Run a suite; exits 0 no regression, 1 regression or below `min_score`, 2 inconclusive.

    Example: driftd eval run suite.yaml --junit eval.xml
    """
    if config != DEFAULT_CONFIG and store is None and not config.exists():
        raise ConfigError(f"{config}: there is no such file. Leave --config out to store runs in driftd.db.")
    loaded = suites.load(suite, answers)
    if loaded.traffic is not None:
        raise ConfigError(f"{suite}: a sample of traffic is evaluated by `driftd run`; name it in `evaluations:`.")
    with _open(config, store) as database:
        total = requests(loaded)
        with typer.progressbar(length=total, label="answers", hidden=quiet or not total, file=sys.stderr) as bar:
            done = evaluate(loaded, database, SystemClock(), bar.update)
    if junit is not None:
        junit.parent.mkdir(parents=True, exist_ok=True)
        junit.write_text(write_junit(done), encoding="utf-8")
    if as_json:
        print_json(done.to_json())
    else:
        _print(done)
    return EXIT[done.result]


@evaluations.command("list")
def list_runs(
    config: ConfigPath = DEFAULT_CONFIG,
    store: Store = None,
    suite: Annotated[str | None, typer.Option(help="Only runs of this suite.")] = None,
    as_json: AsJson = False,
) -> None:
    """List runs, newest first.

    Example: driftd eval list --suite support-bot --json
    """
    with _open(config, store) as database, database.read() as connection:
        entries = [plain(row) for row in runs.rows(connection, suite)]
    if as_json:
        print_json(entries)
        return
    heads = ("id", "suite", "started_at", "model", "result", "score", "cases", "failed", "reason")
    print_table(heads, [[_short(row, head) for head in heads] for row in entries], "no evaluation was run yet")


def _short(row: dict[str, Any], head: str) -> Any:  # noqa: ANN401
    return row[head][:8] if head == "id" else row[head][:19] if head == "started_at" else row[head]


@evaluations.command("show")
def show(identity: RunId, config: ConfigPath = DEFAULT_CONFIG, store: Store = None, as_json: AsJson = False) -> None:
    """Print a run with its comparisons and the scores of its cases.

    Example: driftd eval show 2f6c3f0e
    """
    with _open(config, store) as database, database.read() as connection:
        row = plain(_find_run(connection, identity))
        cases = runs.case_results(connection, row["id"])
    if as_json:
        print_json(row | {"cases": [case_json(case) for case in cases]})
        return
    echo(f"{row['suite']} {row['started_at'][:19]} {row['model'] or ''}: {row['result']}; {row['reason']}")
    _print_comparisons(row["comparisons"])
    print_table(("case", "tags", "score"), [(c.id, ", ".join(c.tags), plain(c.score)) for c in cases], "no case")


@evaluations.command("accept")
def accept(identity: RunId, config: ConfigPath = DEFAULT_CONFIG, store: Store = None) -> None:
    """Accept a run that is worse or inconclusive as the new reference for later runs.

    Example: driftd eval accept 2f6c3f0e
    """
    with _open(config, store) as database:
        with database.read() as connection:
            row = _find_run(connection, identity)
        if row.result == "inconclusive" and (row.failed or row.score is None):
            raise ConfigError(
                f"the run {row.id[:8]} has no answer for {row.failed} of {row.samples} requests, so nothing can be "
                "compared with it. Run the suite again."
            )
        with database.write() as connection:
            runs.accept(connection, row.id, current_user())
    echo(f"{row.suite}: the next run is compared with {row.id[:8]}")


def _find_run(connection: Any, identity: str) -> Any:  # noqa: ANN401
    row = runs.find(connection, identity)
    if row is None:
        raise ConfigError(
            f"not exactly one run has an id that begins with {identity!r}; `driftd eval list` shows them."
        )
    return row


@contextmanager
def _open(config: Path, store: str | None) -> Iterator[Database]:
    """Open the store of the option, else that of driftd.yaml, else the default store."""
    if store is None:
        store = load_config(config).store.get_secret_value() if config.exists() else DEFAULT_STORE
    database = Database(store)
    try:
        migrate.upgrade(database)
        yield database
    finally:
        database.close()


def _print(done: Run) -> None:
    echo(f"{done.suite}: {done.result}; {done.reason}")
    data = done.to_json()
    _print_comparisons(data["comparisons"])
    if done.result != "good" and done.fallen:
        print_table(("fell most", "before", "now"), done.fallen[:LISTED], "")
    for who, spent in done.spent.items():
        echo(f"{who}: {spent.requests} requests, {spent.prompt_tokens} + {spent.completion_tokens} tokens")


def _print_comparisons(comparisons: list[dict[str, Any]]) -> None:
    if comparisons:
        heads = ("measure", "cases", "before", "after", "change", "reach", "p_adjusted", "regressed")
        print_table(heads, [[one[head] for head in heads] for one in comparisons], "")
