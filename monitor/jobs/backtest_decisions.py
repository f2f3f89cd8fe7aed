"""Decisions of a backtest: each bucket as the daemon would have decided it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from monitor.actions.decide_and_plan import decide_and_plan
from monitor.actions.plan_context import Receivers
from monitor.alerting.alert_context import AlertContext
from monitor.alerting.change_point import Plateau
from monitor.alerting.news import choose_news
from monitor.alerting.second_shift import explain_moves
from monitor.checks.evaluation import Evaluation
from monitor.config.models import Monitor
from monitor.jobs.alert_log import AlertLog
from monitor.jobs.replay_stretch import ReplayedBucket


@dataclass
class BacktestDecisions:
    """Decide bucket by bucket, and log the results."""

    monitor: Monitor
    receivers: Receivers = field(default_factory=dict)
    log: AlertLog = field(default_factory=AlertLog)
    plateaus: dict[datetime, Plateau] = field(default_factory=dict)

    def add(self, replayed: ReplayedBucket) -> None:
        """Decide one bucket."""
        bucket, findings, plateaus = replayed.bucket, replayed.findings, replayed.plateaus
        reason = None if replayed.measured and replayed.rows else "too_few" if replayed.rows else "no_rows"
        self.log.add_changes(replayed.changes)
        history = self.log.history(bucket)
        announced = self.log.list_announced()
        shifts = {rule: plateaus.moved(self.plateaus, since, bucket.end) for rule, since in announced.items()}
        window = None
        if any(shifts.values()) or choose_news(self.monitor, findings, history.open):
            window = plateaus.window(bucket.end)
            shifts = {
                rule: explain_moves(self.plateaus[announced[rule]], window, shifted) if shifted else []
                for rule, shifted in shifts.items()
            }
        evaluation = Evaluation(findings, "inconclusive" if reason else "done", reason, window=window)
        context = AlertContext(history, plateaus.baseline_at(bucket.end), shifts)
        _, plan = decide_and_plan(self.monitor, self.receivers, evaluation, context, bucket, bucket.end)
        self.log.add(plan, bucket)
        self.log.missing = self.log.missing.then(str(evaluation.result), reason)
