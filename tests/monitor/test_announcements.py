"""The message about a verdict: whom it is about, what it says, its thread, its id and how long it is worth sending."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from monitor.actions.notifications import announce_experiment, announce_shadow, thread_key
from monitor.config.arms import Experiment, Shadow
from monitor.core.schedule import Bucket
from tests.support.decisions import HOUR, MINUTE, SLACK, START, monitor_of

BUCKET = Bucket(START + HOUR, START + HOUR + MINUTE)
EXPERIMENT = Experiment.model_validate(
    {"name": "e", "control": "a", "treatments": ["b", "c"], "from": START, "metrics": ["solved"], "do": ["slack"]}
)
SHADOW = Shadow.model_validate(
    {"name": "s", "champion": "a", "challenger": "b", "join": "id", "from": START, "do": ["slack"]}
)
RECEIVERS = {"slack": SLACK}


@pytest.mark.parametrize(
    ("verdict", "severity", "words", "step"),
    [
        ("win", "info", "b is better than a", " To do: decide whether to roll it out, and end the comparison."),
        ("lose", "warning", "b is worse than a", " To do: keep a, and end the comparison."),
        (
            "invalid",
            "warning",
            "b cannot be compared with a",
            " To do: correct the assignment of the traffic; the figures are not comparable.",
        ),
        ("no difference", "info", "b is as good as a", " To do: choose the cheaper one, and end the comparison."),
        ("keep running", "info", "b and a cannot be told apart yet", ""),
    ],
)
def test_an_experiment_is_announced_with_its_verdict(verdict: str, severity: str, words: str, step: str) -> None:
    verdicts = {"verdict": verdict, "reason": "because"}
    (action,) = announce_experiment(monitor_of(), EXPERIMENT, "b", verdicts, BUCKET.end, 3, RECEIVERS)
    assert (action.monitor, action.name, action.kind, action.mode, action.state) == (
        "bot",
        "slack",
        "verdict",
        "auto",
        "pending",
    )
    assert (action.created_at, action.not_after, action.sequence) == (BUCKET.end, None, 3)
    assert action.reason == "every change of a verdict is announced"
    assert action.incident == thread_key("bot", "e", "b")
    assert action.payload == {
        "type": "driftd.experiment.verdict",
        "timestamp": BUCKET.end.isoformat(),
        "data": {
            "monitor": "bot",
            "severity": severity,
            "headline": f"bot: experiment e: {words}",
            "summary": f"Verdict {verdict!r}, since 2026-11-01 00:00 UTC: because.{step}",
            "experiment": {"name": "e", "control": "a", "treatment": "b", "verdict": verdict, "reason": "because"},
            "window": {"start": START.isoformat(), "end": BUCKET.end.isoformat()},
        },
    }


def test_a_shadow_is_announced_with_its_pairs_and_for_a_day() -> None:
    told: dict[str, Any] = {"verdict": "lose", "reason": "because", "pairs": 120}
    (action,) = announce_shadow(monitor_of(), SHADOW, told, BUCKET.end, 4, START + 2 * HOUR, RECEIVERS)
    assert (action.name, action.kind, action.sequence) == ("slack", "verdict", 4)
    assert (action.created_at, action.not_after) == (START + 2 * HOUR, START + 26 * HOUR)
    assert action.incident == thread_key("bot", "s", "b", "shadow")
    assert action.payload == {
        "type": "driftd.shadow.verdict",
        "timestamp": BUCKET.end.isoformat(),
        "data": {
            "monitor": "bot",
            "severity": "warning",
            "headline": "bot: shadow s: b is worse than a",
            "summary": "Verdict 'lose' from 120 pairs, since 2026-11-01 00:00 UTC: because. "
            "To do: keep a, and end the comparison.",
            "shadow": {"name": "s", "champion": "a", "challenger": "b", **told},
            "window": {"start": START.isoformat(), "end": BUCKET.end.isoformat()},
        },
    }


def test_a_verdict_of_a_bucket_has_one_id_and_a_treatment_one_thread() -> None:
    one = {"verdict": "win", "reason": "because"}
    later = Bucket(BUCKET.end, BUCKET.end + timedelta(minutes=1))
    made = [
        announce_experiment(monitor_of(), EXPERIMENT, arm, one, bucket.end, 0, RECEIVERS)[0]
        for arm in "bc"
        for bucket in (BUCKET, later)
    ]
    assert len({action.id for action in made}) == 4
    assert len({action.incident for action in made}) == 2
    assert announce_experiment(monitor_of(), EXPERIMENT, "b", one, BUCKET.end, 9, RECEIVERS)[0].id == made[0].id
    threads = {
        thread_key(*each) for each in (("m", "e", "b"), ("m", "e", "b", "shadow"), ("n", "e", "b"), ("m", "f", "b"))
    }
    assert len(threads) == 4
