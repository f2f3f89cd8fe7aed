"""Alert on a run of a suite: convert it to a finding, which opens incidents and plans actions like any other."""

from __future__ import annotations

from dataclasses import dataclass

from detectors.base import Finding, Status
from monitor.actions.decide_and_plan import decide_and_plan
from monitor.actions.plan_actions import ActionPlan
from monitor.actions.plan_context import Receivers
from monitor.alerting.alert_context import AlertContext
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
"""Status of the finding by result of the run; an inconclusive run is no evidence about the model."""


def evaluation_finding(run: Run, alpha: float) -> Finding:
    """Return the finding of a run: the decrease of the mean score since the last good run. Pure."""
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
    """Return the rule of a suite; its incidents have the same name."""
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
    """Plans the alerts of a suite: the monitor of its incidents and their rule.

    Parameters
    ----------
    monitor
        Monitor of the application that the suite evaluates.
    alpha
        Significance level of the suite, for the evidence.
    """

    spec: EvaluationSpec
    suite: str
    alpha: float
    monitor: Monitor
    receivers: Receivers

    @property
    def suite_monitor(self) -> Monitor:
        """Return the monitor with only the rule of the suite."""
        return self.monitor.with_rules([suite_rule(self.spec, self.suite)])

    def plan(self, run: Run, history: AlertHistory) -> ActionPlan:
        """Decide about the incident of the suite after a run, and plan the actions. Pure."""
        monitor, bucket = self.suite_monitor, Bucket(run.started_at, run.finished_at)
        evaluation = Evaluation([evaluation_finding(run, self.alpha)])
        return decide_and_plan(monitor, self.receivers, evaluation, AlertContext(history), bucket, run.finished_at)[1]
