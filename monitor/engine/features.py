"""Which columns are watched, and why the others are not: a stated rule for ids and free text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from detectors.layout import Kind
from monitor.config import ConfigError, Monitor
from monitor.settings.sections import nearest
from monitor.settings.source import TEXT_ROLES
from monitor.signals import resolve
from monitor.sources.base import ColumnInfo

NOT_FEATURES = ("timestamp", "id", "label", "feedback", "model_version", "prompt_version", *TEXT_ROLES)
FREE_TEXT_LENGTH = 64
ENOUGH_TO_TELL = 50


@dataclass(frozen=True)
class Choice:
    """One column, the kind it is watched as (None: not at all), and the reason."""

    name: str
    kind: Kind | None
    reason: str


def choose(monitor: Monitor, columns: Sequence[ColumnInfo]) -> list[Choice]:
    """Choose the watched columns of a monitor, signals last.

    Auto takes every numeric and categorical column but: mapped ids, times, labels, versions and texts;
    whole numbers that are all distinct and never fall with time (an id); texts longer than 64 characters on
    average, or of which more than half are distinct (free text or an id).
    """
    known = {column.name: column for column in columns}
    wanted = monitor.features.include
    names = list(known) if wanted == "auto" else list(wanted)
    for name in [*([] if wanted == "auto" else wanted), *monitor.features.types, *monitor.segments]:
        if name not in known:
            raise ConfigError(
                f"monitor {monitor.name}: the column {name!r} is not in the source. "
                f"Found: {', '.join(known)}.{nearest(name, list(known))}"
            )
    choices = [_choose(monitor, known[name], explicit=wanted != "auto") for name in names]
    taken = 0
    for place, choice in enumerate(choices):
        taken += choice.kind is not None
        if choice.kind and taken > monitor.features.limit:
            choices[place] = Choice(choice.name, None, f"over features.limit ({monitor.features.limit})")
    signals = resolve(monitor.signals)
    for signal in signals:
        if signal.name in known:
            raise ConfigError(
                f"monitor {monitor.name}: the source has a column {signal.name!r}, as the signal is called; give the "
                f"signal another name, such as `{signal.name}: {{name: {signal.name}_of_response}}`."
            )
    return choices + [Choice(signal.name, signal.kind, "signal") for signal in signals]


def _choose(monitor: Monitor, column: ColumnInfo, *, explicit: bool) -> Choice:
    features = monitor.features
    if column.name in features.exclude:
        return Choice(column.name, None, "excluded")
    if column.name in features.types:
        return Choice(column.name, features.types[column.name], "as declared")
    if explicit:
        return Choice(column.name, "numeric" if column.type == "numeric" else "categorical", "listed")
    if column.role in NOT_FEATURES:
        return Choice(column.name, None, f"is the {column.role}")
    return _by_type(column)


def _by_type(column: ColumnInfo) -> Choice:
    enough = column.sampled >= ENOUGH_TO_TELL
    present = round(column.sampled * (1 - column.null_share))
    if column.type == "boolean":
        return Choice(column.name, "categorical", "boolean")
    if column.type == "numeric":
        whole = any(word in column.database_type.lower() for word in ("int", "serial"))
        if enough and whole and column.increasing and column.distinct == column.sampled:
            return Choice(column.name, None, "looks like an id: whole, distinct, never falling")
        return Choice(column.name, "numeric", "numeric")
    if column.type == "text":
        if (column.mean_length or 0) > FREE_TEXT_LENGTH:
            return Choice(column.name, None, f"free text: {column.mean_length:.0f} characters on average")
        if enough and column.distinct > present / 2:
            return Choice(column.name, None, "id or free text: over half of the values are distinct")
        return Choice(column.name, "categorical", "text")
    return Choice(column.name, None, f"of type {column.type}")
