"""What is known of a scenario: its traffic, what changes in it, and what a good monitor says of that. Plain data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

LIVE = datetime(2026, 11, 2, 12, tzinfo=UTC)
"""End of the baseline and start of the first live bucket, from which all minutes are counted."""
BUCKET, WINDOW, MINUTE = timedelta(minutes=5), timedelta(hours=1), timedelta(minutes=1)
VERSIONS = ("model_version", "prompt_version")
Kind = Literal["model_version", "prompt_version", "tenant", "category", "column", "label", "latency", "source"]


@dataclass(frozen=True)
class World:
    """The traffic of an application before anything changes.

    Parameters
    ----------
    hourly
        Records an hour.
    tenants
        Their shares of the records.
    replaced
        The model that ``model`` replaced, and the share of the baseline that it answered.
    beside
        A second model that always answers a share of the records.
    failed, latency, tokens
        Rate of failed requests; medians of seconds and of output tokens.
    texts
        Whether answers and their contexts are logged.
    wrong
        Share of the answers that are not supported by their contexts.
    labelled
        Whether it is a classifier whose labels are logged.
    positive
        Share of the labels that are positive.
    """

    hourly: float
    tenants: tuple[tuple[str, float], ...]
    model: str
    prompt: str
    replaced: tuple[str, float] | None
    beside: tuple[str, float] | None
    failed: float
    latency: float
    tokens: float
    texts: bool = False
    wrong: float = 0.15
    labelled: bool = False
    positive: float = 0.3


@dataclass(frozen=True)
class Rollout:
    """Records that get another value of a column, from a minute to another, counted from the first live bucket."""

    column: str
    value: str
    start: float
    end: float
    share: float = 1.0
    on: tuple[str, str] | None = None


@dataclass(frozen=True)
class Effect:
    """What changes in records: all of them, or those with a value of a column.

    ``scale`` multiplies a number, ``rate`` sets the share of a flag, ``null`` empties a share of the values.
    """

    column: str
    how: Literal["scale", "rate", "null"]
    size: float
    start: float
    end: float
    on: tuple[str, str] | None = None


@dataclass(frozen=True)
class Volume:
    """A factor of the number of records between two minutes, reached after ``ramp`` minutes."""

    factor: float
    start: float
    end: float
    ramp: float = 0.0


@dataclass(frozen=True)
class Challenger:
    """A model that answers the same requests unseen: worse, from a minute on."""

    value: str
    share: float
    start: float
    effects: tuple[Effect, ...]


@dataclass(frozen=True)
class Cause:
    """What a good monitor names.

    Parameters
    ----------
    at
        Minute of the first record.
    target
        The version to go back to; None where nothing is to be rolled back.
    """

    kind: Kind
    column: str
    value: str | None
    at: float
    target: str | None = None


@dataclass(frozen=True)
class Scenario:
    """A stream and the truth about it; without a cause nobody is to be alerted.

    Parameters
    ----------
    live
        Minutes that are evaluated after the baseline.
    columns
        The monitored columns.
    baseline
        Minutes of the baseline.
    """

    kind: str
    number: int
    seed: int
    world: World
    live: float
    columns: tuple[str, ...]
    rollouts: tuple[Rollout, ...] = ()
    effects: tuple[Effect, ...] = ()
    volumes: tuple[Volume, ...] = ()
    challenger: Challenger | None = None
    causes: tuple[Cause, ...] = ()
    baseline: float = 480.0

    @property
    def name(self) -> str:
        return f"{self.kind} {self.number}"
