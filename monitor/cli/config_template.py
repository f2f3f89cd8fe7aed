"""Render a first driftd.yaml: segments, signals and checks for the columns that a log has values for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from detectors import SIGNALS
from monitor.config.presets import PRESETS
from monitor.sources.base import ColumnInfo
from monitor.sources.readiness import MOSTLY, ReadinessRow, share

SEGMENTS = ("model_version", "prompt_version", "tenant", "team")
MOST_SEGMENTS = 20
SIGNALS_BY_DEFAULT = {
    "failed": "1 for a request that failed",
    "rate_limited": "1 for a request that was rejected by a rate limit",
    "refusal": "1 for an answer that declines the request",
    "truncation": "1 for an answer that ends too early",
    "pii": "personal data in answers",
    "secrets": "keys and passwords in answers",
    "hallucinated": "probability that an answer is not supported by its context",
    "user_feedback": "feedback of users, -1 to 1",
    "price": "cost of a request: as logged, else from the price list",
    "unpriced": "1 for a request with an unknown price",
    "tokens_per_second": "speed of the answer",
}
RATES = ("failed", "refusal", "hallucinated", "unpriced")
"""Signals whose rate is watched, as the alert budget allows: a fixed limit would be noise in a small segment."""
PACES = ((1000.0, "2m", "1h"), (300.0, "5m", "1h"), (150.0, "5m", "6h"), (50.0, "15m", "6h"), (0.0, "1h", "1d"))
"""Records an hour from which on a bucket and a window are chosen: 300 records a window, and a dozen a bucket.

A change waits half a bucket on average until it is seen, so that frequent records have shorter buckets.
"""


ROLLING = "    baseline: {rolling: 14d}   # or a fixed range: {from: 2026-11-01, to: 2026-11-15}"


@dataclass(frozen=True)
class SourceProbe:
    """Summary of the newest records of a source."""

    preset: str | None
    columns: Sequence[ColumnInfo]
    rows_an_hour: float
    capabilities: Sequence[ReadinessRow] = ()
    notes: Sequence[str] = ()

    def present(self, name: str) -> float:
        """Return the share of the newest records that have a value in a column."""
        return share(next((column for column in self.columns if column.name == name), None))

    def distinct(self, name: str) -> int:
        return next((column.distinct for column in self.columns if column.name == name), 0)


def render_config(name: str, source: Mapping[str, object], probe: SourceProbe) -> str:
    """Return the file."""
    segments = [one for one in SEGMENTS if probe.present(one) > 0 and 1 <= probe.distinct(one) <= MOST_SEGMENTS]
    signals = [one for one in SIGNALS_BY_DEFAULT if _is_logged(one, probe)]
    lines = [
        "# Written by `driftd init`. Next: `driftd config check`, `driftd check`, `driftd run`.",
        "# `driftd readiness` lists what cannot be monitored because it is not logged, and how to log it.",
        "store: sqlite:///driftd.db",
        "monitors:",
        f"  - name: {name}",
        "    source:",
        *(f"      {line}" for line in _mapping(source)),
        *_pace(probe),
        ROLLING,
        "    alert_budget: 1/week       # false alerts that you accept; sets the thresholds",
        f"    segments: [{', '.join(segments)}]   # also monitored separately",
    ]
    if signals:
        lines.append("    signals:                   # computed of each record; docs/checks.md lists all")
        lines += [f"      - {one:24} # {SIGNALS_BY_DEFAULT[one]}" for one in signals]
    lines += ["    checks:", "      - drift", "      - quality"]
    if probe.present("latency"):
        lines.append("      - latency                # or with a target: latency: {p95: 3s}")
    rates = [f"      - rate: {{signal: {one}}}" for one in RATES if one in signals]
    lines += [*(f"{rates[0]:30} # or with a limit: max_increase: 0.05" for _ in rates[:1]), *rates[1:]]
    if probe.present("cost") or "price" in signals:
        lines.append("      # - spend: {daily: 200, monthly: 5000}   # your budget, in USD")
    return "\n".join([*lines, *_to_add(), ""])


def with_baseline(text: str, setting: str) -> str:
    """Replace the rolling baseline of a rendered file by a range."""
    return text.replace(ROLLING, f"    {setting}   # the last 14 days contain a change", 1)


def save(path: Path, text: str) -> None:
    """Write a new file with mode 0600: the URL of a database may contain a password."""
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(text, encoding="utf-8")


def _is_logged(signal: str, probe: SourceProbe) -> bool:
    """Return whether the columns that a signal needs are logged."""
    if signal in ("rate_limited", "user_feedback"):  # optional in most logs
        return all(probe.present(need) > 0 for need in SIGNALS[signal].needs)
    if signal == "truncation" and not probe.present("finish_reason"):
        return False
    if signal in ("price", "unpriced"):
        return all(probe.present(need) >= MOSTLY for need in SIGNALS[signal].needs)
    return all(probe.present(need) >= 0.5 for need in SIGNALS[signal].needs)  # noqa: PLR2004  of most records


def _pace(probe: SourceProbe) -> list[str]:
    """Choose bucket and window so that a window has enough records."""
    settle = PRESETS[probe.preset].settle if probe.preset else "30s"
    bucket, window = next((bucket, window) for least, bucket, window in PACES if probe.rows_an_hour >= least)
    return [
        f"    bucket: {bucket}",
        f"    window: {window}                 # the newest day had {probe.rows_an_hour:,.0f} records an hour",
        f"    settle: {settle}                # delay after which late rows have arrived",
    ]


def _to_add() -> list[str]:
    return [
        "    # rules:",
        "    #   - when: [latency, rate.failed]   # by default each finding is a warning",
        "    #     severity: critical",
        "    #     do: [team]                     # needs `receivers: {team: {kind: …, …}}`",
    ]


def _mapping(settings: Mapping[str, object]) -> list[str]:
    """Write settings as YAML; each string is quoted, so that any value is valid."""
    lines: list[str] = []
    for key, value in settings.items():
        if isinstance(value, Mapping):
            lines += [f"{key}:", *(f"  {line}" for line in _mapping(value))]
        else:
            text = str(value).replace("'", "''")
            lines.append(f"{key}: '{text}'")
    return lines
