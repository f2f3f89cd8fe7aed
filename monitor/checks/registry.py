"""Registry of check kinds. To add a kind, add a module with its check and configuration, and a line here."""

from __future__ import annotations

from monitor.checks.base import Check
from monitor.checks.drift import Drift
from monitor.checks.latency import Latency
from monitor.checks.performance import Performance
from monitor.checks.quality import ColumnQuality, Freshness, Quality, RecordQuality
from monitor.checks.rate import Rate
from monitor.checks.slo import Slo
from monitor.checks.spend import Spend
from monitor.config.checks import CheckConfig
from monitor.config.checks.quality import COLUMN_KINDS, RECORD_KINDS
from monitor.config.models import Monitor

CHECKS: dict[str, type[Check[CheckConfig]]] = {
    "drift": Drift,
    "quality": Quality,
    "performance": Performance,
    "latency": Latency,
    "rate": Rate,
    "slo": Slo,
    "spend": Spend,
    **dict.fromkeys(COLUMN_KINDS, ColumnQuality),
    **dict.fromkeys(RECORD_KINDS, RecordQuality),
    "freshness": Freshness,
}
"""Check kinds by name."""


def make_checks(monitor: Monitor) -> list[Check[CheckConfig]]:
    """Return the checks of a monitor, with groups expanded."""
    configs = [config for entry in monitor.checks for config in entry.expand()]
    return [CHECKS[config.kind](config, monitor) for config in configs]


def config_models() -> dict[str, type[CheckConfig]]:
    """Return the configuration model of every kind."""
    return {kind: check.Config for kind, check in CHECKS.items()}
