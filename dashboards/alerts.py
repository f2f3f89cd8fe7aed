"""Prometheus alert rules about driftd and what it found: one row a rule, written to alerts.yml."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Alert:
    """One rule. ``hold`` is Prometheus' ``for``."""

    name: str
    expr: str
    hold: str
    severity: str
    summary: str
    description: str


ALERTS = (
    Alert(
        "DriftdIncidentCritical",
        'sum by (monitor) (driftd_incidents{state="firing", severity="critical"}) > 0',
        "0m",
        "critical",
        "{{ $labels.monitor }} has a critical incident",
        "The web page of driftd shows the start, the reason, and the actions.",
    ),
    Alert(
        "DriftdIncident",
        'sum by (monitor) (driftd_incidents{state="firing", severity!="critical"}) > 0',
        "0m",
        "warning",
        "{{ $labels.monitor }} has an incident",
        "The web page of driftd shows the start, the reason, and the actions.",
    ),
    Alert(
        "DriftdNoData",
        "driftd_no_data == 1",
        "0m",
        "warning",
        "{{ $labels.monitor }} has no data",
        "No rows, too few rows, or a source that cannot be read. The state of the model is unknown.",
    ),
    Alert(
        "DriftdSourceDown",
        "driftd_source_up == 0",
        "5m",
        "warning",
        "The source of {{ $labels.monitor }} cannot be read",
        "`driftd status` shows the reason. The buckets are computed when the source can be read again.",
    ),
    Alert(
        "DriftdLagging",
        "time() - driftd_oldest_due_bucket_timestamp_seconds > 3600",
        "15m",
        "warning",
        "{{ $labels.monitor }} is {{ $value | humanizeDuration }} behind",
        "The oldest unfinished bucket is more than an hour old: driftd is too slow, or the source fails.",
    ),
    Alert(
        "DriftdNotLooking",
        "time() - driftd_last_pass_timestamp_seconds > 300",
        "5m",
        "critical",
        "No replica has evaluated {{ $labels.monitor }} for five minutes",
        "The evaluation hangs, or every replica is down.",
    ),
    Alert(
        "DriftdStoreDown",
        "driftd_store_up == 0",
        "2m",
        "critical",
        "The store of driftd does not respond",
        "Nothing is computed and no action is delivered.",
    ),
    Alert(
        "DriftdOutboxStuck",
        "time() - driftd_outbox_oldest_timestamp_seconds > 900",
        "5m",
        "critical",
        "An action has been waiting for delivery for {{ $value | humanizeDuration }}",
        "The receiver does not accept it. `driftd actions list --state pending` shows the reason.",
    ),
    Alert(
        "DriftdActionFailed",
        "time() - driftd_action_failed_timestamp_seconds < 3600",
        "0m",
        "warning",
        "The action {{ $labels.action }} of {{ $labels.monitor }} failed",
        "In the last hour it was refused, or it expired. `driftd actions list` shows the reason; "
        "`driftd actions replay` sends a failed action again.",
    ),
    Alert(
        "DriftdActionWaiting",
        'sum by (monitor, action) (driftd_actions{state="awaiting_approval"}) > 0',
        "0m",
        "warning",
        "The action {{ $labels.action }} of {{ $labels.monitor }} waits for approval",
        "`driftd actions approve ID` sends it. Without approval it expires.",
    ),
    Alert(
        "DriftdBreakerOpen",
        'driftd_breaker_state{state="open"} > 0',
        "0m",
        "critical",
        "The breaker {{ $labels.breaker }} of {{ $labels.monitor }} is open",
        "Applications that query it send no requests. `driftd breakers list` shows the reason and the duration.",
    ),
    Alert(
        "DriftdSeriesTruncated",
        "driftd_series_truncated > 0",
        "30m",
        "info",
        "{{ $value }} findings of {{ $labels.monitor }} are not exported",
        "Monitor fewer columns or segments. All findings are on the web page.",
    ),
    Alert(
        "DriftdClockSkew",
        "abs(driftd_clock_skew_seconds) > 5",
        "2m",
        "warning",
        "The clock of {{ $labels.instance }} differs from that of the store by {{ $value | humanizeDuration }}",
        "This replica delivers no effects until the difference is at most 5 s. Compare `chronyc tracking` or "
        "`timedatectl` on its host with that of the store's database, and synchronise the wrong one.",
    ),
    Alert(
        "DriftdRecordsQuarantined",
        "sum by (monitor, reason) (increase(driftd_quarantined_records_total[1h])) > 0",
        "0m",
        "info",
        "{{ $labels.monitor }} has records without signals ({{ $labels.reason }})",
        "Computing their signals took too much time or memory, crashed or failed. The log (`records_quarantined`, "
        "`signal_failed`) and `driftd status` have more; somebody may send texts that are meant to do this.",
    ),
    Alert(
        "DriftdConfigReloadFailed",
        "driftd_config_last_reload_successful == 0",
        "5m",
        "warning",
        "The new configuration of driftd cannot be used",
        "The previous one stays in use. `driftd config check` and the log (`reload_failed`) have the reason.",
    ),
    Alert(
        "DriftdDown",
        'absent(up{job="driftd"} == 1)',
        "5m",
        "critical",
        "driftd is down",
        "No target of the job driftd can be scraped.",
    ),
)


def rule_file() -> dict[str, object]:
    """Return the rules as Prometheus reads them."""
    rules = [
        {
            "alert": alert.name,
            "expr": alert.expr,
            **({} if alert.hold == "0m" else {"for": alert.hold}),
            "labels": {"severity": alert.severity},
            "annotations": {"summary": alert.summary, "description": alert.description},
        }
        for alert in ALERTS
    ]
    return {"groups": [{"name": "driftd", "rules": rules}]}
