"""Models of the top-level sections of driftd.yaml. :mod:`monitor.config.load` reads and validates them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    Field,
    IPvAnyNetwork,
    PrivateAttr,
    SecretStr,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from monitor.config.access import AuthConfig, TlsConfig
from monitor.config.arms import Experiment, Shadow
from monitor.config.checks import (
    CheckConfig,
    CheckEntry,
    DriftConfig,
    LatencyConfig,
    PerformanceConfig,
    QualityConfig,
    RateConfig,
    SloConfig,
    SpendConfig,
)
from monitor.config.money import BreakerSpec, Savings
from monitor.config.muting import InhibitRule, MuteSettings, MuteTimes
from monitor.config.operation import WithOperation
from monitor.config.policies import PolicySpec
from monitor.config.sections import DatabaseUrl, Duration, Section, Time, check_port, nearest
from monitor.config.signals import Entry, column_name
from monitor.config.source import ColumnClass, Source, WithHashKey
from monitor.config.traffic import RoleRule, TrafficMark, TrafficRole, UnservedRole, role_rules
from monitor.core.yamlfile import ConfigError

__all__ = ["Config", "ConfigError", "Monitor"]


class Features(Section):
    """Selects the columns that are monitored."""

    include: Literal["auto"] | list[str] = "auto"
    """`auto`, or a list of columns."""
    exclude: list[str] = []
    """Columns that are not monitored."""
    types: dict[str, Literal["numeric", "categorical"]] = {}
    """Kind of a column (such as numeric or categorical) where the detected one is wrong."""
    limit: int = Field(60, ge=1, le=1000)
    """Maximum number of monitored columns."""


def _features(value: object) -> object:
    return {"include": value} if isinstance(value, str | list) else value


ROLLING, ONE_DAY = timedelta(days=14), timedelta(days=1)
AUDIT_AFTER_WINDOWS = (1, 6, 24)
"""Ages, in windows, at which a sealed bucket is counted again to include late rows."""


class BaselineConfig(Section):
    """The reference data: a time range, a file, the last days, or the period just before each window."""

    start: Time | None = Field(None, alias="from")
    """Start of the time range."""
    end: Time | None = Field(None, alias="to")
    """End of the time range, exclusive."""
    file: Path | None = None
    """CSV, Parquet or JSONL file with reference records, relative to this file."""
    rolling: Duration | None = None
    """Length of the most recent past to learn from; renewed once a day."""
    previous: Duration | None = None
    """Compare each window with the period of this length just before it, within `rolling:` (default 14d)."""
    min_rows: int = Field(200, ge=1)
    """Minimum number of rows of a baseline."""

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


class BucketQuorum(Section):
    """Bad buckets among the last ones, written `3 of 5 buckets`, or `{bad: 3, of: 5}`."""

    bad: int = Field(ge=1)
    """Number of bad buckets, not necessarily consecutive."""
    of: int = Field(ge=1, le=1000)
    """Number of the last buckets that count; those that could not be measured do not."""

    @model_validator(mode="after")
    def _bad_is_a_part(self) -> BucketQuorum:
        if self.bad > self.of:
            raise PydanticCustomError("quorum", "`bad` must be at most `of`")
        return self


def _read_quorum(value: object) -> object:
    parts = re.fullmatch(r"\s*(\d+)\s+of\s+(\d+)(\s+buckets)?\s*", value) if isinstance(value, str) else None
    return {"bad": int(parts[1]), "of": int(parts[2])} if parts else value


class Escalation(Section):
    """Whom to notify of an incident that nobody acknowledges."""

    after: Duration
    """Time after the announcement, such as 15m."""
    do: list[str] = Field(min_length=1)
    """Names of receivers of messages; each gets the incident as a first message."""


_WRITTEN_QUORUM = {
    "anyOf": [
        {"type": "string", "pattern": r"^\s*\d+\s+of\s+\d+(\s+buckets)?\s*$"},
        {
            "type": "object",
            "properties": {name: {"type": "integer", "minimum": 1} for name in ("bad", "of")},
            "required": ["bad", "of"],
            "additionalProperties": False,
        },
    ]
}
Quorum = Annotated[
    BucketQuorum,
    BeforeValidator(_read_quorum),
    WithJsonSchema(_WRITTEN_QUORUM, mode="validation"),
]


LONGEST_RULE_NAME = 128
"""Longest name of a rule, with which its incidents are stored."""
LONGEST_LIMITED = 100


class Rule(Section):
    """When findings become an incident, and which receivers are notified."""

    name: str | None = None
    """Name of its incidents; default: derived from `when`."""
    when: list[str] = ["*"]
    """Findings to match: `check`, `check.column`, `quality`, `baseline`, `experiment.NAME`, `shadow.NAME`, or `*`: all
    but the last three."""
    for_: Annotated[int, Field(ge=1)] | Duration | Quorum = Field(1, alias="for")
    """Number of consecutive bad buckets, or a duration, before the incident fires; or `3 of 5 buckets`: a number of bad
    buckets among the last ones."""
    resolve_for: Annotated[int, Field(ge=1)] | Duration = 2
    """Number of consecutive clean buckets, or a duration, before the incident resolves."""
    hysteresis: float = Field(0.9, gt=0, le=1)
    """While an incident is open, a finding counts as clean below this fraction of its threshold; not if accumulated."""
    reopen_within: Duration = timedelta(days=1)
    """A resolved incident is reopened if it recurs within this time, on the same columns and without a new version."""
    severity: Literal["info", "warning", "critical"] = "warning"
    """Severity of its incidents: info, warning or critical."""
    do: list[str] = []
    """Names of receivers."""
    repeat_interval: Duration = timedelta(hours=4)
    """Interval of reminders while an incident is firing."""
    mute_times: list[str] = []
    """Names of `mute_time_intervals:` during which its incidents alert nobody."""
    escalate: list[Escalation] = []
    """Whom to notify of its incidents if nobody acknowledges them."""
    inconclusive_limit: int | None = Field(None, ge=0)
    """Accepted number of consecutive buckets in which a matched check could not be measured; one more opens an incident
    that tells so, without effects. Default: no limit."""

    @model_validator(mode="after")
    def _has_short_name(self) -> Rule:
        most = LONGEST_RULE_NAME if self.inconclusive_limit is None else LONGEST_LIMITED
        if len(self.name or "+".join(self.when)) > most:
            which = "" if self.inconclusive_limit is None else " with `inconclusive_limit:`"
            text = (
                "a rule{which} needs a `name:` of at most {most} characters; by default it is what `when:` has, joined"
            )
            raise PydanticCustomError("name", text, {"which": which, "most": most})
        return self

    def recent_buckets(self, bucket: timedelta) -> int:
        """Return of how many of the last buckets `for:` counts the bad ones."""
        return self.for_.of if isinstance(self.for_, BucketQuorum) else self.buckets(self.for_, bucket)

    def buckets(self, value: int | timedelta | BucketQuorum, bucket: timedelta) -> int:
        """Convert a count, a duration or a quorum to a number of buckets, at least 1."""
        if isinstance(value, BucketQuorum):
            return value.bad
        return value if isinstance(value, int) else max(1, -(-value // bucket))


BASELINE_RULE = "baseline"
"""Name of the rule and of the check that cover the baseline itself."""
DEFAULT_BASELINE_RULE = Rule(when=[BASELINE_RULE], severity="info", repeat_interval=timedelta(days=7))
"""The rule for findings about the baseline, added to monitors without such a rule."""


class NoData(Section):
    """When an empty or unreadable source becomes an incident."""

    after: int = Field(3, ge=1)
    """Number of consecutive buckets without a result before it fires; gaps as long as in the baseline are tolerated."""
    severity: Literal["info", "warning", "critical"] = "warning"
    """Severity of its incidents: info, warning or critical."""
    do: list[str] = []
    """Names of receivers; rollback and retraining are never triggered by missing data."""
    escalate: list[Escalation] = []
    """Whom to notify if nobody acknowledges the incident."""


class Monitor(WithHashKey):
    """A monitored application."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")
    """Name in metrics and messages."""
    source: Source
    """The table, view or query with the records, or a preset for a known tool."""
    bucket: Duration = timedelta(minutes=5)
    """Length of the interval over which records are aggregated; must divide a day."""
    window: Duration = timedelta(hours=1)
    """Length of the most recent period that is compared with the baseline; a multiple of `bucket`."""
    settle: Duration = timedelta(seconds=30)
    """Delay after the end of a bucket before it is computed, so that late rows are included."""
    baseline: BaselineConfig = BaselineConfig(rolling=ROLLING)
    """Reference data that windows are compared with."""
    start: Time | None = None
    """Time from which buckets are evaluated; default: the end of the baseline, or now."""
    catch_up: Duration = timedelta(days=7)
    """Maximum age of the buckets that are evaluated after a start or an outage."""
    features: Annotated[Features, BeforeValidator(_features)] = Features()
    """Selects the columns that are monitored."""
    classes: dict[str, ColumnClass] = {}
    """By column: `identifier` (only keyed hashes of its values are stored and shown), `category` (values are stored as
    they are) or `free_text` (nothing is). Columns without a class store values, except those with personal data or a
    secret, of which they store hashes."""
    segments: list[str] = []
    """Columns, such as a model version or a tenant, whose values are also monitored separately."""
    max_segments: int = Field(20, ge=1, le=200)
    """Maximum number of values of each segment column; the largest are monitored."""
    min_samples: int = Field(100, ge=1)
    """Minimum number of values on either side; with fewer the result is inconclusive."""
    success: str | None = None
    """Column or signal from 0 to 1 that is 1 for a good answer, for the cost per good answer; default: not `failed`."""
    alert_budget: str = Field("1/week", pattern=r"^\d+(\.\d+)?/(day|week|month)$")
    """Accepted rate of false alerts of the whole monitor; thresholds that are not set are learnt to keep it."""
    outputs: list[str] = []
    """Columns that the model produces, besides those with a role such as `score`. All others are inputs: if only inputs
    change, a rollback waits for approval."""
    better: dict[str, Literal["lower", "higher", "neutral", "unchanged"]] = {}
    """By column, signal or `volume`: which change is an improvement, and alerts nobody. A change of a `neutral` column
    alerts and never triggers a rollback; with `unchanged` every change is a deterioration. By default `volume` is
    `higher`, and columns are as their role or signal defines."""
    signals: list[Entry] = []
    """Signals that are computed for each record: names, or `{name: {option: value}}`."""
    checks: list[CheckEntry] = [DriftConfig(), QualityConfig(), LatencyConfig()]
    """Analyses that are run on each window."""
    group_by: list[Literal["rule", "check", "column", "segment"]] = []
    """Labels by which incidents are divided; by default all findings that rise together are one incident."""
    rules: list[Rule] = [Rule()]
    """When findings become incidents, and which receivers are notified."""
    no_data: NoData = NoData()
    """When missing data becomes an incident."""
    mute_times: list[str] = []
    """Names of `mute_time_intervals:` during which the monitor alerts nobody."""
    escalate: list[Escalation] = []
    """Whom to notify of any incident of the monitor, missing data included, if nobody acknowledges it."""
    breakers: list[BreakerSpec] = []
    """Circuit breakers that applications query before they send a request."""
    savings: Savings | None = None
    """Estimates of the cost of the same requests on other models, for `driftd savings` and the web interface."""
    experiments: list[Experiment] = []
    """Experiments (A/B tests) whose arms are compared at every bucket."""
    shadows: list[Shadow] = []
    """Shadow deployments: challengers that answer the same requests as a champion, compared at every bucket."""
    traffic: dict[UnservedRole, TrafficMark] = {}
    """`shadow`, `experiment`, `evaluation`, `probe`: how to recognise records that are not user traffic."""

    _muting: MuteSettings = PrivateAttr(default_factory=MuteSettings)

    @property
    def muting(self) -> MuteSettings:
        """Return what of the whole file mutes its alerts."""
        return self._muting

    def with_muting(self, settings: MuteSettings) -> Monitor:
        """Return a copy with other settings of the whole file."""
        copy = self.model_copy()
        copy._muting = settings
        return copy

    _roles: tuple[TrafficRole, ...] = PrivateAttr(("served",))
    _rules: tuple[RoleRule, ...] | None = PrivateAttr(None)
    _part_of: str | None = PrivateAttr(None)

    @property
    def comparisons(self) -> list[Experiment | Shadow]:
        """Return the experiments and the shadows."""
        return [*self.experiments, *self.shadows]

    @property
    def role_rules(self) -> list[RoleRule]:
        """Return the rules by which the role of a record is decided; a later one takes precedence."""
        return role_rules(self.source, self.comparisons, self.traffic) if self._rules is None else list(self._rules)

    @property
    def roles(self) -> tuple[TrafficRole, ...]:
        """Return the roles of the records that the monitor looks at."""
        return self._roles

    @property
    def part_of(self) -> str | None:
        """Return the name of the configured monitor whose other traffic this one looks at; None for that one."""
        return self._part_of

    def of_traffic(
        self, roles: tuple[TrafficRole, ...], checks: Sequence[CheckConfig], people: Collection[str]
    ) -> Monitor:
        """Return a monitor of other traffic of the same source.

        Parameters
        ----------
        people
            Receivers of messages; others are not used, since traffic that no user gets is no reason for an effect.
        """
        rules = [rule.model_copy(update={"do": [name for name in rule.do if name in people]}) for rule in self.rules]
        update: dict[str, object] = {"savings": None, **dict.fromkeys(("breakers", "experiments", "shadows"), [])}
        name = f"{self.name}.{'-'.join(roles)}"
        part = self.model_copy(update={**update, "name": name, "checks": list(checks), "rules": rules})
        part._roles, part._rules, part._part_of = roles, tuple(self.role_rules), self.name
        return part

    @property
    def performance(self) -> PerformanceConfig | None:
        """Return the `performance` check, the last one if there are several."""
        return next((check for check in reversed(self.checks) if isinstance(check, PerformanceConfig)), None)

    @property
    def budgets(self) -> list[SpendConfig]:
        """Return the `spend` checks."""
        return [check for check in self.checks if isinstance(check, SpendConfig)]

    @property
    def objectives(self) -> list[SloConfig]:
        """Return the `slo` checks."""
        return [check for check in self.checks if isinstance(check, SloConfig)]

    def find_budget(self, name: str) -> SpendConfig | None:
        """Return the `spend` check with a name, if there is one."""
        return next((check for check in self.budgets if check.finding_name == name), None)

    @property
    def money(self) -> str:
        """Return the column with the cost of a record: the one named by a budget, else `price`, else `cost`."""
        named = [str(check.columns[0]) for check in self.budgets if check.columns != "auto" and check.columns]
        return named[0] if named else "price" if "price" in self.signal_names else "cost"

    def with_rules(self, rules: Sequence[Rule]) -> Monitor:
        """Return a copy of the monitor with other rules."""
        return self.model_copy(update={"rules": list(rules)})

    @property
    def signal_names(self) -> set[str]:
        """Return the names of the signals."""
        return {column_name(entry) for entry in self.signals}

    @property
    def currency(self) -> str:
        """Return the currency of the costs: that of the first budget, by default USD."""
        return self.budgets[0].currency if self.budgets else "USD"

    @property
    def labels_after(self) -> timedelta:
        """Return the longest `labels_after:` of the checks."""
        waiting = [check.labels_after for check in self.rates.values()]
        return max([*waiting, self.performance.labels_after if self.performance else timedelta(0)])

    @property
    def rates(self) -> dict[str, RateConfig]:
        """Return the `rate` checks by signal."""
        return {check.signal: check for check in self.checks if isinstance(check, RateConfig)}

    @property
    def judged(self) -> dict[str, RateConfig]:
        """Return the `rate` checks with `labels_from: judge` by signal."""
        return {signal: check for signal, check in self.rates.items() if check.labels_from == "judge"}

    @property
    def audit_ages(self) -> list[timedelta]:
        """Return the ages at which a bucket is counted again, including the delay of labels."""
        labels = [self.labels_after] if self.labels_after else []
        return sorted([windows * self.window for windows in AUDIT_AFTER_WINDOWS] + labels)

    @property
    def buckets_needed(self) -> timedelta:
        """Return how long its buckets are needed: for the sums of its baseline, and to compute a bucket once more."""
        again = max(self.catch_up, *self.audit_ages) + 2 * self.window
        renewal = self.baseline.rolling + self.window + ONE_DAY if self.baseline.rolling else timedelta(0)
        return max(again, renewal) + self.settle + self.bucket

    @property
    def budget_per_week(self) -> float:
        """Return the alert budget in alerts per week."""
        count, _, unit = self.alert_budget.partition("/")
        return float(count) * {"day": 7.0, "week": 1.0, "month": 7 / 30.4375}[unit]

    @model_validator(mode="after")
    def _with_baseline_rule(self) -> Monitor:
        """Add the default rule for the baseline if no rule names it."""
        if self.rules and not any(BASELINE_RULE in (rule.name, *rule.when) for rule in self.rules):
            object.__setattr__(self, "rules", [*self.rules, DEFAULT_BASELINE_RULE])
        return self

    def route_baseline_rule(self, people: Collection[str]) -> Monitor:
        """Return a copy whose default baseline rule notifies the receivers in ``people`` that another rule names."""
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
    """The HTTP server; any address except loopback needs a token or `auth: {required: true}`."""

    listen: str = Field("127.0.0.1:9478", pattern=r"^.+:\d{1,5}$")
    """Host and port of the web interface, the API and /metrics."""
    external_url: str | None = Field(None, pattern=r"^https?://")
    """Address under which people reach the web interface, such as `https://driftd.example.com`; messages link to it."""
    examples: bool = False
    """Whether the page of an incident shows example records, read from the source when somebody opens them; personal
    data and secrets are replaced by their types, and nothing is stored."""
    allowed_hosts: list[str] = []
    """Names under which people reach the server, such as `driftd.example.com` or `localhost:8443`; others are refused.
    The host of `external_url` is one of them, and on loopback so are `localhost` and its addresses."""
    trusted_proxies: list[IPvAnyNetwork] = []
    """Addresses of reverse proxies, such as `127.0.0.1` or `10.0.0.0/8`, whose headers `X-Forwarded-For`,
    `X-Forwarded-Proto` and `X-Forwarded-Host` are believed."""
    token: SecretStr | None = None
    """Bearer token, long and random; required for any address except loopback. `token_file` reads it from a file."""
    auth: AuthConfig = AuthConfig()
    """Who may use the server, besides the holders of `token`."""
    tls: TlsConfig | None = None
    """TLS of the server itself; not needed behind a reverse proxy that terminates TLS."""

    @field_validator("listen")
    @classmethod
    def _check_port(cls, listen: str) -> str:
        return check_port(listen)

    @property
    def requires_login(self) -> bool:
        """Return whether a request needs a token."""
        return bool(self.token or self.auth.required or self.auth.proxy or self.auth.oidc)

    @model_validator(mode="after")
    def _check_oidc(self) -> ServerConfig:
        if self.auth.oidc and not self.external_url:
            raise PydanticCustomError(
                "external_url",
                "`auth: oidc:` needs `external_url:`, to which the provider sends people back",
            )
        return self


class EvaluationSpec(Section):
    """An evaluation suite that the daemon runs on a schedule."""

    suite: Path
    """YAML file of the suite, relative to this file."""
    every: Duration = Field(timedelta(hours=6), ge=timedelta(minutes=1))
    """Interval between the starts of runs; among several daemons, one runs it."""
    monitor: str | None = None
    """Monitor that gets the incident of a regression; optional if there is only one."""
    for_: int = Field(1, alias="for", ge=1)
    """Number of consecutive bad runs before the incident fires; one good run resolves it."""
    severity: Literal["info", "warning", "critical"] = "warning"
    """Severity of its incidents: info, warning or critical."""
    do: list[str] = []
    """Names of receivers."""


class Config(WithOperation):
    """Top-level keys."""

    store: DatabaseUrl = SecretStr("sqlite:///driftd.db")
    """SQLAlchemy URL of driftd's own database; `store_file` reads it from a file."""
    hash_key: SecretStr | None = Field(None, min_length=16)
    """Key of the hashes that stand for identifiers and personal data, long and random, such as `${DRIFTD_HASH_KEY}`;
    `hash_key_file` reads it from a file. Default: a random key in the store."""
    server: ServerConfig = ServerConfig()
    """The HTTP server."""
    policies: dict[str, PolicySpec] = {}
    """Guardrail policies by name: what to scan texts for, and whether to allow, redact or block."""
    mute_time_intervals: list[MuteTimes] = []
    """Recurring times, for `mute_times:` of rules and monitors."""
    inhibit: list[InhibitRule] = []
    """Which alerts are muted while another alert fires."""
    evaluations: list[EvaluationSpec] = []
    """Evaluation suites that are run on a schedule."""
    monitors: list[Monitor] = Field(min_length=1)
    """The monitored applications."""

    @model_validator(mode="after")
    def _with_receivers(self) -> Config:
        """Add the receivers of deprecated sections, and set the receivers of the default baseline rules."""
        self.convert_old_receivers()
        people = [name for name, receiver in self.receivers.items() if receiver.audience == "people"]
        times = {one.name: one for one in self.mute_time_intervals}
        muting = MuteSettings(times, self.inhibit, [monitor.name for monitor in self.monitors])
        monitors = [monitor.route_baseline_rule(people).with_muting(muting) for monitor in self.monitors]
        linked = {name: one.with_external_url(self.server.external_url) for name, one in self.receivers.items()}
        object.__setattr__(self, "monitors", monitors)
        object.__setattr__(self, "receivers", linked)
        return self

    @property
    def configured(self) -> list[Monitor]:
        """Return the monitors without those of other traffic."""
        return [monitor for monitor in self.monitors if monitor.part_of is None]

    def monitor(self, name: str | None) -> Monitor:
        """Return the named monitor, or the only one."""
        names = [monitor.name for monitor in self.monitors]
        if name is None and len(self.configured) == 1:
            return self.configured[0]
        if name not in names:
            hint = f"there is no monitor {name!r}" if name else "there are several monitors; name one with --monitor"
            raise ConfigError(f"{hint}. Configured: {', '.join(names)}.{nearest(name or '', names)}")
        return self.monitors[names.index(name)]
