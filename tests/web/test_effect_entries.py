"""The page of an incident says how fast an effect was, whether it helped, and who approved it."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.core.operation import Acknowledge, Approve, Assign, Author
from monitor.store.operations import perform
from tests.web.conftest import Serve
from tests.web.seed import MINUTE, Seed, configuration
from tests.web.test_pages import FIRING, assert_harmless, words

ROLLBACK = "33333333-cccc-4000-8000-000000000004"


def sent(seed: Seed, **verification: Any) -> None:
    """Write an incident that was resolved after a rollback."""
    seed.incident(FIRING, "bot", [("novelty", None, 0.41)], opened=40, resolved=20)
    measured = {"at": (seed.end - 20 * MINUTE).isoformat(), "records": 1204, "seconds": 180.0, "reason": ""}
    finished = {"state": "delivered", "finished_at": seed.end - 25 * MINUTE, "reaction_seconds": 83.6}
    seed.action(ROLLBACK, FIRING, "bot", **finished, verification={**measured, **verification})


@pytest.mark.parametrize(
    ("state", "reason", "said"),
    [
        ("verified", "", "Rollback verified on 1,204 records in 3 minutes"),
        ("not_verified", "failed requests 9 %", "Rollback did not help: failed requests 9 %"),
        ("unknown", "12 records", "Rollback could not be verified: 12 records"),
    ],
)
def test_the_page_says_whether_an_effect_helped(state: str, reason: str, said: str, seed: Seed, serve: Serve) -> None:
    sent(seed, state=state, reason=reason)
    page = serve(configuration(str(seed.database.url))).get(f"/incidents/{FIRING}").text
    assert_harmless(page)
    head, timeline = words(page).split(" Timeline ", 1)
    assert f"Rollback sent 84 s after the first bad record. {said}." in head
    steps = ["Rollback by rollback-bot was sent", "sent 84 s after the first bad record", said, "Resolved"]
    places = [timeline.index(step) for step in steps]
    assert places == sorted(places)


def test_the_timeline_says_who_did_what_and_by_which_channel(seed: Seed, serve: Serve) -> None:
    seed.incident(FIRING, "bot", [("novelty", None, 0.41)])
    seed.action(ROLLBACK, FIRING, "bot", not_after=None)
    ada = Author("Ada", "slack", "responder", is_verified=True)
    perform(seed.database, Approve(ROLLBACK, reason="<b>checked"), ada)
    perform(seed.database, Acknowledge(FIRING), Author("ben", "cli", "admin"))
    perform(seed.database, Assign(FIRING, "cleo"), Author("ben", "web", "admin"))
    page = serve(configuration(str(seed.database.url))).get(f"/incidents/{FIRING}").text
    assert_harmless(page)
    timeline = words(page).split(" Timeline ", 1)[1]
    for said in (
        "Rollback approved by Ada via Slack &lt;b&gt;checked",
        "Acknowledged by ben via the command line",
        "Assigned to cleo by ben via the web page",
    ):
        assert said in timeline
