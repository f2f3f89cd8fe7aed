"""Base types of the configuration: durations, times, and sections that reject unknown keys."""

from __future__ import annotations

import difflib
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    SecretStr,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import PydanticCustomError

from monitor.core.yamlfile import SECRET_KEYS

ASYNCHRONOUS = {
    "aiosqlite": "sqlite",
    "asyncpg": "postgresql+psycopg",
    "psycopg_async": "postgresql+psycopg",
    "asyncmy": "mysql",
    "aiomysql": "mysql",
}
"""Drivers of asyncio, each with what to write instead."""
HIGHEST_PORT = 65_535

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 365 * 86400}


def parse_duration(value: object) -> object:
    """Parse ``90s``, ``5m``, ``1h30m``, ``14d``, ``2w``, ``5y`` or a number of seconds; a year has 365 days."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return timedelta(seconds=value)
    parts = re.findall(r"(\d+(?:\.\d+)?(?:e\+\d+)?)([smhdwy])", value) if isinstance(value, str) else []
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise PydanticCustomError("duration", "expected a duration, such as 90s, 5m, 1h30m, 14d, 2w or 5y")
    return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))


def parse_time(value: object) -> datetime:
    """Parse an ISO 8601 date or time; without an offset it is UTC."""
    if isinstance(value, datetime):
        moment = value
    else:
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            raise PydanticCustomError(
                "time", "expected an ISO 8601 date or time, such as 2026-11-01 or 2026-11-01T08:00:00Z"
            ) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def format_duration(value: timedelta) -> str:
    """Format a duration as in driftd.yaml.

    Examples
    --------
    >>> [format_duration(timedelta(seconds=seconds)) for seconds in (0, 0.5, 300, 5400, 30 * 86400)]
    ['0s', '0.5s', '5m', '1h30m', '30d']
    """
    whole, parts = value.total_seconds(), ""
    for unit in ("d", "h", "m"):
        count, whole = divmod(whole, _UNITS[unit])
        parts += f"{count:.0f}{unit}" if count else ""
    return parts + (f"{whole:g}s" if whole or not parts else "")


def _serialize_duration(value: timedelta) -> str:
    """Serialise a duration for fingerprints; stored baselines and experiments depend on this form."""
    return f"{value.total_seconds():g}s"


def _check_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise PydanticCustomError("zone", "expected an IANA time zone, such as Europe/Berlin or UTC") from None
    return name


def check_database_url(url: SecretStr) -> SecretStr:
    """Refuse the URL of a database with an `@` in the password, an impossible port, or an asynchronous driver."""
    scheme, separator, rest = url.get_secret_value().partition("://")
    backend, _, driver = scheme.partition("+")
    if driver in ASYNCHRONOUS:
        raise PydanticCustomError(
            "driver",
            "the driver {driver} is asynchronous, which driftd cannot use; write {instead}://…",
            {"driver": driver, "instead": ASYNCHRONOUS[driver]},
        )
    if not separator or backend in ("sqlite", "duckdb"):
        return url
    authority = rest.partition("?")[0]
    if authority.count("@") > 1:
        raise PydanticCustomError(
            "password", "the user or the password contains an @; write it as %40, so that the host can be told from it"
        )
    host = authority.rpartition("@")[2].partition("/")[0]
    port = re.sub(r"^\[[^\]]*\]", "", host).partition(":")[2]
    if port and not (port.isdecimal() and 0 < int(port[:9]) <= HIGHEST_PORT):
        raise PydanticCustomError(
            "port",
            "the part after the last colon is no port; a colon or a slash of a password is written as %3A or %2F",
        )
    return url


def check_port(listen: str) -> str:
    """Refuse ``host:port`` with an impossible port."""
    if int(listen.rpartition(":")[2]) > HIGHEST_PORT:
        raise PydanticCustomError("port", "expected a port of at most {highest}", {"highest": HIGHEST_PORT})
    return listen


_WRITTEN_DURATION = {"anyOf": [{"type": "string", "pattern": r"^(\d+(\.\d+)?[smhdwy])+$"}, {"type": "number"}]}
Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(_serialize_duration, return_type=str),
    WithJsonSchema(_WRITTEN_DURATION, mode="validation"),
]
DatabaseUrl = Annotated[SecretStr, AfterValidator(check_database_url)]
"""The URL of a database, as SQLAlchemy reads it."""
Time = Annotated[datetime, BeforeValidator(parse_time)]
Zone = Annotated[str, AfterValidator(_check_zone)]


class FileSchema(GenerateJsonSchema):
    """JSON schema with default durations in the notation of the file."""

    def encode_default(self, dft: Any) -> Any:  # noqa: ANN401
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


class Section(BaseModel):
    """A section of the file. Unknown keys are rejected, with the most similar valid key."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:  # noqa: ANN401
        if not isinstance(data, dict):
            return data
        names = {field.alias or name for name, field in cls.model_fields.items()} | set(cls.model_fields)
        for key in data:
            if key not in names:
                if data[key] is None and (before := _last_secret(data, key)):
                    raise PydanticCustomError(
                        "unquoted", "the value of {key} contains a comma; put it in quotes", {"key": repr(before)}
                    )
                allowed = sorted({field.alias or name for name, field in cls.model_fields.items()})
                raise PydanticCustomError("unknown_key", "{key}", {"key": str(key), "allowed": allowed})
        return data


def _last_secret(data: dict[str, object], key: str) -> str | None:
    """Return the key just before another one if its value is a secret: `{url: a,b}` is the keys `url` and `b`."""
    keys = list(data)
    before = keys[keys.index(key) - 1] if keys.index(key) else ""
    return before if before in SECRET_KEYS else None


def describe_unknown(kind: str, name: str, names: list[str]) -> str:
    """Return the error message for a name that is not configured, with those that are."""
    return f"there is no {kind} {name!r}. Configured: {', '.join(names) or 'none'}.{nearest(name, names)}"


def nearest(word: str, allowed: list[str]) -> str:
    """Return `` Did you mean 'x'?`` if an allowed word is similar, else an empty string."""
    close = difflib.get_close_matches(word, allowed, n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""
