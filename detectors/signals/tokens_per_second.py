"""Output rate."""

from __future__ import annotations

import numpy as np

from detectors.binning import numbers
from detectors.records import Column, Records
from detectors.signals.base import Signal


def compute(records: Records) -> Column:
    """Divide output tokens by seconds; missing if either is missing or the duration is not above 0.

    Limits
    ------
    The duration includes the time to the first token, so short answers appear slow.

    References
    ----------
    As *output tokens throughput per request* in LLMPerf (ray-project/llmperf), 2023.

    Examples
    --------
    >>> columns = {"output_tokens": [100, 50, None], "latency": [2.0, 0.0, 1.0]}
    >>> result = compute({name: Column.of(values) for name, values in columns.items()})
    >>> float(result.values[0]), result.missing.tolist()
    (50.0, [False, True, True])
    """
    tokens, _ = numbers(records["output_tokens"])
    seconds, _ = numbers(records["latency"])
    usable = np.isfinite(tokens) & np.isfinite(seconds) & (seconds > 0)
    with np.errstate(over="ignore"):  # a tiny duration gives an infinite rate, which profiles count separately
        rate = np.divide(tokens, seconds, where=usable, out=np.full(len(tokens), np.nan))
    return Column(rate, ~usable)


SIGNAL = Signal(
    name="tokens_per_second",
    needs=("output_tokens", "latency"),
    kind="numeric",
    better="higher",
    compute=compute,
    unit="tokens/s",
    cost="over 1,000,000",
    citation="LLMPerf 2023",
)
