"""Choose the monitored columns of a source, and state why others are excluded, such as ids and free text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from detectors.binning import Kind
from detectors.weights import LABEL_PROBABILITY
from detectors.weights import ROLES as WEIGHTS
from monitor.config.models import ConfigError, Monitor
from monitor.config.sections import nearest
from monitor.config.signals import resolve
from monitor.config.source import TEXT_ROLES, ColumnClass
from monitor.sources.base import ColumnInfo

NOT_FEATURES = (
    *("timestamp", "id", "label", "feedback", "model_version", "prompt_version", "traffic"),
    *(LABEL_PROBABILITY, *WEIGHTS, *TEXT_ROLES),
)
FREE_TEXT_LENGTH = 64
ENOUGH_TO_TELL = 50


@dataclass(frozen=True)
class Choice:
    """A column, its kind (None if it is not monitored), and the reason.

    ``listed``: whether it is configured by name. ``personal``: whether categories with personal
    data are stored as they are.
    """

    name: str
    kind: Kind | None
    reason: str
    personal: bool = False
    listed: bool = False


def choose(monitor: Monitor, columns: Sequence[ColumnInfo]) -> list[Choice]:
    """Choose the monitored columns of a monitor, signals last.

    `auto` selects all numeric and categorical columns except: mapped ids, times, labels, versions and texts; columns
    with unfit values (:mod:`monitor.sources.screen`: identifiers, counters, times, JSON, free text, personal data);
    texts longer than 64 characters on average, or more than half of which are distinct (free text or an id). A column
    that is configured by name is always selected; the reason states if it has personal data. A column that is declared
    as an identifier or free text (`classes:`) is selected only if it is configured by name.
    """
    by_name = {column.name: column for column in columns}
    wanted = monitor.features.include
    names = list(by_name) if wanted == "auto" else list(wanted)
    for name in [*([] if wanted == "auto" else wanted), *monitor.features.types, *monitor.segments, *monitor.classes]:
        if name not in by_name:
            raise ConfigError(
                f"monitor {monitor.name}: the column {name!r} is not in the source. "
                f"Columns: {', '.join(by_name)}.{nearest(name, list(by_name))}"
            )
    choices = [_choose(monitor, by_name[name], explicit=wanted != "auto") for name in names]
    taken = 0
    for place, choice in enumerate(choices):
        taken += choice.kind is not None
        if choice.kind and taken > monitor.features.limit:
            choices[place] = Choice(choice.name, None, f"over features.limit ({monitor.features.limit})")
    signals = resolve(monitor.signals)
    for signal in signals:
        if signal.name in by_name:
            raise ConfigError(
                f"monitor {monitor.name}: {signal.name!r} is a column of the source and a signal; rename the signal: "
                f"`{signal.name}: {{name: {signal.name}_of_response}}`."
            )
    return choices + [Choice(signal.name, signal.kind, "signal") for signal in signals]


def _choose(monitor: Monitor, column: ColumnInfo, *, explicit: bool) -> Choice:
    features = monitor.features
    if column.name in features.exclude:
        return Choice(column.name, None, "excluded")
    declared = monitor.classes.get(column.name)
    if column.name in features.types:
        return _as_configured(column, features.types[column.name], "as declared", declared)
    if explicit:
        return _as_configured(column, "numeric" if column.type == "numeric" else "categorical", "listed", declared)
    if declared in ("identifier", "free_text"):
        return Choice(column.name, None, f"declared as {declared}")
    if column.role in NOT_FEATURES:
        return Choice(column.name, None, f"is the {column.role}")
    return _by_type(column)


def _as_configured(column: ColumnInfo, kind: Kind, reason: str, declared: ColumnClass | None) -> Choice:
    if declared == "identifier":
        return Choice(column.name, "categorical", f"{reason}; its values are stored as hashes", listed=True)
    if kind != "categorical" or not column.personal:
        return Choice(column.name, kind, reason, listed=True)
    types = ", ".join(column.personal)
    if declared == "category":
        warning = f"its values are personal data ({types}) and are stored as they are"
        return Choice(column.name, kind, f"{reason}; {warning}", personal=True, listed=True)
    return Choice(column.name, kind, f"{reason}; values with personal data ({types}) are stored as hashes", listed=True)


def _by_type(column: ColumnInfo) -> Choice:
    enough = column.sampled >= ENOUGH_TO_TELL
    present = round(column.sampled * (1 - column.null_share))
    if column.unfit is not None:
        return Choice(column.name, None, column.unfit)
    if column.type == "boolean":
        return Choice(column.name, "categorical", "boolean")
    if column.type == "numeric":
        return Choice(column.name, "numeric", "numeric")
    if column.type == "text":
        if (column.mean_length or 0) > FREE_TEXT_LENGTH:
            return Choice(column.name, None, f"free text: {column.mean_length:.0f} characters on average")
        if enough and column.distinct > present / 2:
            return Choice(column.name, None, "id or free text: over half of the values are distinct")
        return Choice(column.name, "categorical", "text")
    return Choice(column.name, None, f"of type {column.type}")


def list_hashed_segments(monitor: Monitor, columns: Sequence[ColumnInfo]) -> list[str]:
    """Return a note for each segment whose values have personal data, and are therefore stored as hashes."""
    return [
        f"{column.name}: values with personal data ({', '.join(column.personal)}) are stored, sent and shown as hashes "
        f"such as id:1f3a9c0b7d52; `driftd reveal HASH --column {column.name}` looks one up."
        for column in columns
        if column.name in monitor.segments and column.personal and monitor.classes.get(column.name) != "category"
    ]
