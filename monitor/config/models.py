"""driftd.yaml as typed settings. `load.py` reads them and explains what is wrong."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from monitor.config.arms import Experiment, Shadow, TrafficMark, TrafficRole
from monitor.config.breakers import BreakerSpec
from monitor.config.checks import (
    CheckEntry,
    DriftConfig,
    LatencyConfig,
    PerformanceConfig,
    QualityConfig,
    RateConfig,
    SloConfig,
    SpendConfig,
)
from monitor.config.deprecated import OldForms
from monitor.config.policies import PolicySpec
from monitor.config.receivers import AnyReceiver
from monitor.config.savings import Savings
from monitor.config.sections import Duration, Section, Time, nearest
from monitor.config.signals import Entry, column_name
from monitor.config.source import Source
from monitor.core.yamlfile import ConfigError

__all__ = ["Config", "ConfigError", "Monitor"]


class Features(Section):
    """Which columns are watched."""

    include: Literal["auto"] | list[str] = "auto"
    """`auto`, or the watched columns by name."""
    exclude: list[str] = []
    """Columns that are not watched."""
    types: dict[str, Literal["numeric", "categorical"]] = {}
    """Kind of columns that are to be watched otherwise than they look."""
    limit: int = Field(60, ge=1, le=1000)
    """Most columns that are watched."""


def _features(value: object) -> object:
    return {"include": value} if isinstance(value, str | list) else value


ROLLING = timedelta(days=14)
AUDIT_AFTER_WINDOWS = (1, 6, 24)
"""A sealed bucket is counted again so many windows after its end."""


class BaselineConfig(Section):
    """What is compared with: a time range, a file, the last days, or the stretch just before each window."""

    start: Time | None = Field(None, alias="from")
    """Start of the range to learn from."""
    end: Time | None = Field(None, alias="to")
    """End of the range, not included."""
    file: Path | None = None
    """CSV, Parquet or JSONL file to learn from, relative to this file."""
    rolling: Duration | None = None
    """Length of the past to learn from, moved on once a day."""
    previous: Duration | None = None
    """Compare each window with the stretch of this length just before it, within `rolling:` (14d where not given)."""
    min_rows: int = Field(200, ge=1)
    """Below this many rows there is no baseline."""

    @model_validator(mode="after")
    def _one_kind(self) -> BaselineConfig:
        if self.previous is not None and self.rolling is None:
            object.__setattr__(self, "rolling", ROLLING)
        kinds = [self.start is not None or self.end is not None, self.file is not None, self.rolling is not None]
        if sum(kinds) != 1:
            raise PydanticCustomError(
                "baseline",
                "give exactly one of `from:` and `to:`, `file:`, or `rolling:`; `previous:` goes with `rolling:` only",
            )
        if kinds[0] and not (self.start and self.end and self.start < self.end):
            raise PydanticCustomError("baseline", "`from:` and `to:` are both needed, and `from` must be earlier")
        return self


class Rule(Section):
    """When findings become an incident, and what is done then."""

    name: str | None = None
    """Name of its incidents; by default what it watches."""
    when: list[str] = ["*"]
    """`check`, `check.column`, `quality`, `baseline`, `experiment.NAME`, `shadow.NAME`, or `*`: all but these three."""
    for_: Annotated[int, Field(ge=1)] | Duration = Field(1, alias="for")
    """Bad buckets in a row, or a duration, before it fires."""
    resolve_for: Annotated[int, Field(ge=1)] | Duration = 2
    """Clean buckets in a row, or a duration, before it resolves."""
    hysteresis: float = Field(0.9, gt=0, le=1)
    """Share of the threshold below which an open finding counts as clean."""
    reopen_within: Duration = timedelta(days=1)
    """An incident that comes back this soon, over the same columns and with no new version, is the old one."""
    severity: Literal["info", "warning", "critical"] = "warning"
    """Severity of its incidents."""
    do: list[str] = []
    """Receivers by name."""
    repeat_interval: Duration = timedelta(hours=4)
    """How often people are reminded of a firing incident."""

    def buckets(self, value: int | timedelta, bucket: timedelta) -> int:
        """Return how many buckets a count or a duration means, at least 1."""
        return value if isinstance(value, int) else max(1, -(-value // bucket))


BASELINE_RULE = "baseline"
"""Name of the rule, and of the check, that is about the baseline itself."""
DEFAULT_BASELINE_RULE = Rule(when=[BASELINE_RULE], severity="info", repeat_interval=timedelta(days=7))
"""The rule about the baseline of a monitor that has none of its own."""


class NoData(Section):
    """What an empty or unreadable source means."""

    after: int = Field(3, ge=1)
    """Buckets in a row that can tell nothing before it fires; longer gaps that the baseline had are waited out."""
    severity: Literal["info", "warning", "critical"] = "warning"
    """Severity of its incidents."""
    do: list[str] = []
    """Receivers by name; rollback and retrain are always held."""


class Monitor(Section):
    """One watched application."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")
    """Name in metrics and messages."""
    source: Source
    """Where the application logs."""
    bucket: Duration = timedelta(minutes=5)
    """Unit of work; a day is a whole number of them."""
    window: Duration = timedelta(hours=1)
    """What is compared with the baseline: the last buckets."""
    settle: Duration = timedelta(seconds=30)
    """How long after its end a bucket is left open for late rows."""
    baseline: BaselineConfig = BaselineConfig(rolling=ROLLING)
    """What windows are compared with."""
    start: Time | None = None
    """Where judging begins; by default the end of the baseline, or now."""
    catch_up: Duration = timedelta(days=7)
    """How far back judging begins at most."""
    features: Annotated[Features, BeforeValidator(_features)] = Features()
    """Which columns are watched."""
    segments: list[str] = []
    """Columns whose values are watched apart."""
    max_segments: int = Field(20, ge=1, le=200)
    """Most values of a segment column."""
    min_samples: int = Field(100, ge=1)
    """Below this many the answer is inconclusive."""
    success: str | None = None
    """Column or signal from 0 to 1 that says an answer was good: its cost is told; by default, what is not `failed`."""
    alert_budget: str = Field("1/week", pattern=r"^\d+(\.\d+)?/(day|week|month)$")
    """False pages of the whole monitor that are accepted: thresholds that are not given are set to keep it."""
    signals: list[Entry] = []
    """Scores that are computed of each record, by name, or `{name: {option: value}}`."""
    checks: list[CheckEntry] = [DriftConfig(), QualityConfig(), LatencyConfig()]
    """What is analysed."""
    rules: list[Rule] = [Rule()]
    """When findings become incidents, and what is done."""
    no_data: NoData = NoData()
    """What not seeing means."""
    breakers: list[BreakerSpec] = []
    """Switches that applications ask before they send a request."""
    savings: Savings | None = None
    """What the same requests would have cost otherwise, by `driftd savings` and on the page."""
    experiments: list[Experiment] = []
    """Arms of the traffic that are compared at every bucket."""
    shadows: list[Shadow] = []
    """Challengers that answer the same requests as their champion, compared at every bucket."""
    traffic: dict[TrafficRole, TrafficMark] = {}
    """`evaluation`, `probe`: what marks records that are not served traffic, such as driftd's own evaluations."""

    @property
    def comparisons(self) -> list[Experiment | Shadow]:
        """Return the experiments and the shadows."""
        return [*self.experiments, *self.shadows]

    @property
    def performance(self) -> PerformanceConfig | None:
        """Return the check of the model's performance, the last one when there are several."""
        return next((check for check in reversed(self.checks) if isinstance(check, PerformanceConfig)), None)

    @property
    def budgets(self) -> list[SpendConfig]:
        """Return the checks of what is spent."""
        return [check for check in self.checks if isinstance(check, SpendConfig)]

    @property
    def objectives(self) -> list[SloConfig]:
        """Return the checks of objectives."""
        return [check for check in self.checks if isinstance(check, SloConfig)]

    def budget_of(self, name: str) -> SpendConfig | None:
        """Return the check of what is spent that has a name."""
        return next((check for check in self.budgets if check.finding_name == name), None)

    @property
    def money(self) -> str:
        """Return the column that says what a record cost: named by a budget, else the signal, else as logged."""
        named = [str(check.columns[0]) for check in self.budgets if check.columns != "auto" and check.columns]
        return named[0] if named else "price" if "price" in self.signal_names else "cost"

    def with_rules(self, rules: Sequence[Rule]) -> Monitor:
        """Return the same monitor with other rules."""
        return self.model_copy(update={"rules": list(rules)})

    @property
    def signal_names(self) -> set[str]:
        """Return the names of the signals."""
        return {column_name(entry) for entry in self.signals}

    @property
    def currency(self) -> str:
        """Return the currency of the account, as a budget says it."""
        return self.budgets[0].currency if self.budgets else "USD"

    @property
    def labels_after(self) -> timedelta:
        """Return how long labels take, by the check that waits longest for them."""
        waiting = [check.labels_after for check in self.rates.values()]
        return max([*waiting, self.performance.labels_after if self.performance else timedelta(0)])

    @property
    def rates(self) -> dict[str, RateConfig]:
        """Return the check of each signal whose rate is watched."""
        return {check.signal: check for check in self.checks if isinstance(check, RateConfig)}

    @property
    def judged(self) -> dict[str, RateConfig]:
        """Return the check of each signal whose rate takes a judge's verdicts for labels."""
        return {signal: check for signal, check in self.rates.items() if check.labels_from == "judge"}

    @property
    def audit_ages(self) -> list[timedelta]:
        """Return how old a bucket is when it is counted again; once more when its labels should be there."""
        labels = [self.labels_after] if self.labels_after else []
        return sorted([windows * self.window for windows in AUDIT_AFTER_WINDOWS] + labels)

    @property
    def budget_per_week(self) -> float:
        """Return the alert budget in pages a week."""
        count, _, unit = self.alert_budget.partition("/")
        return float(count) * {"day": 7.0, "week": 1.0, "month": 7 / 30.4375}[unit]

    @model_validator(mode="after")
    def _with_baseline_rule(self) -> Monitor:
        """Add a rule about the baseline itself where none names it."""
        if self.rules and not any(BASELINE_RULE in (rule.name, *rule.when) for rule in self.rules):
            object.__setattr__(self, "rules", [*self.rules, DEFAULT_BASELINE_RULE])
        return self

    def tell_about_baseline(self, people: Collection[str]) -> Monitor:
        """Let the added rule about the baseline tell those of the receivers whom another rule tells."""
        named = list(dict.fromkeys(name for rule in self.rules for name in rule.do if name in people))
        with_receivers = DEFAULT_BASELINE_RULE.model_copy(update={"do": named})
        rules = [with_receivers if rule is DEFAULT_BASELINE_RULE else rule for rule in self.rules]
        return self.model_copy(update={"rules": rules})

    @model_validator(mode="after")
    def _whole_buckets(self) -> Monitor:
        if self.bucket < timedelta(seconds=1) or self.bucket > timedelta(days=1):
            raise PydanticCustomError("bucket", "`bucket:` must lie between 1s and 1d")
        if timedelta(days=1) % self.bucket:
            raise PydanticCustomError("bucket", "a day must be a whole number of buckets: 1m, 5m, 15m, 1h …")
        if self.window < self.bucket or self.window % self.bucket:
            raise PydanticCustomError("window", "`window:` must be a whole number of buckets")
        return self

    @model_validator(mode="after")
    def _previous_fits(self) -> Monitor:
        previous, rolling = self.baseline.previous, self.baseline.rolling
        if previous is None or rolling is None:
            return self
        if previous < self.window or previous % self.bucket:
            raise PydanticCustomError(
                "previous", "`baseline.previous:` must be at least `window:` and a whole number of buckets"
            )
        if 2 * previous > rolling:
            raise PydanticCustomError(
                "previous", "`baseline.previous:` must be at most half of `rolling:`, from which thresholds are learnt"
            )
        return self


class ServerConfig(Section):
    """The HTTP listener; anything but loopback needs a token."""

    listen: str = Field("127.0.0.1:9478", pattern=r"^.+:\d{1,5}$")
    """Host and port of the page, the API and /metrics."""
    token: SecretStr | None = None
    """Bearer token, long and random; needed for any address but loopback. `token_file` reads it from a file."""


class EvaluationSpec(Section):
    """A suite that the daemon runs by itself."""

    suite: Path
    """YAML file of the suite, relative to this file."""
    every: Duration = Field(timedelta(hours=6), ge=timedelta(minutes=1))
    """Time from the start of one run to the start of the next; among replicas, one runs it."""
    monitor: str | None = None
    """Whose incident a regression is; with one monitor, that one."""
    for_: int = Field(1, alias="for", ge=1)
    """Bad runs in a row before it fires; one good run resolves it."""
    severity: Literal["info", "warning", "critical"] = "warning"
    """Severity of its incidents."""
    do: list[str] = []
    """Receivers by name."""


class Config(OldForms):
    """The whole file."""

    store: SecretStr = SecretStr("sqlite:///driftd.db")
    """Our own database; `store_file` reads the URL from a file."""
    server: ServerConfig = ServerConfig()
    """The HTTP listener."""
    receivers: dict[str, AnyReceiver] = {}
    """Where messages and effects are sent, by the name that rules use."""
    policies: dict[str, PolicySpec] = {}
    """What the output parser does about what it finds, by name."""
    evaluations: list[EvaluationSpec] = []
    """Suites that are run on a schedule."""
    monitors: list[Monitor] = Field(min_length=1)
    """The watched applications."""

    @model_validator(mode="after")
    def _with_receivers(self) -> Config:
        """Take over receivers of the old form, and let the added rules about baselines tell people."""
        receivers = self.with_old_receivers(self.receivers)
        people = [name for name, receiver in receivers.items() if receiver.audience == "people"]
        object.__setattr__(self, "receivers", receivers)
        object.__setattr__(self, "monitors", [monitor.tell_about_baseline(people) for monitor in self.monitors])
        return self

    def monitor(self, name: str | None) -> Monitor:
        """Return the named monitor, or the only one."""
        names = [monitor.name for monitor in self.monitors]
        if name is None and len(names) == 1:
            return self.monitors[0]
        if name not in names:
            hint = f"there is no monitor {name!r}" if name else "there are several monitors; name one with --monitor"
            raise ConfigError(f"{hint}. Configured: {', '.join(names)}.{nearest(name or '', names)}")
        return self.monitors[names.index(name)]
