"""Report what can be monitored with the columns of a source, and how to log what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from monitor.config.presets.base import Preset
from monitor.config.source import ROLES
from monitor.sources.base import ColumnInfo

Answer = Literal["yes", "partly", "no", "no rows"]
MOSTLY = 0.9
SKEW = timedelta(minutes=5)
"""Tolerated difference of two clocks."""
ZONES = (
    "Europe/Berlin",
    "Europe/London",
    "Europe/Athens",
    "Europe/Moscow",
    "Asia/Dubai",
    "Asia/Karachi",
    "Asia/Kolkata",
    "Asia/Dhaka",
    "Asia/Bangkok",
    "Asia/Shanghai",
    "Asia/Tokyo",
    "Australia/Sydney",
    "Pacific/Auckland",
)
"""Time zones ahead of UTC, one for each offset."""


@dataclass(frozen=True)
class Capability:
    """A feature of driftd, and alternative sets of columns that it needs.

    ``sparse``: whether most records have no values in these columns, so that few values suffice.
    """

    name: str
    ways: tuple[tuple[str, ...], ...]
    sparse: bool = False


CAPABILITIES = (
    Capability("model versions and rollback", (("model_version",),)),
    Capability("prompt versions", (("prompt_version",),)),
    Capability("segments by tenant, team or user", (("tenant",), ("team",), ("user",)), sparse=True),
    Capability("latency", (("latency",),)),
    Capability("time to first token", (("time_to_first_token",),), sparse=True),
    Capability("error rate", (("status",),)),
    Capability("rate limits and timeouts", (("error_type",),), sparse=True),
    Capability("tokens", (("input_tokens", "output_tokens"),)),
    Capability("cost", (("model_version", "input_tokens", "output_tokens"), ("cost",))),
    Capability("refusals, guardrails, language and length of answers", (("response",),)),
    Capability("topics of questions, relevance of answers", (("question", "response"),)),
    Capability("hallucination: is an answer supported by its context", (("response", "context"),)),
    Capability("truncated answers (finish reason)", (("finish_reason",),)),
    Capability("uncertainty of the model", (("logprobs",), ("samples",)), sparse=True),
    Capability("user feedback", (("feedback",),), sparse=True),
    Capability("accuracy against labels", (("label", "score"), ("label", "prediction")), sparse=True),
    Capability("import of labels by id", (("id",),)),
)
GENERAL = {
    "context": "log what was retrieved, and map it as `columns: {context: …}`",
    "label": "map the role `label`, or `driftd labels import FILE` by the records' ids",
    "prediction": "map the role `prediction`, or `score` for a probability",
    "feedback": "store user feedback by the record's id, and join it in a `query:`",
    "logprobs": "request `logprobs` from the model and log them",
    "samples": "log several sampled answers as a JSON list",
    "model_version": "log which model answered",
    "prompt_version": "log the version or hash of the prompt, see `driftd prompts`",
}


@dataclass(frozen=True)
class ReadinessRow:
    """A row of the report."""

    capability: str
    answer: Answer
    reason: str
    fix: str

    def as_json(self) -> dict[str, str]:
        return asdict(self)


def report(columns: Sequence[ColumnInfo], lacking: Mapping[str, str], preset: Preset | None) -> list[ReadinessRow]:
    """Return a row for each capability.

    Parameters
    ----------
    columns
        Columns from :meth:`Reader.describe`, with statistics of the newest rows.
    lacking
        Columns of the preset that the installation lacks, each with the reason.
    preset
        Preset with advice for its tool; None for a table or a query.
    """
    by_name = {column.name: column for column in columns}
    return [_row(capability, by_name, lacking, preset) for capability in CAPABILITIES]


def future_note(columns: Sequence[ColumnInfo], now: datetime) -> str | None:
    """Return a note with a suggested setting if the newest event is ahead of the database's clock, else None."""
    time = next((column for column in columns if column.name == "timestamp"), None)
    if time is None or time.newest is None or time.newest - now <= SKEW:
        return None
    ahead = time.newest - now
    hours, minutes = divmod(int(ahead.total_seconds()) // 60, 60)
    note = f"the newest {time.column!r} lies {hours} h {minutes} min in the future of the database's clock"
    if not time.naive:
        return f"{note}; check the clock of the application, and `zone:` or `unit:` of the column."
    if (zone := _likely_zone(ahead, now)) is None:
        return f"{note}; it has no time zone and is read as UTC, but no zone is so far from UTC: check the clock."
    quoted = "'" + time.column.replace("'", "''") + "'"
    return (
        f"{note}; it has no time zone and is read as UTC. If it is local time, name the zone: "
        f"`timestamp: {{column: {quoted}, zone: {zone}}}`, or another zone at UTC{_offset(zone, now)}."
    )


def _likely_zone(ahead: timedelta, now: datetime) -> str | None:
    """Return the zone with the smallest offset that explains the difference, since the newest event may be old."""
    fitting = [zone for zone in ZONES if _shift(zone, now) >= ahead - SKEW]
    return min(fitting, key=lambda zone: _shift(zone, now), default=None)


def _shift(zone: str, now: datetime) -> timedelta:
    return now.astimezone(ZoneInfo(zone)).utcoffset() or timedelta(0)


def _offset(zone: str, now: datetime) -> str:
    written = f"{now.astimezone(ZoneInfo(zone)):%z}"
    return f"{written[:3]}:{written[3:]}"


def share(column: ColumnInfo | None) -> float:
    """Return the share of the newest rows in which a column has a value."""
    return 0.0 if column is None or column.sampled == 0 else 1 - column.null_share


def _row(
    capability: Capability, by_name: Mapping[str, ColumnInfo], lacking: Mapping[str, str], preset: Preset | None
) -> ReadinessRow:
    way = max(capability.ways, key=lambda names: min(share(by_name.get(name)) for name in names))
    worst = min(way, key=lambda name: share(by_name.get(name)))
    column, present = by_name.get(worst), share(by_name.get(worst))
    fix = _fix(worst, preset, is_known=column is not None or worst in lacking)
    if column is None:
        return ReadinessRow(capability.name, "no", lacking.get(worst, f"no column is mapped to `{worst}`"), fix)
    if column.sampled == 0:
        return ReadinessRow(capability.name, "no rows", "the source has no rows yet", "run this again when it has rows")
    problem = f"`{worst}` is present in {present:.0%} of the newest {column.sampled:,} records"
    if present == 0:
        return ReadinessRow(capability.name, "no", f"`{worst}` is empty in the newest {column.sampled:,} records", fix)
    full = present >= MOSTLY or capability.sparse
    return ReadinessRow(capability.name, "yes" if full else "partly", problem, "" if full else fix)


def _fix(name: str, preset: Preset | None, *, is_known: bool) -> str:
    """Return how to log a column: the advice of the preset, else general advice."""
    if preset is not None and name in preset.advice:
        return preset.advice[name]
    if name in GENERAL:
        return GENERAL[name]
    if preset is not None and is_known:
        return f"{preset.name} supports it, but the application does not set it"
    return f"map the role `{name}` under `columns:`" if name in ROLES else f"map a column `{name}` under `columns:`"
