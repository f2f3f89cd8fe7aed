"""Times, durations and numbers as people write them."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

from markupsafe import Markup

DASH = "–"
_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_LARGE, _SMALL = 1e6, 1e-4


def number(value: float | None) -> str:
    """Write a number with at most four significant digits, thousands apart.

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
    """Write a p-value: beyond a thousandth its exact size means nothing.

    Examples
    --------
    >>> chance(1e-9), chance(0.04321), chance(None)
    ('< 0.001', '0.043', '–')
    """
    if value is None or not math.isfinite(value):
        return DASH
    return "< 0.001" if value < 0.001 else f"{value:.3f}"  # noqa: PLR2004


def length(span: timedelta) -> str:
    """Write a duration by its largest unit.

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
    """Say how long ago something was."""
    if moment is None:
        return DASH
    if moment > now:
        return f"in {length(moment - now)}" if moment - now >= timedelta(seconds=1) else "now"
    return f"{length(now - moment)} ago" if now - moment >= timedelta(seconds=1) else "just now"


def exact(moment: datetime) -> str:
    """Write a time to the second."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def short(moment: datetime, now: datetime) -> str:
    """Write a time of today by its hour, another with its day.

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
    """Return a <time> that shows ``text`` and tells the exact time on hover."""
    if moment is None:
        return Markup("–")
    iso = moment.astimezone(UTC).isoformat()
    return Markup('<time datetime="{}" title="{}">{}</time>').format(iso, exact(moment), text)


def parse_moment(text: object) -> datetime | None:
    """Read an ISO time that we wrote ourselves; None when it is not one."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def pretty(data: Any) -> str:
    """Write JSON for reading."""
    return json.dumps(data, indent=2, ensure_ascii=False, default=str)


def capital(text: str) -> str:
    """Begin with a capital letter and leave the rest alone."""
    return text[:1].upper() + text[1:]


def shorten(text: str | None, most: int = 120) -> str:
    """Cut a long text; a missing one is a dash.

    Examples
    --------
    >>> shorten("abcdef", 4), shorten(None)
    ('abc…', '–')
    """
    if not text:
        return DASH
    return text if len(text) <= most else text[: most - 1] + "…"
