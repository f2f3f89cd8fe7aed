"""Options of several commands, and the parsers of their values."""

from __future__ import annotations

import getpass
import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime, timedelta
from functools import partial, wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

import typer
from pydantic_core import PydanticCustomError

from monitor.checks.registry import config_models
from monitor.config.load import load
from monitor.config.models import Config, ConfigError
from monitor.config.sections import parse_duration, parse_time
from monitor.sources.protection import protect_config
from monitor.store.hash_key import find_hash_key

T = TypeVar("T")


def load_config(path: Path, environment: dict[str, str] | None = None) -> Config:
    """Read and validate a configuration file with all check kinds of this installation, and find its hash key."""
    config = load(Path(path), environment, config_models())
    return protect_config(config, find_hash_key(config))


def time_option(*names: str, text: str) -> Any:  # noqa: ANN401
    """Return an option for a time in ISO 8601."""
    return typer.Option(*names, parser=_parse_moment, metavar="TIME", help=text)


def duration_option(text: str, name: str = "--for") -> Any:  # noqa: ANN401
    """Return an option for a duration, such as `--for 2h`."""
    return typer.Option(name, parser=partial(_parse_length, name), metavar="DURATION", help=text)


def _parse_moment(text: str) -> datetime:
    try:
        return parse_time(text)
    except PydanticCustomError as error:
        raise ConfigError(f"{text!r}: {error.message()}.") from None


def _parse_length(option: str, text: str) -> timedelta:
    try:
        return cast("timedelta", parse_duration(text))
    except PydanticCustomError as error:
        raise ConfigError(f"{option} {text!r}: {error.message()}.") from None


def _file_option(**settings: Any) -> Any:  # noqa: ANN401
    return typer.Option(
        "--config", "-c", envvar="DRIFTD_CONFIG", help="The configuration file.", metavar="FILE", **settings
    )


DEFAULT_CONFIG: Any = Path("driftd.yaml")
ConfigPath = Annotated[Path, _file_option()]
ConfigOption = Annotated[Config, _file_option(parser=load_config)]
MonitorName = Annotated[
    str | None, typer.Option("--monitor", "-m", help="Name of the monitor; optional if there is only one.")
]
WindowEnd = Annotated[datetime | None, time_option("--at", text="End of the window, ISO 8601; default: now.")]
CountedUntil = Annotated[
    datetime | None, time_option("--at", text="Count records up to this time, ISO 8601; default: now.")
]
Start = Annotated[datetime, time_option("--from", text="ISO 8601 date or time.")]
End = Annotated[datetime, time_option("--to", text="ISO 8601 date or time.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reason = Annotated[str, typer.Option(help="Reason, for the record.")]
By = Annotated[
    str | None, typer.Option(help="Who does it, which nobody verifies; default: the current user. Not with a token.")
]
Token = Annotated[
    str | None,
    typer.Option(
        envvar="DRIFTD_TOKEN",
        help="Your token (`driftd tokens create`), whose name and role count; better in the environment.",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Do not show a progress bar.")]


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who does something: the person of a token, or a name."""

    by: By = None
    token: Token = None


def command_group(*, runs_alone: bool = False) -> typer.Typer:
    """Return an empty group of commands, such as `driftd silence`; its help is the summary in the registry.

    Parameters
    ----------
    runs_alone
        Whether it does something without a command; else it shows its help.
    """
    return typer.Typer(no_args_is_help=not runs_alone, rich_markup_mode=None)


def expand_options(command: Callable[..., T]) -> Callable[..., T]:
    """Replace the dataclass parameters of a command by one option per field."""
    signature = inspect.signature(command, eval_str=True)
    groups: dict[str, Any] = {}
    parameters: list[inspect.Parameter] = []
    for name, parameter in signature.parameters.items():
        if is_dataclass(parameter.annotation):
            groups[name] = parameter.annotation
            parameters += inspect.signature(groups[name], eval_str=True).parameters.values()
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

    @wraps(command)
    def wrapper(**values: Any) -> T:  # noqa: ANN401
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        return command(**values)

    wrapper.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return wrapper


def current_user() -> str:
    """Return the name of the user, which is stored with a decision."""
    return os.environ.get("DRIFTD_USER") or getpass.getuser()
