"""The program `driftd`: global options, exit codes and error messages."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from monitor import __version__
from monitor.cli.output import echo
from monitor.cli.registry import LazyGroup

SILENT = ("health", "version")
"""Commands that log nothing; the import of the logging library is skipped for them."""


def exit_with(code: int | None, **_options: object) -> None:
    """Exit with the code that a command returned, or 0 if it returned None."""
    raise typer.Exit(code or 0)


app = typer.Typer(
    cls=LazyGroup,
    result_callback=exit_with,
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(requested: bool) -> None:
    if requested:
        echo(f"driftd {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    level: Annotated[
        str, typer.Option("--log-level", envvar="DRIFTD_LOG_LEVEL", help="debug, info, warning.")
    ] = "info",
    version: Annotated[  # noqa: ARG001
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Monitor machine-learning models and LLM applications in production.

    Start with `driftd demo`, then `driftd init --url URL --table TABLE`, `driftd config check`, `driftd check`,
    and `driftd run`.
    """
    if level.lower() not in ("debug", "info", "warning", "error"):
        from monitor.core.yamlfile import ConfigError

        raise ConfigError(f"--log-level {level!r} is not allowed. Allowed: debug, info, warning, error.")
    if context.invoked_subcommand not in SILENT:
        from monitor.core import log

        log.set_up(level)


def main() -> None:
    """Run the command line; an expected error is printed as a sentence, with exit code 2."""
    try:
        app()
    except Exception as error:
        sentence = _explain(error)
        if sentence is None:
            raise
        echo(sentence, err=True)
        sys.exit(2)


def _explain(error: Exception) -> str | None:
    """Return the message of an error that the user can fix, or None for a defect."""
    from monitor.core.yamlfile import ConfigError
    from monitor.sources.base import SourceError
    from monitor.store.database import DatabaseError, StoreError

    if isinstance(error, ConfigError | SourceError | StoreError):
        return str(error)
    if isinstance(error, DatabaseError):
        return f"the store failed: {str(getattr(error, 'orig', error)).strip()}. Check `store:`."
    return None
