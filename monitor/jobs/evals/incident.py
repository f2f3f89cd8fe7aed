"""A run of a suite as a finding, and what becomes of it by the same rules as of any other: incident, Slack, actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from detectors.base import Finding, Status
from monitor.alerting.incidents import judge
from monitor.alerting.rules import act_on, with_prompt
from monitor.config.models import EvaluationSpec, Monitor, Rule
from monitor.config.receivers import ReceiverConfig
from monitor.config.rules import rule_name
from monitor.core.action import Action, AlertHistory
from monitor.core.incident import Decision
from monitor.core.schedule import Bucket
from monitor.jobs.evals.result import Result, Run
from monitor.jobs.evals.score import OVERALL

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
        check=CHECK, column=run.suite, method="paired_permutation", segment=None, status=STATUS[run.result],
        reason=run.reason, statistic=None if whole is None else max(0.0, -whole.paired.change), threshold=None,
        p_value=None if whole is None else whole.p_adjusted, n_baseline=0 if whole is None else whole.paired.cases,
        n_window=len(run.cases), unit="score",
        detail={
            "run": run.id, "score": run.score, "alpha": alpha, "model": run.model,
            "fallen": [{"case": case, "before": before, "after": after} for case, before, after in fallen],
            "regressed": [one.measure for one in run.comparisons if one.regressed],
        },
    )  # fmt: skip


def suite_rule(spec: EvaluationSpec, suite: str) -> Rule:
    """Return the rule that watches a suite; its name is that of the incidents."""
    return Rule.model_validate(
        {
            "name": f"{CHECK}.{suite}", "when": [f"{CHECK}.{suite}"], "for": spec.for_, "resolve_for": 1,
            "severity": spec.severity, "do": spec.do,
        }
    )  # fmt: skip


@dataclass(frozen=True)
class Keeper:
    """Whose incident a regression is, and what is done about it.

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
    actions: Mapping[str, ReceiverConfig]

    @property
    def alone(self) -> Monitor:
        """Return the monitor with the rule of the suite and no other."""
        return self.monitor.model_copy(update={"rules": [suite_rule(self.spec, self.suite)]})

    def judge(self, run: Run, past: AlertHistory) -> tuple[Sequence[Decision], Sequence[Action]]:
        """Decide what a run means for the incident of its suite, and what follows. Pure."""
        monitor, bucket = self.alone, Bucket(run.started_at, run.finished_at)
        rule = monitor.rules[0]
        name = rule_name(rule)
        found = [evaluation_finding(run, self.alpha)]
        decision = judge(
            monitor, rule, found, past.open.get(name), bucket.end, past.changes, past.resolved.get(name)
        )  # fmt: skip
        if decision is None:
            return [], []
        return act_on(monitor, [with_prompt(decision, past.prompts)], past, self.actions, bucket, run.finished_at)
