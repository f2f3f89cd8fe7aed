"""Options that several commands take."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic_core import PydanticCustomError

from monitor import __version__
from monitor.cli.commands.output import echo
from monitor.config.models import ConfigError
from monitor.config.sections import parse_time

ConfigFile = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="DRIFTD_CONFIG", help="The configuration file.", metavar="FILE"),
]
MonitorName = Annotated[str | None, typer.Option("--monitor", "-m", help="The monitor; not needed when there is one.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")]
DEFAULT = Path("driftd.yaml")


def _tell_version(asked: bool) -> None:
    if asked:
        echo(f"driftd {__version__}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version and leave.")
]


def moment(text: str) -> datetime:
    """Read a time given on the command line."""
    try:
        return parse_time(text)
    except PydanticCustomError as error:
        raise ConfigError(f"{text!r}: {error.message()}.") from None
