"""Interpretation of status words and codes."""

from __future__ import annotations

import re

ERROR = re.compile(
    r"error|fail|exception|time.?out|timed.?out|cancel|abort|refus|denied|reject|unavailable|exhausted|exceeded|invalid",
    re.IGNORECASE,
)
NO_ERROR = re.compile(r"\b(no|without|0|non)[ _-]?(error|fail)|error.?free", re.IGNORECASE)
RATE_LIMITED = re.compile(r"rate.?limit|too.?many|quota|throttl|overloaded|exhausted|\b(429|529)\b", re.IGNORECASE)
TIMED_OUT = re.compile(r"time.?out|timed.?out|deadline|\b(408|504)\b", re.IGNORECASE)
FIRST_BAD, LAST_BAD = 400, 599


def says_error(status: object) -> bool:
    """Return whether a status is an error; a boolean is True for success.

    Examples
    --------
    >>> [says_error(status) for status in (200, 503.0, "504", -1, "OK", "STATUS_CODE_ERROR", "no error", True, False)]
    [False, True, True, True, False, True, False, False, True]
    """
    if isinstance(status, bool):
        return not status
    text = str(status).strip()
    try:
        return FIRST_BAD <= float(text) <= LAST_BAD or float(text) < 0
    except ValueError:
        return ERROR.search(text) is not None and NO_ERROR.search(text) is None
