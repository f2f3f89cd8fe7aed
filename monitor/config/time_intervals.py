"""Recurring times, with the keys and the meaning of Alertmanager's time intervals."""

from __future__ import annotations

import calendar
import re
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from monitor.config.sections import Section, Zone

DAY_MINUTES = 24 * 60
WEEKDAYS = [name.lower() for name in calendar.day_name]
MONTHS = [name.lower() for name in calendar.month_name]
"""From 1; the first is empty."""


def _clock(value: object) -> object:
    """Convert ``22:00`` to minutes after midnight; YAML reads some of these as a number already."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    parts = re.fullmatch(r"(\d{1,2}):([0-5]\d)", value) if isinstance(value, str) else None
    if parts is None:
        raise PydanticCustomError("clock", "expected a time of the day, such as 09:00 or 24:00")
    return int(parts[1]) * 60 + int(parts[2])


_WRITTEN_CLOCK = {"type": "string", "pattern": r"^\d{1,2}:[0-5]\d$"}
Clock = Annotated[
    int,
    BeforeValidator(_clock),
    Field(ge=0, le=DAY_MINUTES),
    WithJsonSchema(_WRITTEN_CLOCK, mode="validation"),
]


def _names(names: list[str]) -> AfterValidator:
    """Return a validator of a name or number, or of two with a colon between them."""

    def check(text: str) -> str:
        for part in text.split(":", 1):
            _place(part, names)
        return text

    return AfterValidator(check)


def _place(part: str, names: list[str]) -> int:
    word = part.strip().lower()
    if word and word in names:
        return names.index(word)
    if names is MONTHS and word.isdecimal() and 1 <= int(word) <= 12:  # noqa: PLR2004
        return int(word)
    allowed = ", ".join(name for name in names if name)
    raise PydanticCustomError(
        "name",
        "expected one of {allowed}, or two of them, as in {example}",
        {
            "allowed": allowed,
            "example": f"{names[1]}:{names[3]}",
        },
    )


def _numbers(low: int, high: int) -> AfterValidator:
    """Return a validator of a number, or of two with a colon between them."""

    def check(text: str) -> str:
        parts = text.split(":", 1)
        if not all(re.fullmatch(r"\s*-?\d{1,4}\s*", part) and low <= int(part) <= high and int(part) for part in parts):
            raise PydanticCustomError(
                "number",
                "expected a number, or two of them, as in 1:5; from {low} to {high}",
                {
                    "low": low,
                    "high": high,
                },
            )
        return text

    return AfterValidator(check)


def _text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Text = Annotated[str, BeforeValidator(_text)]


class TimeRange(Section):
    """A part of the day."""

    start_time: Clock
    """Start, such as 09:00."""
    end_time: Clock
    """End, exclusive, up to 24:00; a part that goes over midnight is written as two."""

    @model_validator(mode="after")
    def _ends_later(self) -> TimeRange:
        if self.start_time >= self.end_time:
            raise PydanticCustomError(
                "times", "`start_time:` must be before `end_time:`; write two parts if it goes over midnight"
            )
        return self


class TimeInterval(Section):
    """A set of times: those that match every key; a key with several values matches if one of them does."""

    times: list[TimeRange] = []
    """Parts of the day."""
    weekdays: list[Annotated[Text, _names(WEEKDAYS)]] = []
    """Days of the week, such as `saturday` or `monday:friday`, inclusive."""
    days_of_month: list[Annotated[Text, _numbers(-31, 31)]] = []
    """Days of the month, such as `1` or `1:5`, inclusive; negative from its end: `-1` is the last."""
    months: list[Annotated[Text, _names(MONTHS)]] = []
    """Months, such as `december` or `1:3`, inclusive."""
    years: list[Annotated[Text, _numbers(1970, 9999)]] = []
    """Years, such as `2026:2027`, inclusive."""
    location: Zone = "UTC"
    """IANA time zone that all keys refer to."""

    def contains(self, at: datetime) -> bool:
        """Return whether a time lies in the interval."""
        local = at.astimezone(ZoneInfo(self.location))
        minute, days = local.hour * 60 + local.minute, calendar.monthrange(local.year, local.month)[1]
        return (
            (not self.times or any(part.start_time <= minute < part.end_time for part in self.times))
            and _within(self.weekdays, local.weekday(), WEEKDAYS)
            and (not self.days_of_month or any(_has_day(part, local.day, days) for part in self.days_of_month))
            and _within(self.months, local.month, MONTHS)
            and (not self.years or any(_has_year(part, local.year) for part in self.years))
        )


def _within(ranges: list[str], place: int, names: list[str]) -> bool:
    """Return whether a place lies in one of the ranges of names; `saturday:sunday` may go over the end."""
    for text in ranges:
        first, last = (_place(part, names) for part in _ends(text))
        if first <= place <= last if first <= last else place >= first or place <= last:
            return True
    return not ranges


def _has_day(text: str, day: int, days: int) -> bool:
    first, last = (number if number > 0 else days + 1 + number for number in map(int, _ends(text)))
    return first <= day <= last


def _has_year(text: str, year: int) -> bool:
    first, last = map(int, _ends(text))
    return first <= year <= last


def _ends(text: str) -> tuple[str, str]:
    first, _, last = text.partition(":")
    return first, last or first
