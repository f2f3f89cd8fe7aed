"""What mutes alerts besides silences: recurring times, and inhibition by other alerts, as in Alertmanager."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

from monitor.config.sections import Section
from monitor.config.time_intervals import TimeInterval
from monitor.core.matchers import Labels, Matcher, matches_all, parse_matcher


class MuteTimes(Section):
    """Recurring times at which rules and monitors that name them in `mute_times:` alert nobody."""

    name: str = Field(min_length=1)
    """Name, for `mute_times:`."""
    time_intervals: list[TimeInterval] = Field(min_length=1)
    """Sets of times; one of them has to match."""

    def contains(self, at: datetime) -> bool:
        """Return whether alerts are muted at a time."""
        return any(interval.contains(at) for interval in self.time_intervals)


def _read_matcher(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return parse_matcher(value)
    except ValueError as error:
        raise PydanticCustomError("matcher", "{why}", {"why": str(error)}) from None


def _list_matchers(value: object) -> object:
    """Convert a mapping of labels to values to matchers."""
    return [f'{label}="{text}"' for label, text in value.items()] if isinstance(value, dict) else value


WrittenMatcher = Annotated[
    Matcher,
    BeforeValidator(_read_matcher),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string"}, mode="validation"),
]
_EITHER = {
    "anyOf": [
        {"type": "array", "items": {"type": "string"}, "minItems": 1},
        {"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1},
    ]
}
Matchers = Annotated[
    list[WrittenMatcher],
    BeforeValidator(_list_matchers),
    Field(min_length=1),
    WithJsonSchema(_EITHER, mode="validation"),
]


class InhibitRule(Section):
    """Mutes alerts while another alert fires, in the same monitor or in another one."""

    source_match: Matchers
    """Matchers of the alert that inhibits, such as `[monitor="gateway", severity="critical"]`; or labels and values."""
    target_match: Matchers
    """Matchers of the alerts that are inhibited."""
    equal: list[Literal["monitor", "rule", "check", "column", "segment", "severity"]] = []
    """Labels that must have the same value in both."""

    def inhibits(self, source: Labels, target: Labels) -> bool:
        """Return whether a firing alert inhibits another one.

        As in Alertmanager, what matches both sides is not inhibited by what matches both sides, such as itself.
        """
        if not (matches_all(self.source_match, source) and matches_all(self.target_match, target)):
            return False
        if matches_all(self.target_match, source) and matches_all(self.source_match, target):
            return False
        return all(source.get(label, "") == target.get(label, "") for label in self.equal)


@dataclass(frozen=True)
class MuteSettings:
    """What of the whole file mutes alerts of a monitor.

    Parameters
    ----------
    times
        What `mute_times:` may name.
    monitors
        Names of the configured monitors.
    """

    times: Mapping[str, MuteTimes] = field(default_factory=dict)
    inhibit: Sequence[InhibitRule] = ()
    monitors: Collection[str] = ()

    def find_times(self, names: Iterable[str], at: datetime) -> str | None:
        """Return the first of some mute times that contains a time."""
        return next((name for name in names if name in self.times and self.times[name].contains(at)), None)
