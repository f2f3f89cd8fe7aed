"""Matchers over the labels of findings, incidents, breakers and verdicts, as in Alertmanager; and silences."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

Labels = Mapping[str, str]
LABELS = ("monitor", "rule", "check", "column", "segment", "severity")
"""What a matcher may name. A label that does not apply, such as the column of missing data, is empty."""
LONGEST_MATCHER = 512
_FORM = re.compile(r"\s*(\w+)\s*(=~|!~|!=|=)\s*(.*?)\s*", re.DOTALL)


@dataclass(frozen=True)
class Matcher:
    """A condition on one label: equal, not equal, or whether a regular expression matches the whole value."""

    label: str
    operator: str
    value: str

    def matches(self, labels: Labels) -> bool:
        """Return whether labels meet the condition."""
        given = labels.get(self.label, "")
        met = given == self.value if self.operator in ("=", "!=") else bool(_compile(self.value)(given))
        return met is not self.operator.startswith("!")

    def __str__(self) -> str:
        """Return the matcher as it is written."""
        return f'{self.label}{self.operator}"{self.value}"'


@dataclass(frozen=True)
class Silence:
    """Mutes everything whose labels meet all matchers, until it ends."""

    number: int
    matchers: Sequence[Matcher]
    ends_at: datetime

    def matches(self, labels: Labels) -> bool:
        """Return whether the silence applies to labels."""
        return matches_all(self.matchers, labels)


def matches_all(matchers: Iterable[Matcher], labels: Labels) -> bool:
    """Return whether labels meet every matcher."""
    return all(matcher.matches(labels) for matcher in matchers)


def parse_matcher(text: str) -> Matcher:
    """Parse a matcher; the quotes around its value are optional.

    Raises
    ------
    ValueError
        With a sentence, if the form, the label or the regular expression is invalid.

    Examples
    --------
    >>> parse_matcher('column=~"price|cost"').matches({"column": "cost"})
    True
    """
    form = _FORM.fullmatch(text)
    if form is None or len(text) > LONGEST_MATCHER:
        raise ValueError(f"{text[:80]!r} is no matcher; write for example 'column=~\"price|cost\"'")
    label, operator, value = form.groups()
    if label not in LABELS:
        raise ValueError(f"{label!r} is no label; a matcher can name {', '.join(LABELS)}")
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    if operator in ("=~", "!~"):
        _compile(value)
    return Matcher(label, operator, value)


@lru_cache(256)
def _compile(pattern: str) -> Callable[[str], object]:
    """Return what matches a whole text against a pattern, in linear time."""
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        matching: Callable[[str], object] = re2.compile(pattern, options).fullmatch
    except re2.error:
        raise ValueError(f"{pattern[:80]!r} is no valid regular expression (RE2 syntax)") from None
    return matching
