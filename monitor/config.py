"""driftd.yaml as typed settings. Every error names file, line, key, what was found and what is allowed."""

from __future__ import annotations

import difflib
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from detectors import DETECTORS, SIGNALS, TRAFFIC_CHECKS
from monitor.yamlfile import ConfigError, Problem, read

__all__ = ["Config", "ConfigError", "load"]

ROLES = (
    "timestamp", "id", "model_version", "prompt_version", "prediction", "label",
    "question", "context", "response", "feedback", "tenant",
)  # fmt: skip
TEXT_ROLES = ("question", "context", "response")
QUALITY = (*(name for name, d in DETECTORS.items() if d.check != "drift"), *TRAFFIC_CHECKS)
DRIFT = tuple(name for name, d in DETECTORS.items() if d.check == "drift")
CHECKS = ("drift", "quality", *QUALITY)
BY_DEFAULT = tuple(name for name in QUALITY if name != "freshness")
"""What `quality` means: a log that has fallen silent is the state `no_data`, unless `freshness` is asked for."""

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_duration(value: object) -> object:
    """Read ``90s``, ``5m``, ``1h30m``, ``14d``, ``2w`` or a number of seconds."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return timedelta(seconds=value)
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhdw])", value) if isinstance(value, str) else []
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise PydanticCustomError("duration", "a duration is wanted, such as 90s, 5m, 1h30m, 14d or 2w")
    return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))


def parse_time(value: object) -> object:
    """Read an ISO date or time; without a zone it is UTC."""
    if isinstance(value, datetime):
        moment = value
    else:
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            raise PydanticCustomError(
                "time", "an ISO 8601 date or time is wanted, such as 2026-11-01 or 2026-11-01T08:00:00Z"
            ) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _write_duration(value: timedelta) -> str:
    return f"{value.total_seconds():g}s"


Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(_write_duration, return_type=str)]
Time = Annotated[datetime, BeforeValidator(parse_time)]


class Section(BaseModel):
    """A part of the file: unknown keys are refused with the nearest valid word."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:  # noqa: ANN401
        if not isinstance(data, dict):
            return data
        names = {field.alias or name for name, field in cls.model_fields.items()} | set(cls.model_fields)
        for key in data:
            if key not in names:
                allowed = sorted({field.alias or name for name, field in cls.model_fields.items()})
                raise PydanticCustomError("unknown_key", "{key}", {"key": str(key), "allowed": allowed})
        return data


class ColumnSpec(Section):
    """One of their columns, and for a timestamp how it is written."""

    column: str
    unit: Literal["s", "ms", "us", "ns"] | None = None
    zone: str | None = None
    format: str | None = None


def _column(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


class Source(Section):
    """Where the application logs: a table, a view, a query, or a preset."""

    url: SecretStr
    table: str | None = None
    query: str | None = None
    preset: Literal["litellm", "otel"] | None = None
    columns: dict[str, Annotated[ColumnSpec, BeforeValidator(_column)]] = {}
    page_size: int = Field(20_000, ge=1, le=1_000_000)
    text_limit: int = Field(200_000, ge=1)
    arrow: bool = True

    @model_validator(mode="after")
    def _one_origin(self) -> Source:
        if sum(value is not None for value in (self.table, self.query, self.preset)) == 0:
            raise PydanticCustomError("origin", "say where the records are: `table:`, `query:` or `preset:`")
        if self.table is not None and self.query is not None:
            raise PydanticCustomError("origin", "give `table:` or `query:`, not both")
        if self.preset is None and "timestamp" not in self.columns:
            raise PydanticCustomError("timestamp", "`columns:` must map `timestamp` to the column of the event's time")
        return self


class Features(Section):
    """Which columns are watched."""

    include: Literal["auto"] | list[str] = "auto"
    exclude: list[str] = []
    types: dict[str, Literal["numeric", "categorical"]] = {}
    limit: int = Field(60, ge=1, le=1000)


def _features(value: object) -> object:
    return {"include": value} if isinstance(value, str | list) else value


class Baseline(Section):
    """What is compared with: a time range, a file, or the last days."""

    start: Time | None = Field(None, alias="from")
    end: Time | None = Field(None, alias="to")
    file: Path | None = None
    rolling: Duration | None = None
    min_rows: int = Field(200, ge=1)

    @model_validator(mode="after")
    def _one_kind(self) -> Baseline:
        kinds = [self.start is not None or self.end is not None, self.file is not None, self.rolling is not None]
        if sum(kinds) != 1:
            raise PydanticCustomError("baseline", "give exactly one of `from:` and `to:`, `file:`, or `rolling:`")
        if kinds[0] and not (self.start and self.end and self.start < self.end):
            raise PydanticCustomError("baseline", "`from:` and `to:` are both needed, and `from` must be earlier")
        return self


class Check(Section):
    """One analysis, and for whom it is run. What is not said is the detector's own default."""

    kind: str
    name: str | None = None
    columns: Literal["auto"] | list[str] = "auto"
    method: Literal["auto"] | list[str] = "auto"
    threshold: float | None = Field(None, gt=0)
    max_increase: float | None = Field(None, gt=0, le=1)
    max_age: Duration | None = None
    min_samples: int | None = Field(None, ge=1)
    segments: bool = True


def _check(value: object) -> object:
    if isinstance(value, str):
        value = {value: {}}
    if not isinstance(value, dict) or len(value) != 1:
        raise PydanticCustomError("check", "a check is one key with its settings, such as `- drift: {columns: auto}`")
    ((kind, settings),) = value.items()
    if kind not in CHECKS:
        raise PydanticCustomError("unknown_key", "{key}", {"key": str(kind), "allowed": sorted(CHECKS)})
    settings = {} if settings is None else settings
    if not isinstance(settings, dict):
        raise PydanticCustomError("check", "the settings of a check are a mapping, such as {threshold: 0.2}")
    settings = {"kind": kind, **settings}
    if isinstance(settings.get("method"), str) and settings["method"] != "auto":
        settings["method"] = [settings["method"]]
    for method in settings.get("method", []) if isinstance(settings.get("method"), list) else []:
        if method not in DRIFT:
            raise PydanticCustomError("word", "{key}", {"key": str(method), "allowed": sorted(DRIFT)})
    return settings


class Rule(Section):
    """When findings become an incident, and what is done then."""

    name: str | None = None
    when: list[str] = ["*"]
    for_: Annotated[int, Field(ge=1)] | Duration = Field(1, alias="for")
    resolve_for: Annotated[int, Field(ge=1)] | Duration = 2
    hysteresis: float = Field(0.9, gt=0, le=1)
    severity: Literal["info", "warning", "critical"] = "warning"
    do: list[str] = []
    repeat_interval: Duration = timedelta(hours=4)

    def buckets(self, value: int | timedelta, bucket: timedelta) -> int:
        """Return how many buckets a count or a duration means, at least 1."""
        return value if isinstance(value, int) else max(1, -(-value // bucket))


class NoData(Section):
    """What an empty or unreadable source means."""

    after: int = Field(3, ge=1)
    severity: Literal["info", "warning", "critical"] = "warning"
    do: list[str] = []


class Monitor(Section):
    """One watched application."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")
    source: Source
    bucket: Duration = timedelta(minutes=5)
    window: Duration = timedelta(hours=1)
    settle: Duration = timedelta(seconds=30)
    baseline: Baseline = Baseline(rolling=timedelta(days=14))
    start: Time | None = None
    catch_up: Duration = timedelta(days=7)
    features: Annotated[Features, BeforeValidator(_features)] = Features()
    segments: list[str] = []
    max_segments: int = Field(20, ge=1, le=200)
    min_samples: int = Field(100, ge=1)
    alert_budget: str | None = Field(None, pattern=r"^\d+(\.\d+)?/(day|week|month)$")
    signals: list[str] = []
    checks: list[Annotated[Check, BeforeValidator(_check)]] = [Check(kind="drift"), Check(kind="quality")]
    rules: list[Rule] = [Rule()]
    no_data: NoData = NoData()

    @model_validator(mode="after")
    def _whole_buckets(self) -> Monitor:
        if self.bucket < timedelta(seconds=1) or self.bucket > timedelta(days=1):
            raise PydanticCustomError("bucket", "`bucket:` must lie between 1s and 1d")
        if timedelta(days=1) % self.bucket:
            raise PydanticCustomError("bucket", "a day must be a whole number of buckets: 1m, 5m, 15m, 1h …")
        if self.window < self.bucket or self.window % self.bucket:
            raise PydanticCustomError("window", "`window:` must be a whole number of buckets")
        return self


class Webhook(Section):
    """Where an action is sent, signed after Standard Webhooks."""

    url: SecretStr
    secret: SecretStr
    timeout: Duration = timedelta(seconds=10)


class ActionSpec(Section):
    """An outside effect that rules may ask for."""

    webhook: Webhook
    kind: Literal["rollback", "retrain", "notify"] = "rollback"
    mode: Literal["notify", "approve", "auto"] = "approve"
    cooldown: Duration = timedelta(minutes=30)
    not_after: Duration = timedelta(minutes=15)
    max_per_day: int = Field(10, ge=1)
    dry_run: bool = False


class Slack(Section):
    """The Slack channel, by a bot token with chat:write."""

    token: SecretStr
    channel: str
    base_url: str = "https://slack.com/api/"


class Server(Section):
    """The HTTP listener; anything but loopback needs a token."""

    listen: str = Field("127.0.0.1:9478", pattern=r"^.+:\d{1,5}$")
    token: SecretStr | None = None


class Config(Section):
    """The whole file."""

    store: SecretStr = SecretStr("sqlite:///driftd.db")
    server: Server = Server()
    slack: Slack | None = None
    actions: dict[str, ActionSpec] = {}
    monitors: list[Monitor] = Field(min_length=1)

    def monitor(self, name: str | None) -> Monitor:
        """Return the named monitor, or the only one."""
        names = [monitor.name for monitor in self.monitors]
        if name is None and len(names) == 1:
            return self.monitors[0]
        if name not in names:
            hint = f"there is no monitor {name!r}" if name else "there are several monitors; name one with --monitor"
            raise ConfigError(f"{hint}. Configured: {', '.join(names)}.{nearest(name or '', names)}")
        return self.monitors[names.index(name)]


def load(path: Path, environment: dict[str, str] | None = None) -> Config:
    """Read, check and cross-check a configuration file; raises :class:`ConfigError` with every problem."""
    document = read(path, environment)
    try:
        config = Config.model_validate(document.data)
    except ValidationError as error:
        raise document.explain([_problem(detail) for detail in error.errors()]) from None
    problems = cross_check(config)
    if problems:
        raise document.explain(problems)
    return _beside(config, path.parent)


def _beside(config: Config, folder: Path) -> Config:
    """Resolve baseline files against the configuration's folder."""
    monitors = []
    for monitor in config.monitors:
        file = monitor.baseline.file
        if file is not None and not file.is_absolute():
            baseline = monitor.baseline.model_copy(update={"file": folder / file})
            monitor = monitor.model_copy(update={"baseline": baseline})  # noqa: PLW2901
        monitors.append(monitor)
    return config.model_copy(update={"monitors": monitors})


def nearest(word: str, allowed: list[str]) -> str:
    """Return `` Did you mean 'x'?`` for a near miss, or nothing."""
    close = difflib.get_close_matches(word, allowed, n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


def _problem(detail: Any) -> Problem:  # noqa: ANN401
    where = tuple(part for part in detail["loc"] if not str(part).startswith(("function-", "constrained-")))
    context, found = detail.get("ctx", {}), detail.get("input")
    if detail["type"] in ("unknown_key", "word"):
        key, allowed = context["key"], context["allowed"]
        at = (*where, key) if detail["type"] == "unknown_key" else where
        message = f"{key!r} is not known here. Allowed: {', '.join(allowed)}.{nearest(key, allowed)}"
        return Problem(at, message)
    if detail["type"] == "missing":
        return Problem(where[:-1], f"the key {where[-1]!r} is missing.")
    allowed = re.findall(r"'([^']+)'", str(context.get("expected", "")))
    shown = "(hidden)" if {"token", "secret", "url", "store"} & set(where) else repr(found)[:60]
    hint = nearest(str(found), allowed) if allowed else ""
    return Problem(where, f"found {shown}: {detail['msg'][:1].lower()}{detail['msg'][1:]}.{hint}")


def cross_check(config: Config) -> list[Problem]:
    """Find references to things that are not there."""
    problems: list[Problem] = []
    known_actions = sorted([*config.actions, *(["slack"] if config.slack else [])])
    names = [monitor.name for monitor in config.monitors]
    for index, monitor in enumerate(config.monitors):
        at: tuple[str | int, ...] = ("monitors", index)
        if names.index(monitor.name) != index:
            problems.append(Problem((*at, "name"), f"the name {monitor.name!r} is taken; names must be unique."))
        problems += _unknown((*at, "signals"), monitor.signals, sorted(SIGNALS))
        for role in monitor.source.columns:
            if role not in ROLES and (hint := nearest(role, list(ROLES)) if len(role) > 3 else ""):  # noqa: PLR2004
                close = difflib.get_close_matches(role, ROLES, n=1, cutoff=0.85)
                if close:
                    problems.append(Problem((*at, "source", "columns", role), f"{role!r} is not a role.{hint}"))
        for place, rule in enumerate(monitor.rules):
            problems += _unknown((*at, "rules", place, "do"), rule.do, known_actions)
            checks = [*CHECKS, *(check.name for check in monitor.checks if check.name), "*"]
            heads = [word.split(".", 1)[0] for word in rule.when]
            problems += _unknown((*at, "rules", place, "when"), heads, sorted(checks))
        problems += _unknown((*at, "no_data", "do"), monitor.no_data.do, known_actions)
    return problems


def _unknown(where: tuple[str | int, ...], found: list[str], allowed: list[str]) -> list[Problem]:
    return [
        Problem(
            (*where, index),
            f"{word!r} is not known here. Allowed: {', '.join(allowed) or 'nothing yet'}.{nearest(word, allowed)}",
        )
        for index, word in enumerate(found)
        if word not in allowed
    ]
