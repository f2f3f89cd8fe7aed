"""Options that several commands take, and the parsers of their values."""

from __future__ import annotations

import getpass
import inspect
import os
from collections.abc import Callable
from dataclasses import is_dataclass
from datetime import datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

import typer
from pydantic_core import PydanticCustomError

from monitor.checks.registry import config_models
from monitor.config.load import load
from monitor.config.models import Config, ConfigError
from monitor.config.sections import parse_duration, parse_time

T = TypeVar("T")


def load_config(path: Path, environment: dict[str, str] | None = None) -> Config:
    """Read and check a configuration file with all kinds of checks that this installation has."""
    return load(Path(path), environment, config_models())


def parse_moment(text: str) -> datetime:
    """Read a time given on the command line."""
    try:
        return parse_time(text)
    except PydanticCustomError as error:
        raise ConfigError(f"{text!r}: {error.message()}.") from None


def parse_length(text: str) -> timedelta:
    """Read the duration of `--for`."""
    try:
        return cast("timedelta", parse_duration(text))
    except PydanticCustomError as error:
        raise ConfigError(f"--for {text!r}: {error.message()}.") from None


_FILE: dict[str, Any] = {
    "envvar": "DRIFTD_CONFIG",
    "help": "The configuration file.",
    "metavar": "FILE",
}
ConfigPath = Annotated[Path, typer.Option("--config", "-c", **_FILE)]
ConfigOption = Annotated[Config, typer.Option("--config", "-c", **_FILE, parser=load_config)]
DEFAULT: Any = Path("driftd.yaml")

MonitorName = Annotated[
    str | None, typer.Option("--monitor", "-m", help="Name of the monitor; optional if there is only one.")
]
WindowEnd = Annotated[
    datetime | None,
    typer.Option("--at", parser=parse_moment, metavar="TIME", help="End of the window, ISO 8601; default: now."),
]
CountedUntil = Annotated[
    datetime | None,
    typer.Option(
        "--at", parser=parse_moment, metavar="TIME", help="Count records up to this time, ISO 8601; default: now."
    ),
]
Start = Annotated[datetime, typer.Option("--from", parser=parse_moment, metavar="TIME", help="ISO 8601 date or time.")]
End = Annotated[datetime, typer.Option("--to", parser=parse_moment, metavar="TIME", help="ISO 8601 date or time.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Do not show a progress bar.")]


def command_group() -> typer.Typer:
    """Return an empty group of commands, such as `driftd silence`; its help is the summary in the registry."""
    return typer.Typer(no_args_is_help=True, rich_markup_mode=None)


def expand_options(command: Callable[..., T]) -> Callable[..., T]:
    """Give a command an option for each field of the dataclasses that are among its parameters."""
    signature = inspect.signature(command, eval_str=True)
    annotations: dict[str, Any] = {name: each.annotation for name, each in signature.parameters.items()}
    groups: dict[str, Any] = {name: each for name, each in annotations.items() if is_dataclass(each)}
    parameters = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for name, each in signature.parameters.items()
        for parameter in (
            inspect.signature(groups[name], eval_str=True).parameters.values() if name in groups else [each]
        )
    ]

    @wraps(command)
    def wrapper(**values: Any) -> T:  # noqa: ANN401
        for name, group in groups.items():
            values[name] = group(**{field: values.pop(field) for field in inspect.signature(group).parameters})
        return command(**values)

    wrapper.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return wrapper


def current_user() -> str:
    """Return who decides, for the record."""
    return os.environ.get("DRIFTD_USER") or getpass.getuser()
