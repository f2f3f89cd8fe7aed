"""Runs of an evaluation suite whose answers get worse and better again, and what the receivers are sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import numpy as np

from benchmarks.causes.truth import LIVE
from monitor.actions.receivers.base import Delivery
from monitor.config.models import EvaluationSpec
from monitor.core.action import Action, AlertHistory, PastAction
from monitor.core.incident import Incident
from monitor.core.suite_run import OVERALL, CaseResult, Run
from monitor.jobs.evals.compare import compare, conclude, fallen, pool
from monitor.jobs.evals.incident import SuiteAlerting
from monitor.jobs.evals.suite import Suite
from scripts.messages.record import PEOPLE, configure
from scripts.messages.scenarios import Story

SUITE = {"name": "answers", "traffic": {"share": 0.2}, "expect": [{"signal": "valid_json", "min": 1}]}
RATES = (0.95, 0.7, 0.95)
"""Share of the cases that pass, by run."""
CASES = 200


def record_evaluation(story: Story) -> list[tuple[str, Delivery]]:
    """Return what the receivers are sent after each run."""
    config, suite, rng = configure(story, "sqlite://"), Suite.model_validate(SUITE), np.random.default_rng(3)
    spec = EvaluationSpec.model_validate({"suite": "answers.yaml", "do": list(PEOPLE)})
    alerting = SuiteAlerting(spec, suite.name, suite.alpha, config.monitors[0], config.receivers)
    good: list[list[CaseResult]] = []
    incident: Incident | None = None
    planned: list[Action] = []
    for number, rate in enumerate(RATES):
        cases = [
            CaseResult(f"case-{place}", "1", (), {OVERALL: np.array([float(rng.random() < rate)])})
            for place in range(CASES)
        ]
        end = LIVE + timedelta(hours=6 * number)
        past = pool(good)
        run = Run(f"run-{number}", suite.name, "small-7b", end - timedelta(minutes=4), end, cases, copies=False)
        run = replace(run, comparisons=compare(suite, cases, past), fallen=fallen(cases, past))
        result, reason = conclude(suite, run)
        open_now = {incident.group: incident} if incident else {}
        sequences = {incident.id: number} if incident else {}
        history = AlertHistory(open=open_now, sequences=sequences, past=[_delivered(one) for one in planned])
        plan = alerting.plan(replace(run, result=result, reason=reason), history)
        incident = next((one.incident for one in plan.incidents), incident)
        planned += plan.actions
        good += [cases] if result == "good" else []
    return [(one.name, _delivery(one, planned)) for one in planned]


def _delivered(action: Action) -> PastAction:
    names: Mapping[str, object] = {
        name: getattr(action, name) for name in ("name", "created_at", "id", "incident", "kind", "mode", "sequence")
    }
    return PastAction(**names, state="delivered", at=action.created_at)  # type: ignore[arg-type]


def _delivery(action: Action, planned: list[Action]) -> Delivery:
    first = next(one for one in planned if (one.incident, one.name) == (action.incident, action.name))
    thread = None if first is action else {"ts": first.id}
    return Delivery(action.id, action.kind, action.payload, action.created_at, thread)
