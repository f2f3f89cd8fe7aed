"""Options that several commands take, and how they are read; what reads them is imported when a command runs."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from monitor import __version__
from monitor.cli.output import echo

if TYPE_CHECKING:
    pass

ConfigFile = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="DRIFTD_CONFIG", help="The configuration file.", metavar="FILE"),
]
MonitorName = Annotated[
    str | None, typer.Option("--monitor", "-m", help="Name of the monitor; optional if there is only one.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Do not show a progress bar.")]
DEFAULT = Path("driftd.yaml")


def _tell_version(asked: bool) -> None:
    if asked:
        echo(f"driftd {__version__}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version and exit.")
]


def moment(text: str) -> datetime:
    """Read a time given on the command line."""
    from pydantic_core import PydanticCustomError

    from monitor.config.sections import parse_time
    from monitor.core.yamlfile import ConfigError

    try:
        return parse_time(text)
    except PydanticCustomError as error:
        raise ConfigError(f"{text!r}: {error.message()}.") from None


def duration(text: str) -> timedelta:
    """Read the duration of `--for`."""
    from pydantic_core import PydanticCustomError

    from monitor.config.sections import parse_duration
    from monitor.core.yamlfile import ConfigError

    try:
        return cast("timedelta", parse_duration(text))
    except PydanticCustomError as error:
        raise ConfigError(f"--for {text!r}: {error.message()}.") from None
