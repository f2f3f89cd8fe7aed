"""The time stamp of a signature: a request that is too old, or from the future, is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from monitor.actions.receivers.webhook.signature import sign, verify

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SECRET = "whsec_c2VjcmV0LW9mLXRoZS1ob29r"


@pytest.mark.parametrize(
    ("seconds", "accepted"), [(0, True), (300, True), (301, False), (-300, True), (-301, False), (10**9, False)]
)
def test_a_signature_holds_for_five_minutes_in_both_directions(seconds: int, accepted: bool) -> None:
    headers = sign(SECRET, "m", NOW + timedelta(seconds=seconds), b"{}")
    assert verify(SECRET, headers, b"{}", NOW) is accepted
