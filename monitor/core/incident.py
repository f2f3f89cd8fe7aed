"""Incidents, the changes that may have caused them, and decisions about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from detectors.quality.traffic import Gaps
from monitor.core.payload import FurtherChange, IncidentFinding, RuleProgress, Suspect

IncidentState = Literal["pending", "firing", "resolved"]
NO_DATA = "no_data"
"""Name of the rule and of the group, present in every monitor, that alert on missing data."""
TRAFFIC = "traffic"
"""The group of the findings about the served traffic, where `group_by` divides them no further."""
VERSIONS = ("model_version", "prompt_version")
SEGMENT = "segment"
"""Kind of a suspect: a segment whose rows alone are affected."""
UPSTREAM = "upstream"
"""Kind of a suspect: an input column whose values changed in all rows."""
LABEL = "label"
"""Kind of a suspect: the class balance of the labels."""
TRAFFIC_GROWTH = "traffic"
"""Kind of a suspect: more records than in the baseline."""
EVERYWHERE = "everywhere"
"""Kind of a suspect that is no change of the log: all rows have changed since a moment, whatever they are."""


@dataclass(frozen=True)
class Change:
    """The first occurrence of a version, category or column: a candidate cause of incidents."""

    kind: str
    column: str
    value: str
    first_seen: datetime

    @property
    def key(self) -> str:
        """Return the key of the change, which equals the name of its segment."""
        return f"{self.column}={self.value}"


@dataclass(frozen=True)
class Incident:
    """An alert episode of one monitor with one cause.

    Parameters
    ----------
    rule, severity
        The most severe rule that has a part in it.
    rules
        How far each rule is that has a part in it.
    group
        Which findings belong together, see :mod:`monitor.alerting.grouping`.
    suspected_change, suspects
        The change that most likely caused it, if any, and all candidate causes, the most likely first.
    changes
        What was announced, oldest first.
    moved
        Number of consecutive buckets that differed from what was announced last.
    """

    id: str
    monitor: str
    rule: str
    severity: str
    state: IncidentState
    opened_at: datetime
    updated_at: datetime
    reason: str
    bad: int = 0
    clean: int = 0
    fired_at: datetime | None = None
    resolved_at: datetime | None = None
    notified_at: datetime | None = None
    evidence: Mapping[str, IncidentFinding] = field(default_factory=dict)
    suspected_change: Suspect | None = None
    suspects: Sequence[Suspect] = ()
    changes: Sequence[FurtherChange] = ()
    moved: int = 0
    group: str = TRAFFIC
    rules: Mapping[str, RuleProgress] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Convert the lists of a stored row to tuples."""
        object.__setattr__(self, "changes", tuple(self.changes))
        object.__setattr__(self, "suspects", tuple(self.suspects))

    @property
    def firing_rules(self) -> list[str]:
        """Return the rules that fire now."""
        if self.state != "firing":
            return []
        return [name for name, each in self.rules.items() if each["firing"]] if self.rules else [self.rule]

    @property
    def announcing_rules(self) -> list[str]:
        """Return the rules whose receivers are notified: those that have fired, the leading one where none has."""
        return [name for name, each in self.rules.items() if each["fired"]] or [self.rule]

    @property
    def suspected_segment(self) -> str | None:
        """Return the name of the segment of the suspect, if there is one."""
        suspect = self.suspected_change
        return f"{suspect['column']}={suspect['value']}" if suspect else None

    def last_bad(self, bucket: timedelta) -> datetime:
        """Return the end of the last bucket in which it was bad."""
        return self.updated_at - self.clean * bucket

    @property
    def announced_at(self) -> datetime | None:
        """Return the time of the last announcement of a new or changed state; None if it never fired."""
        return datetime.fromisoformat(self.changes[-1]["at"]) if self.changes else self.fired_at


@dataclass(frozen=True)
class Decision:
    """The new state of an incident, and its transition, if any."""

    incident: Incident
    transition: IncidentState | None
    reason: str
    quiet: bool = False  # it resolves without having fired, so no message is sent
    news: tuple[str, ...] = ()  # keys of findings of a check, column or segment not announced before
    change: FurtherChange | None = None  # a further change while firing, the last of ``Incident.changes``
    bad: tuple[str, ...] = ()  # keys of the findings that are bad now
    mutes: Mapping[str, str] = field(default_factory=dict)  # by rule whose receivers get nothing, the reason
    mute: str | None = None  # why no action is planned: all of its rules are muted
    waiting: bool = False  # it was not measured, as the source cannot be read or no bucket ended: it may only escalate


@dataclass(frozen=True)
class MissingData:
    """Counts of consecutive buckets without a result, up to and including the newest.

    Parameters
    ----------
    silent
        Buckets without rows.
    thin
        Buckets with too few rows, including those without rows.
    blind
        Buckets without a result for any reason.
    """

    silent: int = 0
    thin: int = 0
    blind: int = 0

    def then(self, result: str, reason: str | None) -> MissingData:
        """Return the counts after one more bucket."""
        why = reason or ""
        if result == "done":
            return MissingData()
        if why.startswith("no_rows"):
            return MissingData(self.silent + 1, self.thin + 1, self.blind + 1)
        return MissingData(0, self.thin + 1 if why.startswith("too_few") else 0, self.blind + 1)

    def beyond(self, gaps: Gaps, after: int) -> int:
        """Return the number of buckets that exceed the gaps of the baseline; the incident fires from ``after`` on.

        Examples
        --------
        >>> MissingData(silent=6, thin=6, blind=6).beyond(Gaps(silent=7, thin=30), after=3)
        1
        >>> MissingData(silent=0, thin=20, blind=20).beyond(Gaps(silent=7, thin=30), after=3)
        0
        """
        if not self.thin:
            return self.blind
        slack = [max(0.0, gap + 1 - after) for gap in (gaps.silent, gaps.thin)]
        counts = (self.silent, self.thin)
        return int(max(0.0, *(count - more for count, more in zip(counts, slack, strict=True))))
