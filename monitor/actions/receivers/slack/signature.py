"""Signatures of the requests that Slack sends."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from slack_sdk.signature import Clock, SignatureVerifier


class _Clock(Clock):
    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> float:
        return self._at.timestamp()


def is_signed(secret: str, body: bytes, headers: Mapping[str, str], at: datetime) -> bool:
    """Return whether a request was signed with a secret at most 5 minutes before or after a time."""
    try:
        return bool(SignatureVerifier(secret, _Clock(at)).is_valid_request(body, dict(headers)))
    except (TypeError, ValueError, OverflowError):  # not a number, or not text
        return False
