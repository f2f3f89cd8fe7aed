"""Usage of a window: requests, tokens, cost, failures, times and load, from the profiles of its columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from detectors.profile import Profile
from detectors.quality.percentile import LEVELS, TIMES, percentile

TOKENS = {
    "input_tokens": "input",
    "prompt_tokens": "input",
    "output_tokens": "output",
    "completion_tokens": "output",
    "cached_tokens": "cached",
    "cache_write_tokens": "cache_write",
    "reasoning_tokens": "reasoning",
    "cached_audio_tokens": "cached_audio",
    "input_audio_tokens": "input_audio",
    "output_audio_tokens": "output_audio",
    "input_image_tokens": "input_image",
    "output_image_tokens": "output_image",
}
"""Kind of token by column; ``input`` and ``output`` include all the others."""
FAILURES = ("failed", "rate_limited", "timed_out")
"""Signals with values 0 and 1, whose mean is a share of the requests."""
LOADS = ("queue_depth", "gpu_utilization", "gpu_memory")
"""Columns of machine load, in the logged unit."""


def usage(
    columns: Mapping[str, Profile],
    requests: float,
    seconds: float,
    money: str,
    success: str | None = None,
    times: Sequence[str] = TIMES,
) -> dict[str, Any]:
    """Sum the usage of the requests of a window, or of a segment of it.

    Usage that is not logged is left out, and not reported as zero.

    Parameters
    ----------
    columns, requests, seconds
        Profiles of the window by column, its number of requests, and its length. Sums are weighted if rows are.
    money
        Column with the cost of a request; NaN or missing if unknown.
    success
        Column from 0 to 1 that marks good answers; by default those that are not ``failed``.
    times
        Columns in seconds.

    Returns
    -------
    dict
        ``requests``, ``seconds``; ``tokens`` by kind, each with its ``total`` and the number of ``requests`` with a
        value; ``cost`` with ``amount``, ``priced``, ``unpriced`` and ``per_success``; ``shares`` of requests by kind of
        failure; ``times`` by column and percentile; ``loads`` by column, mean and max.

    Limits
    ------
    Sums are exact; percentiles have the resolution of the bins (2 %). Shares are relative to requests with a value.

    Examples
    --------
    >>> from detectors.binning import learn_numeric
    >>> import numpy as np
    >>> from detectors.records import Column
    >>> values = np.array([10.0, 30.0, 50.0])
    >>> profile = Profile.of(Column.floats(values), learn_numeric(values, 10.0, 50.0))
    >>> usage({"output_tokens": profile}, 3, 60.0, "price")["tokens"]
    {'output': {'total': 90.0, 'requests': 3}}
    """
    numeric = {name: profile for name, profile in columns.items() if profile.layout.kind == "numeric" and profile.n}
    summary: dict[str, Any] = {
        "requests": requests,
        "seconds": seconds,
        "tokens": {TOKENS[name]: _sum(profile) for name, profile in numeric.items() if name in TOKENS},
        "shares": {name: numeric[name].mean for name in FAILURES if name in numeric},
        "times": {name: _percentiles(numeric[name]) for name in times if name in numeric},
        "loads": {name: _level(numeric[name]) for name in LOADS if name in numeric},
    }
    if money in columns:
        summary["cost"] = _cost(columns[money], _successes(numeric, requests, success))
    return summary


def _sum(profile: Profile) -> dict[str, Any]:
    return {"total": profile.amount, "requests": profile.usable_requests}


def _percentiles(profile: Profile) -> dict[str, float]:
    return {f"{level:g}": float(percentile(level, profile)[0]) for level in LEVELS}


def _level(profile: Profile) -> dict[str, float]:
    return {"mean": profile.mean, "max": profile.maximum}


def _cost(profile: Profile, successes: float | None) -> dict[str, Any]:
    amount, priced = profile.amount, profile.usable_requests
    cost = {"amount": amount, "priced": priced, "unpriced": profile.requests - priced}
    if successes and priced == profile.requests:  # with a request of unknown price the quotient would be too low
        cost["per_success"] = amount / successes
    return cost


def _successes(numeric: Mapping[str, Profile], requests: float, success: str | None) -> float | None:
    """Return the number of good answers; requests without a value are assumed to have the same share."""
    if success is not None:
        return numeric[success].mean * requests if success in numeric else None
    return (1.0 - numeric["failed"].mean) * requests if "failed" in numeric else None
