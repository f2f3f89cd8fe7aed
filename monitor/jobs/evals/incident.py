"""A run of a suite as a finding, and what becomes of it by the same rules as of any other: incident, Slack, actions."""

from __future__ import annotations

from dataclasses import dataclass

from detectors.base import Finding, Status
from monitor.actions.decide_and_plan import decide_and_plan
from monitor.actions.plan_actions import ActionPlan, Receivers
from monitor.alerting.decide import AlertContext
from monitor.checks.evaluation import Evaluation
from monitor.config.models import EvaluationSpec, Monitor, Rule
from monitor.core.action import AlertHistory
from monitor.core.schedule import Bucket
from monitor.core.suite_run import OVERALL, Result, Run

CHECK = "evaluation"
STATUS: dict[Result, Status] = {
    "good": Status.OK,
    "regressed": Status.DRIFTED,
    "below": Status.DRIFTED,
    "inconclusive": Status.INCONCLUSIVE,
}
"""A run that could tell nothing speaks neither for nor against the model."""


def evaluation_finding(run: Run, alpha: float) -> Finding:
    """Return what a run found: how far the mean score fell since the last good run. Pure."""
    whole = next((one for one in run.comparisons if one.measure == OVERALL), None)
    fallen = sorted(run.fallen, key=lambda case: case[2] - case[1])[:10]
    return Finding(
        check=CHECK,
        column=run.suite,
        method="paired_permutation",
        segment=None,
        status=STATUS[run.result],
        reason=run.reason,
        statistic=None if whole is None else max(0.0, -whole.paired.change),
        threshold=None,
        p_value=None if whole is None else whole.p_adjusted,
        n_baseline=0 if whole is None else whole.paired.cases,
        n_window=len(run.cases),
        unit="score",
        detail={
            "run": run.id,
            "score": run.score,
            "alpha": alpha,
            "model": run.model,
            "fallen": [{"case": case, "before": before, "after": after} for case, before, after in fallen],
            "regressed": [one.measure for one in run.comparisons if one.regressed],
        },
    )


def suite_rule(spec: EvaluationSpec, suite: str) -> Rule:
    """Return the rule that watches a suite; its name is that of the incidents."""
    return Rule.model_validate(
        {
            "name": f"{CHECK}.{suite}",
            "when": [f"{CHECK}.{suite}"],
            "for": spec.for_,
            "resolve_for": 1,
            "severity": spec.severity,
            "do": spec.do,
        }
    )


@dataclass(frozen=True)
class SuiteAlerting:
    """How a regression of a suite alerts: whose incident it is, and by which rule.

    Parameters
    ----------
    monitor
        The application that the suite is of.
    alpha
        The suite's own, for the evidence.
    """

    spec: EvaluationSpec
    suite: str
    alpha: float
    monitor: Monitor
    receivers: Receivers

    @property
    def suite_monitor(self) -> Monitor:
        """Return the monitor with the rule of the suite and no other."""
        return self.monitor.with_rules([suite_rule(self.spec, self.suite)])

    def plan(self, run: Run, history: AlertHistory) -> ActionPlan:
        """Decide what a run means for the incident of its suite, and plan what follows. Pure."""
        monitor, bucket = self.suite_monitor, Bucket(run.started_at, run.finished_at)
        evaluation = Evaluation([evaluation_finding(run, self.alpha)])
        return decide_and_plan(monitor, self.receivers, evaluation, AlertContext(history), bucket, run.finished_at)[1]
