"""Format times, durations, numbers and texts for the web pages."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

from markupsafe import Markup

from monitor.core.action import label_state

DASH = "–"
_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_LARGE, _SMALL = 1e6, 1e-4
_LONGEST_WORD = 30


def number(value: float | None) -> str:
    """Format a number with four significant digits and a thousands separator.

    Examples
    --------
    >>> number(12345), number(0.123456), number(None)
    ('12,345', '0.1235', '–')
    """
    if value is None or not math.isfinite(value):
        return DASH
    if float(value).is_integer() and abs(value) < _LARGE * 1000:
        return f"{int(value):,}"
    if abs(value) >= 1000 and abs(value) < _LARGE:  # noqa: PLR2004
        return f"{value:,.0f}"
    return f"{value:.2e}" if abs(value) >= _LARGE or abs(value) < _SMALL else f"{value:.4g}"


def chance(value: float | None) -> str:
    """Format a p-value; values below 0.001 are not distinguished.

    Examples
    --------
    >>> chance(1e-9), chance(0.04321), chance(None)
    ('< 0.001', '0.043', '–')
    """
    if value is None or not math.isfinite(value):
        return DASH
    return "< 0.001" if value < 0.001 else f"{value:.3f}"  # noqa: PLR2004


def length(span: timedelta) -> str:
    """Format a duration in its largest unit.

    Examples
    --------
    >>> length(timedelta(minutes=12, seconds=30)), length(timedelta(hours=1))
    ('12 minutes', '1 hour')
    """
    seconds = max(0, int(span.total_seconds()))
    for size, name in _UNITS:
        if seconds >= size:
            count = seconds // size
            return f"{count} {name}{'s' * (count != 1)}"
    return "0 seconds"


def ago(moment: datetime | None, now: datetime) -> str:
    """Format the age of a time."""
    if moment is None:
        return DASH
    if moment > now:
        return f"in {length(moment - now)}" if moment - now >= timedelta(seconds=1) else "now"
    return f"{length(now - moment)} ago" if now - moment >= timedelta(seconds=1) else "just now"


def exact(moment: datetime) -> str:
    """Format a time to the second."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def short(moment: datetime, now: datetime) -> str:
    """Format a time of today as hours and minutes, any other with its date.

    Examples
    --------
    >>> short(datetime(2026, 11, 3, 9, 5, tzinfo=UTC), datetime(2026, 11, 4, tzinfo=UTC))
    '3 Nov 09:05'
    """
    moment, now = moment.astimezone(UTC), now.astimezone(UTC)
    if moment.date() == now.date():
        return f"{moment:%H:%M}"
    day = f"{moment.day} {moment:%b}" + ("" if moment.year == now.year else f" {moment.year}")
    return f"{day} {moment:%H:%M}"


def time_tag(moment: datetime | None, text: str) -> Markup:
    """Return a <time> element that shows ``text``, with the exact time as a tooltip."""
    if moment is None:
        return Markup("–")
    iso = moment.astimezone(UTC).isoformat()
    return Markup('<time datetime="{}" title="{}">{}</time>').format(iso, exact(moment), text)


def parse_moment(text: object) -> datetime | None:
    """Parse an ISO 8601 time from our database; None if it is invalid."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def short_id(identity: str) -> str:
    """Return the first characters of an id, which commands and addresses accept.

    Examples
    --------
    >>> short_id("e2bb5632-66d9-5df4-9254-389b0eab396b")
    'e2bb5632'
    """
    return identity[:8]


def pretty(data: Any) -> str:
    """Format data as indented JSON."""
    return json.dumps(data, indent=2, ensure_ascii=False, default=str)


def action_state(state: str) -> str:
    """Return the label of a state of an action."""
    return label_state(state)


def capital(text: str) -> str:
    """Capitalize the first letter only."""
    return text[:1].upper() + text[1:]


def shorten(text: str | None, most: int = 120) -> str:
    """Cut a text to at most ``most`` characters, between words if possible; a missing text is a dash.

    Examples
    --------
    >>> shorten("abcdef", 4), shorten("the rate rose from 1.5 to 3", 22), shorten(None)
    ('abc…', 'the rate rose from…', '–')
    """
    if not text:
        return DASH
    if len(text) <= most:
        return text
    head = text[:most]
    place = head.rfind(" ", max(0, most - _LONGEST_WORD))
    return head[: place if place > 0 else most - 1].rstrip(" ,;:.") + "…"


def sentence(text: str, most: int | None = None) -> str:
    """Format a reason as a sentence: a capital letter, and a full stop unless it is cut.

    Examples
    --------
    >>> sentence("values above 0.2 rose"), sentence("values above 0.2 rose", 16)
    ('Values above 0.2 rose.', 'Values above…')
    """
    if most is not None and len(text) > most:
        return capital(shorten(text, most))
    return f"{capital(text)}."
