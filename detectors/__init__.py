"""Pure statistics of monitoring: profiles, detectors, signals. No clock, no network, no SQL, no files.

The registries below are explicit lists. To add a detector or a signal, add one file and one line here. They are lazy:
listing names imports nothing, and using a name imports only its module.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from detectors.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from detectors.base import Criterion, Detector, Direction, Finding, Measurement, Status, assess
    from detectors.binning import Binning, learn_categorical, learn_numeric
    from detectors.policy import GuardRule, Policy, Verdict, guard
    from detectors.profile import Profile
    from detectors.records import Column, Records
    from detectors.sequential import Sequential
    from detectors.signals.base import Signal
    from detectors.stack import Stack

DRIFT: Registry[Detector] = Registry(
    {
        "kolmogorov_smirnov": "detectors.drift.kolmogorov_smirnov:DETECTOR",
        "rank": "detectors.drift.rank:DETECTOR",
        "spread": "detectors.drift.spread:DETECTOR",
        "correlation": "detectors.drift.correlation:DETECTOR",
        "mmd": "detectors.drift.mmd:DETECTOR",
        "wasserstein": "detectors.drift.wasserstein:DETECTOR",
        "psi": "detectors.drift.psi:DETECTOR",
        "jensen_shannon": "detectors.drift.jensen_shannon:DETECTOR",
        "chi_square": "detectors.drift.chi_square:DETECTOR",
        "hellinger": "detectors.drift.hellinger:DETECTOR",
        "energy": "detectors.drift.energy:DETECTOR",
        "anderson_darling": "detectors.drift.anderson_darling:DETECTOR",
        "mean": "detectors.drift.mean:DETECTOR",
        "quantile": "detectors.drift.quantile:DETECTOR",
        "share": "detectors.drift.share:DETECTOR",
        "rate_ratio": "detectors.drift.rate_ratio:DETECTOR",
        "rest": "detectors.drift.rest:DETECTOR",
    }
)
"""Detectors of a change in one column, by name: the methods of the check `drift`."""

QUALITY: Registry[Detector] = Registry(
    {
        "missing": "detectors.quality.missing:DETECTOR",
        "mistyped": "detectors.quality.mistyped:DETECTOR",
        "range": "detectors.quality.range:DETECTOR",
        "unseen": "detectors.quality.unseen:DETECTOR",
    }
)
"""Detectors of invalid values in one column, by name; each is a separate check."""

DETECTORS: Registry[Detector] = DRIFT | QUALITY
"""Detectors of one column, by name."""

SEQUENTIAL: Registry[Sequential] = Registry(
    {
        "cusum": "detectors.drift.cusum:DETECTOR",
        "rate_cusum": "detectors.drift.rate_cusum:DETECTOR",
    }
)
"""Sequential detectors, which accumulate evidence over buckets, by name."""

PERFORMANCE: Registry[Detector] = Registry(
    {
        "accuracy": "detectors.performance.measured:DETECTORS",
        "estimated_accuracy": "detectors.performance.measured:DETECTORS",
        "precision": "detectors.performance.measured:DETECTORS",
        "estimated_precision": "detectors.performance.measured:DETECTORS",
        "recall": "detectors.performance.measured:DETECTORS",
        "estimated_recall": "detectors.performance.measured:DETECTORS",
        "f1": "detectors.performance.measured:DETECTORS",
        "estimated_f1": "detectors.performance.measured:DETECTORS",
        "roc_auc": "detectors.performance.measured:DETECTORS",
        "estimated_roc_auc": "detectors.performance.measured:DETECTORS",
        "log_loss": "detectors.performance.measured:DETECTORS",
        "estimated_log_loss": "detectors.performance.measured:DETECTORS",
        "brier": "detectors.performance.measured:DETECTORS",
        "estimated_brier": "detectors.performance.measured:DETECTORS",
        "calibration_error": "detectors.performance.measured:DETECTORS",
        "mae": "detectors.performance.measured:DETECTORS",
        "estimated_mae": "detectors.performance.measured:DETECTORS",
        "rmse": "detectors.performance.measured:DETECTORS",
        "estimated_rmse": "detectors.performance.measured:DETECTORS",
        "mape": "detectors.performance.measured:DETECTORS",
        "estimated_mape": "detectors.performance.measured:DETECTORS",
        "quantile_loss": "detectors.performance.measured:DETECTORS",
    }
)
"""Detectors of the model's performance, from labels and estimated without them, by name."""

LATENCY: Registry[Detector] = Registry(
    {
        "p50": "detectors.quality.percentile:TARGETS",
        "p90": "detectors.quality.percentile:TARGETS",
        "p95": "detectors.quality.percentile:TARGETS",
        "p99": "detectors.quality.percentile:TARGETS",
        "p50_rise": "detectors.quality.percentile:RISES",
        "p90_rise": "detectors.quality.percentile:RISES",
        "p95_rise": "detectors.quality.percentile:RISES",
        "p99_rise": "detectors.quality.percentile:RISES",
    }
)
"""Detectors of percentiles of durations, against a target and against the baseline, by name."""

RATES: Registry[Detector] = Registry(
    {
        "rate_rise": "detectors.performance.rates:RISE",
        "rate_level": "detectors.performance.rates:LEVEL",
    }
)
"""Detectors of the mean of a signal, corrected by labels if there are any, by name."""

TRAFFIC_CHECKS: Registry[Callable[..., list[Finding]]] = Registry(
    {
        "schema": "detectors.quality.traffic:schema",
        "volume": "detectors.quality.traffic:volume",
        "freshness": "detectors.quality.traffic:freshness",
    }
)
"""Checks of the records as a whole, by name."""

SIGNALS: Registry[Signal] = Registry(
    {
        "response_length": "detectors.signals.length:SIGNAL",
        "response_words": "detectors.signals.words:SIGNAL",
        "question_length": "detectors.signals.question_length:SIGNAL",
        "context_length": "detectors.signals.context_length:SIGNAL",
        "novelty": "detectors.signals.novelty:SIGNAL",
        "groundedness": "detectors.signals.groundedness:SIGNAL",
        "weakest_claim": "detectors.signals.weakest_claim:SIGNAL",
        "number_mismatch": "detectors.signals.number_mismatch:SIGNAL",
        "name_mismatch": "detectors.signals.name_mismatch:SIGNAL",
        "negation_mismatch": "detectors.signals.negation_mismatch:SIGNAL",
        "opposite_words": "detectors.signals.opposite_words:SIGNAL",
        "copy_rate": "detectors.signals.copy_rate:SIGNAL",
        "relevance": "detectors.signals.relevance:SIGNAL",
        "hallucinated": "detectors.signals.hallucinated:SIGNAL",
        "refusal": "detectors.signals.refusal:SIGNAL",
        "hedging": "detectors.signals.hedging:SIGNAL",
        "repetition": "detectors.signals.repetition:SIGNAL",
        "compression": "detectors.signals.compression:SIGNAL",
        "truncation": "detectors.signals.truncation:SIGNAL",
        "language": "detectors.signals.language:SIGNAL",
        "language_switch": "detectors.signals.language_switch:SIGNAL",
        "valid_json": "detectors.signals.valid_json:SIGNAL",
        "json_schema": "detectors.signals.json_schema:SIGNAL",
        "matches": "detectors.signals.matches:SIGNAL",
        "valid_sql": "detectors.signals.valid_sql:SIGNAL",
        "pii": "detectors.signals.pii:SIGNAL",
        "secrets": "detectors.signals.secrets:SIGNAL",
        "profanity": "detectors.signals.profanity:SIGNAL",
        "injection": "detectors.signals.injection:SIGNAL",
        "uncertainty": "detectors.signals.uncertainty:SIGNAL",
        "self_consistency": "detectors.signals.self_consistency:SIGNAL",
        "user_feedback": "detectors.signals.feedback:SIGNAL",
        "entailment": "detectors.signals.entailment:SIGNAL",
        "failed": "detectors.signals.failed:SIGNAL",
        "rate_limited": "detectors.signals.rate_limited:SIGNAL",
        "timed_out": "detectors.signals.timed_out:SIGNAL",
        "slow": "detectors.signals.slow:SIGNAL",
        "tokens_per_second": "detectors.signals.tokens_per_second:SIGNAL",
        "price": "detectors.signals.price:SIGNAL",
        "unpriced": "detectors.signals.unpriced:SIGNAL",
        "question_embedding": "detectors.signals.question_embedding:SIGNAL",
        "response_embedding": "detectors.signals.response_embedding:SIGNAL",
    }
)
"""Signals by name."""

__all__ = [
    "DETECTORS",
    "DRIFT",
    "LATENCY",
    "PERFORMANCE",
    "QUALITY",
    "RATES",
    "SEQUENTIAL",
    "SIGNALS",
    "TRAFFIC_CHECKS",
    "Binning",
    "Column",
    "Criterion",
    "Detector",
    "Direction",
    "Finding",
    "GuardRule",
    "Measurement",
    "Policy",
    "Profile",
    "Records",
    "Registry",
    "Sequential",
    "Signal",
    "Stack",
    "Status",
    "Verdict",
    "assess",
    "guard",
    "learn_categorical",
    "learn_numeric",
]

_MODULES = {
    "detectors.base": ("Criterion", "Detector", "Direction", "Finding", "Measurement", "Status", "assess"),
    "detectors.binning": ("Binning", "learn_categorical", "learn_numeric"),
    "detectors.policy": ("GuardRule", "Policy", "Verdict", "guard"),
    "detectors.profile": ("Profile",),
    "detectors.records": ("Column", "Records"),
    "detectors.sequential": ("Sequential",),
    "detectors.signals.base": ("Signal",),
    "detectors.stack": ("Stack",),
}
"""Modules of the exported names, imported on first use as they need numpy and scipy."""


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        for module, names in _MODULES.items():
            if name in names:
                return getattr(import_module(module), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
