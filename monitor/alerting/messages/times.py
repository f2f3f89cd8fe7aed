"""Times and durations in messages: in UTC, and in the time zone of the receiver."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from monitor.config.sections import format_duration

UNKNOWN = "an unknown time"
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Times:
    """Formats times.

    Parameters
    ----------
    zone
        Time zone of the receiver.
    at
        Time of the message; the date is omitted where it is the same.

    Examples
    --------
    >>> from zoneinfo import ZoneInfo
    >>> times = Times(ZoneInfo("Europe/Berlin"), "2026-11-02T12:30:00+00:00")
    >>> times.full("2026-11-02T12:25:10+00:00")
    '2026-11-02 12:25 UTC (13:25 CET)'
    >>> times.short("2026-11-02T12:25:10+00:00"), times.short("2026-11-01T23:25:00+00:00")
    ('12:25 UTC', '2026-11-01 23:25 UTC')
    """

    zone: tzinfo = UTC
    at: str | None = None

    def full(self, value: object) -> str:
        """Format a time with its date, in UTC and in the zone."""
        moment = parse(value)
        if moment is None:
            return str(value) if value else UNKNOWN
        local = moment.astimezone(self.zone)
        if local.utcoffset() == timedelta(0):
            return f"{moment:%Y-%m-%d %H:%M} UTC"
        day = "" if local.date() == moment.date() else f"{local:%Y-%m-%d} "
        return f"{moment:%Y-%m-%d %H:%M} UTC ({day}{local:%H:%M %Z})"

    def short(self, value: object) -> str:
        """Format a time in UTC."""
        moment, now = parse(value), parse(self.at)
        if moment is None:
            return str(value) if value else UNKNOWN
        return f"{moment:%H:%M} UTC" if now and now.date() == moment.date() else f"{moment:%Y-%m-%d %H:%M} UTC"

    def is_past(self, value: object) -> bool:
        """Return whether a time is before the message."""
        moment, now = parse(value), parse(self.at)
        return moment is not None and now is not None and moment < now

    def until(self, value: object) -> str:
        """Format the time from the message to a later time."""
        return format_age(parse(self.at), parse(value))


def parse(value: object) -> datetime | None:
    """Return a time in UTC; None if it cannot be read."""
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def format_age(start: datetime | None, end: datetime | None) -> str:
    """Format the time between two times to the minute, such as 1h20m."""
    if start is None or end is None:
        return "an unknown time"
    return format_duration(max(MINUTE, round((end - start) / MINUTE) * MINUTE))
