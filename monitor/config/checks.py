"""The checks of driftd.yaml: which there are, and what each may be told."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from detectors import DRIFT, PERFORMANCE, SEQUENTIAL, TRAFFIC_CHECKS
from detectors import QUALITY as OF_COLUMNS
from monitor.config.sections import Duration, Section
from monitor.config.stattests import NOT_SUPPORTED, P_VALUES, PREFIX, STATTESTS

QUALITY = (*OF_COLUMNS, *TRAFFIC_CHECKS)
METHODS = (*DRIFT, *SEQUENTIAL, *(f"{PREFIX}{name}" for name in STATTESTS))
MethodName = Annotated[str, WithJsonSchema({"type": "string", "enum": [*METHODS, *PERFORMANCE]})]
LATENCY_TARGETS = ("p50", "p90", "p95", "p99")
CHECKS = ("drift", "quality", "performance", "latency", "rate", "slo", "spend", *QUALITY)
BY_DEFAULT = tuple(name for name in QUALITY if name != "freshness")
"""What `quality` means: a log that has fallen silent is the state `no_data`, unless `freshness` is asked for."""


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise PydanticCustomError("zone", "an IANA zone is wanted, such as Europe/Berlin or UTC") from None
    return name


class Limit(Section):
    """What one value of `by:` may cost, instead of what all others may."""

    daily: float | None = Field(None, gt=0)
    """In a day."""
    monthly: float | None = Field(None, gt=0)
    """In a month."""


class Check(Section):
    """One analysis, and for whom it is run. What is not said is the detector's own default."""

    kind: str
    """Set by the key of the check."""
    name: str | None = None
    """Name for rules and metrics; by default the kind."""
    columns: Literal["auto"] | list[str] = "auto"
    """`auto`, or columns and signals by name."""
    method: Literal["auto"] | list[MethodName] = "auto"
    """`auto`, or drift methods by name; `evidently:NAME` runs a stattest of Evidently on the binned data."""
    threshold: float | None = Field(None, gt=0)
    """Fixed threshold in the unit of the method, or as Evidently has it; wins over the default and the noise floor."""
    max_increase: float | None = Field(None, gt=0, le=1)
    """The same for shares and rates: points that one may rise."""
    signal: str | None = None
    """For rate and slo: the signal, 0 to 1, whose mean is watched; labels correct a rate where there are some."""
    objective: float | None = Field(None, gt=0, lt=1)
    """For slo: the share of requests that must not be bad by the signal, such as 0.99."""
    period: Duration = timedelta(days=30)
    """For slo: the time that the objective is for."""
    burn: Literal["page", "ticket", "any"] = "any"
    """For slo: which burn rates count: page (1 h and 6 h), ticket (1 d and 3 d), or any."""
    max: float | None = Field(None, gt=0, le=1)
    """For rate: what the mean may be, whatever it was in the baseline."""
    max_age: Duration | None = None
    """For freshness: the age that the newest row may have."""
    labels_after: Duration = timedelta(0)
    """For performance and rate: how long labels take to arrive; what needs them looks that far back."""
    labels_from: Literal["people", "judge"] = "people"
    """For rate: `judge` takes the verdicts of the monitor's evaluated `traffic:` where people gave no label."""
    labels_chosen: Literal["random", "by_score", "by_answer"] | None = None
    """For rate: how labelled answers were chosen; `by_answer` (complaints) gives no rate. Unset: tested, and said."""
    positive: str | None = None
    """For performance and rate: the label that means positive (for a rate: bad); by default true, 1 and yes do."""
    decision: float = Field(0.5, ge=0, le=1)
    """For performance: from this score on the answer is positive."""
    p50: Duration | None = None
    """For latency: what half of the requests may take; without any target the percentiles' rise is watched."""
    p90: Duration | None = None
    """For latency: what nine in ten may take."""
    p95: Duration | None = None
    """For latency: what 95 in a hundred may take."""
    p99: Duration | None = None
    """For latency: what 99 in a hundred may take."""
    daily: float | None = Field(None, gt=0)
    """For spend: what a day may cost, in the currency of the account."""
    monthly: float | None = Field(None, gt=0)
    """For spend: what a month may cost; burn rates tell early when it will not last."""
    by: str | None = None
    """For spend: a column, such as `tenant`; `daily:` and `monthly:` are then what each of its values may cost."""
    limits: dict[str, Limit] = {}
    """For spend: values of `by:` that may cost more or less; a number, or `{daily: …, monthly: …}`."""
    max_values: int = Field(100, ge=1, le=1000)
    """For spend: values of `by:` kept apart in a bucket, those with limits, then the dearest; the rest is `(other)`."""
    per_request_tokens: int | None = Field(None, ge=1)
    """For spend: what one request may use, in and out; `threshold:` is the share of requests that may use more."""
    zone: Annotated[str, AfterValidator(_zone)] = "UTC"
    """For spend: the IANA zone in which days and months begin."""
    currency: str = "USD"
    """For spend: of the account, for sentences."""
    min_samples: int | None = Field(None, ge=1)
    """Below this many the answer is inconclusive."""
    segments: bool = True
    """Whether segments are measured too."""

    def budget(self, period: str, value: str | None = None) -> float | None:
        """Return what a day or month may cost, in all or for one value of `by:`."""
        own = self.limits.get(value or "")
        given = getattr(own, period) if own else None
        budget: float | None = getattr(self, period) if given is None else given
        return budget

    @property
    def targets(self) -> dict[str, float]:
        """Return the percentiles that have a target, and the targets in seconds."""
        given = {name: getattr(self, name) for name in LATENCY_TARGETS}
        return {name: target.total_seconds() for name, target in given.items() if target}


def _check(value: object) -> object:
    if isinstance(value, str):
        value = {value: {}}
    if not isinstance(value, dict) or len(value) != 1:
        raise PydanticCustomError("check", "a check is one key with its settings, such as `- drift: {columns: auto}`")
    ((kind, settings),) = value.items()
    if kind not in CHECKS:
        raise PydanticCustomError("unknown_key", "{key}", {"key": str(kind), "allowed": sorted(CHECKS)})
    settings = {} if settings is None else settings
    if not isinstance(settings, dict):
        raise PydanticCustomError("check", "the settings of a check are a mapping, such as {threshold: 0.2}")
    settings = {"kind": kind, **settings}
    if kind == "spend":
        settings = _spend(settings)
    if kind == "slo" and not {"signal", "objective"} <= set(settings):
        wanted = "an objective needs its signal: `- slo: {signal: failed, objective: 0.999}`"
        raise PydanticCustomError("check", wanted)
    if kind == "rate" and not isinstance(settings.get("signal"), str):
        raise PydanticCustomError("check", "a rate needs its signal: `- rate: {signal: hallucinated}`")
    if isinstance(settings.get("method"), str) and settings["method"] != "auto":
        settings["method"] = [settings["method"]]
    if isinstance(settings.get("method"), list):
        for method in settings["method"]:
            _require_method(str(method), settings.get("threshold"))
    return settings


def _spend(settings: dict[str, object]) -> dict[str, object]:
    """Insist on a budget, and read a limit that is a number as one for the only period there is."""
    periods = [period for period in ("daily", "monthly") if settings.get(period) is not None]
    limits = settings.get("limits") or {}
    if not periods and not limits and settings.get("per_request_tokens") is None:
        wanted = "a budget needs `daily:`, `monthly:` or `per_request_tokens:`, such as `- spend: {daily: 200}`"
        raise PydanticCustomError("check", wanted)
    if limits and not settings.get("by"):
        raise PydanticCustomError(
            "check", "`limits:` needs `by:`, the column whose values they are, such as `by: tenant`"
        )
    if not isinstance(limits, dict):
        return settings
    plain = [value for value, limit in limits.items() if isinstance(limit, int | float)]
    if plain and len(periods) != 1:
        wanted = "say whether the limit of {value} is `daily:` or `monthly:`, as a mapping: a number alone does not"
        raise PydanticCustomError("check", wanted, {"value": str(plain[0])})
    return {**settings, "limits": {str(v): {periods[0]: limit} if v in plain else limit for v, limit in limits.items()}}


def _require_method(method: str, threshold: object) -> None:
    name = method.removeprefix(PREFIX)
    if method != name and name in NOT_SUPPORTED:
        said = {"method": method, "why": NOT_SUPPORTED[name]}
        raise PydanticCustomError("stattest", "{method} cannot be run on a profile: {why}", said)
    if method not in METHODS and method not in PERFORMANCE:
        raise PydanticCustomError("word", "{key}", {"key": method, "allowed": sorted([*METHODS, *PERFORMANCE])})
    if method != name and name in P_VALUES and isinstance(threshold, int | float) and threshold >= 1:
        wanted = "the threshold of {method} is a p-value, as Evidently has it: give one below 1, such as 0.05"
        raise PydanticCustomError("stattest", wanted, {"method": method})


CheckEntry = Annotated[Check, BeforeValidator(_check)]
