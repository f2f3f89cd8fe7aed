"""Pure statistics of monitoring: profiles, detectors, signals. No clock, no network, no SQL, no files.

The registries below are explicit lists. To add a detector or a signal: one file and one line here.
"""

from __future__ import annotations

from collections.abc import Callable

from detectors.base import Detector, Finding, Measurement, Status, assess
from detectors.drift import (
    anderson_darling,
    chi_square,
    correlation,
    cusum,
    energy,
    hellinger,
    jensen_shannon,
    kolmogorov_smirnov,
    mean,
    mmd,
    psi,
    quantile,
    rank,
    rate_cusum,
    rate_ratio,
    rest,
    share,
    spread,
    wasserstein,
)
from detectors.layout import Layout, learn_categorical, learn_numeric
from detectors.performance import measured, rates
from detectors.policy import GuardRule, Policy, Verdict, guard
from detectors.profile import Profile
from detectors.quality import missing, mistyped, percentile, range, traffic, unseen
from detectors.records import Column, Records
from detectors.sequential import Sequential
from detectors.signals import (
    compression,
    context_length,
    copy_rate,
    entailment,
    failed,
    feedback,
    groundedness,
    hallucinated,
    hedging,
    injection,
    json_schema,
    language,
    language_switch,
    length,
    matches,
    name_mismatch,
    negation_mismatch,
    novelty,
    number_mismatch,
    opposite_words,
    pii,
    price,
    profanity,
    question_embedding,
    question_length,
    rate_limited,
    refusal,
    relevance,
    repetition,
    response_embedding,
    secrets,
    self_consistency,
    slow,
    timed_out,
    tokens_per_second,
    truncation,
    uncertainty,
    unpriced,
    valid_json,
    valid_sql,
    weakest_claim,
    words,
)
from detectors.signals.base import Signal

DETECTORS: dict[str, Detector] = {
    module.DETECTOR.name: module.DETECTOR
    for module in (
        kolmogorov_smirnov,
        rank,
        spread,
        correlation,
        mmd,
        wasserstein,
        psi,
        jensen_shannon,
        chi_square,
        hellinger,
        energy,
        anderson_darling,
        mean,
        quantile,
        share,
        rate_ratio,
        rest,
        missing,
        mistyped,
        range,
        unseen,
    )
}
"""Detectors of one column, by name."""

SEQUENTIAL: dict[str, Sequential] = {module.DETECTOR.name: module.DETECTOR for module in (cusum, rate_cusum)}
"""Detectors that add up from bucket to bucket, by name."""

PERFORMANCE: dict[str, Detector] = dict(measured.DETECTORS)
"""Detectors of the model's performance, with labels and estimated without, by name."""

LATENCY: dict[str, Detector] = {**percentile.TARGETS, **percentile.RISES}
"""Percentiles of times, by name: against a target, and against the baseline."""

RATES: dict[str, Detector] = dict(rates.DETECTORS)
"""Detectors of the mean of a signal, corrected by labels where there are some, by name."""

TRAFFIC_CHECKS: dict[str, Callable[..., list[Finding]]] = {
    "schema": traffic.schema,
    "volume": traffic.volume,
    "freshness": traffic.freshness,
}
"""Checks of the records as a whole, by name."""

SIGNALS: dict[str, Signal] = {
    module.SIGNAL.name: module.SIGNAL
    for module in (
        length,
        words,
        question_length,
        context_length,
        novelty,
        groundedness,
        weakest_claim,
        number_mismatch,
        name_mismatch,
        negation_mismatch,
        opposite_words,
        copy_rate,
        relevance,
        hallucinated,
        refusal,
        hedging,
        repetition,
        compression,
        truncation,
        language,
        language_switch,
        valid_json,
        json_schema,
        matches,
        valid_sql,
        pii,
        secrets,
        profanity,
        injection,
        uncertainty,
        self_consistency,
        feedback,
        entailment,
        failed,
        rate_limited,
        timed_out,
        slow,
        tokens_per_second,
        price,
        unpriced,
        question_embedding,
        response_embedding,
    )
}
"""Signals by name."""

__all__ = [
    "DETECTORS",
    "LATENCY",
    "PERFORMANCE",
    "RATES",
    "SEQUENTIAL",
    "SIGNALS",
    "TRAFFIC_CHECKS",
    "Column",
    "Detector",
    "Finding",
    "GuardRule",
    "Layout",
    "Measurement",
    "Policy",
    "Profile",
    "Records",
    "Signal",
    "Status",
    "Verdict",
    "assess",
    "guard",
    "learn_categorical",
    "learn_numeric",
]
