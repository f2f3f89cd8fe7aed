"""Commands about evaluations: run, list, show, accept."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from monitor.cli.load import load
from monitor.cli.output import echo, print_json, print_table
from monitor.core.clock import SystemClock
from monitor.core.plain import plain
from monitor.core.suite_run import EXIT, LISTED, Run, case_json
from monitor.core.yamlfile import ConfigError
from monitor.jobs.evals import suite as suites
from monitor.jobs.evals.junit import junit
from monitor.jobs.evals.run import evaluate, requests
from monitor.store import evaluations, migrate
from monitor.store.database import Database

DEFAULT_STORE = "sqlite:///driftd.db"


def run(
    suite_file: Path,
    config: Path,
    store: str | None,
    answers: Path | None,
    report: Path | None,
    *,
    as_json: bool,
    quiet: bool,
) -> int:
    """Run a suite and return the exit code: 0 no regression, 1 regression, 2 could not tell."""
    suite = suites.load(suite_file, answers)
    if suite.traffic is not None:
        raise ConfigError(f"{suite_file}: a sample of traffic is evaluated by `driftd run`; name it in `evaluations:`.")
    with _open(config, store) as database:
        total = requests(suite)
        with typer.progressbar(length=total, label="answers", hidden=quiet or not total, file=sys.stderr) as bar:
            done = evaluate(suite, database, SystemClock(), bar.update)
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(junit(done), encoding="utf-8")
    if as_json:
        print_json(done.to_json())
    else:
        _print(done)
    return EXIT[done.result]


def list_runs(config: Path, store: str | None, suite: str | None, *, as_json: bool) -> None:
    """Print stored runs, newest first."""
    with _open(config, store) as database, database.read() as connection:
        found = [plain(row) for row in evaluations.rows(connection, suite)]
    if as_json:
        print_json(found)
        return
    heads = ("id", "suite", "started_at", "model", "result", "score", "cases", "failed", "reason")
    print_table(heads, [[_short(row, head) for head in heads] for row in found], "no evaluation was run yet")


def _short(row: dict[str, Any], head: str) -> Any:  # noqa: ANN401
    return row[head][:8] if head == "id" else row[head][:19] if head == "started_at" else row[head]


def show(config: Path, store: str | None, identity: str, *, as_json: bool) -> None:
    """Print a run with its comparisons and the scores of its cases."""
    with _open(config, store) as database, database.read() as connection:
        row = plain(_find_run(connection, identity))
        cases = evaluations.case_results(connection, row["id"])
    if as_json:
        print_json(row | {"cases": [case_json(case) for case in cases]})
        return
    echo(f"{row['suite']} {row['started_at'][:19]} {row['model'] or ''}: {row['result']}; {row['reason']}")
    _print_comparisons(row["comparisons"])
    print_table(("case", "tags", "score"), [(c.id, ", ".join(c.tags), plain(c.score)) for c in cases], "no case")


def accept(config: Path, store: str | None, identity: str, who: str) -> None:
    """Declare a run good, so that the next ones are compared with it."""
    with _open(config, store) as database:
        with database.read() as connection:
            row = _find_run(connection, identity)
        if row.result == "inconclusive" and (row.failed or row.score is None):
            raise ConfigError(
                f"the run {row.id[:8]} has no answer for {row.failed} of {row.samples} requests, so nothing can be "
                "compared with it. Run the suite again."
            )
        with database.write() as connection:
            evaluations.accept(connection, row.id, who)
    echo(f"{row.suite}: the next run is compared with {row.id[:8]}")


def _find_run(connection: Any, identity: str) -> Any:  # noqa: ANN401
    row = evaluations.find(connection, identity)
    if row is None:
        raise ConfigError(
            f"not exactly one run has an id that begins with {identity!r}; `driftd eval list` shows them."
        )
    return row


@contextmanager
def _open(config: Path, store: str | None) -> Iterator[Database]:
    """Open the store that is named, else that of driftd.yaml, else the default one."""
    if store is None:
        store = load(config).store.get_secret_value() if config.exists() else DEFAULT_STORE
    database = Database(store)
    try:
        migrate.upgrade(database)
        yield database
    finally:
        database.close()


def _print(done: Run) -> None:
    echo(f"{done.suite}: {done.result}; {done.reason}")
    told = done.to_json()
    _print_comparisons(told["comparisons"])
    if done.result != "good" and done.fallen:
        print_table(("fell most", "before", "now"), done.fallen[:LISTED], "")
    for who, spent in done.spent.items():
        echo(f"{who}: {spent.requests} requests, {spent.prompt_tokens} + {spent.completion_tokens} tokens")


def _print_comparisons(comparisons: list[dict[str, Any]]) -> None:
    if comparisons:
        heads = ("measure", "cases", "before", "after", "change", "reach", "p_adjusted", "regressed")
        print_table(heads, [[one[head] for head in heads] for one in comparisons], "")
