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
        "The page of driftd says since when, why, and what was done about it.",
    ),
    Alert(
        "DriftdIncident",
        'sum by (monitor) (driftd_incidents{state="firing", severity!="critical"}) > 0',
        "0m",
        "warning",
        "{{ $labels.monitor }} has an incident",
        "The page of driftd says since when, why, and what was done about it.",
    ),
    Alert(
        "DriftdNoData",
        "driftd_no_data == 1",
        "0m",
        "warning",
        "{{ $labels.monitor }} cannot see",
        "No rows, too few, or a source that cannot be read. Nothing is known of the model meanwhile.",
    ),
    Alert(
        "DriftdSourceDown",
        "driftd_source_up == 0",
        "5m",
        "warning",
        "The source of {{ $labels.monitor }} cannot be read",
        "`driftd status` tells the reason. Its buckets wait and are worked off when it is back.",
    ),
    Alert(
        "DriftdLagging",
        "time() - driftd_oldest_due_bucket_timestamp_seconds > 3600",
        "15m",
        "warning",
        "{{ $labels.monitor }} is {{ $value | humanizeDuration }} behind",
        "The oldest bucket that is not finished is over an hour old: too little time, or a source that fails.",
    ),
    Alert(
        "DriftdNotLooking",
        "time() - driftd_last_pass_timestamp_seconds > 300",
        "5m",
        "critical",
        "No replica has looked at {{ $labels.monitor }} for five minutes",
        "The tick loop hangs or every replica is down.",
    ),
    Alert(
        "DriftdStoreDown",
        "driftd_store_up == 0",
        "2m",
        "critical",
        "driftd's own database does not answer",
        "Nothing is computed and nothing is delivered until it does.",
    ),
    Alert(
        "DriftdOutboxStuck",
        "time() - driftd_outbox_oldest_timestamp_seconds > 900",
        "5m",
        "critical",
        "An action has waited for {{ $value | humanizeDuration }}",
        "Slack or a webhook's receiver does not accept it. `driftd actions list --state pending` tells the reason.",
    ),
    Alert(
        "DriftdActionFailed",
        "time() - driftd_action_failed_timestamp_seconds < 3600",
        "0m",
        "warning",
        "The action {{ $labels.action }} of {{ $labels.monitor }} did not happen",
        "In the last hour it was refused, or it came too late. `driftd actions list` tells the reason; "
        "`driftd actions replay` repeats what failed.",
    ),
    Alert(
        "DriftdActionWaiting",
        'sum by (monitor, action) (driftd_actions{state="awaiting_approval"}) > 0',
        "0m",
        "warning",
        "The action {{ $labels.action }} of {{ $labels.monitor }} waits for approval",
        "`driftd actions approve ID` sends it; it expires by itself.",
    ),
    Alert(
        "DriftdBreakerOpen",
        'driftd_breaker_state{state="open"} > 0',
        "0m",
        "critical",
        "The breaker {{ $labels.breaker }} of {{ $labels.monitor }} is open",
        "Applications that ask it send no requests. `driftd breakers list` tells the reason and until when.",
    ),
    Alert(
        "DriftdSeriesTruncated",
        "driftd_series_truncated > 0",
        "30m",
        "info",
        "{{ $value }} findings of {{ $labels.monitor }} are not exported",
        "Watch fewer columns or segments, or read them on the page.",
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
