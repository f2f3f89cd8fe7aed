"""Write the derived pages of docs/ from the code: settings, checks and signals, metrics, commands.

`--check` writes nothing and exits 1 when a page is stale.
"""

from __future__ import annotations

import inspect
import json
import math
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

import click
import typer
import yaml
from pydantic import BaseModel, SecretStr
from pydantic_core import PydanticUndefined

from detectors import DETECTORS, LATENCY, PERFORMANCE, RATES, SEQUENTIAL, SIGNALS, TRAFFIC_CHECKS
from detectors.cost.objective import PAIRS
from detectors.direction import ROLES
from detectors.family import FAMILIES
from detectors.quality.percentile import TIMES
from monitor.actions import retraining
from monitor.checks import evidently
from monitor.checks.registry import CHECKS
from monitor.cli import app
from monitor.config import access as access_config
from monitor.config import (
    arms,
    models,
    money,
    muting,
    operation,
    receivers,
    retention,
    source,
    stattests,
    templates,
    time_intervals,
    traffic,
)
from monitor.config.checks import CheckConfig, SpendLimit
from monitor.config.presets import PRESETS
from monitor.config.presets.base import PresetColumn
from monitor.config.presets.sql import DIALECTS as SPEECH
from monitor.config.sections import format_duration
from monitor.jobs import delivery
from monitor.jobs.evals import suite
from monitor.jobs.evals.expectation import COMMON, KINDS, Expectation
from monitor.metrics import list_metrics
from monitor.metrics.process import PROCESS_ROWS
from monitor.web.permissions import PERMISSIONS

FOLDER = Path(__file__).parent.parent / "docs"
DIRECTIONS = """## Directions

Every finding has a direction. `better` is an improvement, such as a lower price, latency or failure rate: it is shown
and recorded, and never alerts. `neutral` is neither good nor bad in itself, such as longer answers or a change of the
joint distribution of all columns: it alerts, and never triggers a rollback or a retraining by itself. `worse` does
both. A numeric column counts as improved only if its mean and its ranks improve: a latency whose median falls while
its tail rises is worse. A change of a column whose better side is unknown counts as worse; to restrict rollbacks to
some columns, name them in the rule (`when: [drift.score]`). The better side of signals is in the table below; that of
columns follows from their role:
"""
NOTE = "<!-- Written by scripts/docs.py from the code; change the code, then `make docs`. -->\n"


SECTIONS: dict[str, type[BaseModel]] = {
    "The file": models.Config,
    "monitors[]": models.Monitor,
    "monitors[].source": source.Source,
    "monitors[].source.columns.*": source.ColumnSpec,
    "monitors[].features": models.Features,
    "monitors[].baseline": models.BaselineConfig,
    "monitors[].checks[].KIND": CheckConfig,
    "monitors[].checks[].spend.limits.*": SpendLimit,
    "monitors[].rules[]": models.Rule,
    "monitors[].escalate[]": models.Escalation,
    "monitors[].no_data": models.NoData,
    "monitors[].breakers[]": money.BreakerSpec,
    "monitors[].savings": money.Savings,
    "monitors[].savings.plans[]": money.PlanSpec,
    "monitors[].savings.plans[].route[]": money.TierSpec,
    "monitors[].savings.plans[].route[].when.*": money.ConditionSpec,
    "monitors[].savings.retraining": money.RetrainingSpec,
    "monitors[].experiments[]": arms.Experiment,
    "monitors[].shadows[]": arms.Shadow,
    "monitors[].experiments[].metrics.*": arms.ComparedMetric,
    "monitors[].traffic.*": traffic.TrafficMark,
    "mute_time_intervals[]": muting.MuteTimes,
    "mute_time_intervals[].time_intervals[]": time_intervals.TimeInterval,
    "mute_time_intervals[].time_intervals[].times[]": time_intervals.TimeRange,
    "inhibit[]": muting.InhibitRule,
    "evaluations[]": models.EvaluationSpec,
    "retention": retention.Retention,
    "server.tls": access_config.TlsConfig,
    "metrics": operation.MetricsConfig,
    "heartbeat": operation.HeartbeatConfig,
    "tracing": operation.TracingConfig,
    "server": models.ServerConfig,
    "server.auth": access_config.AuthConfig,
    "server.auth.proxy": access_config.ProxyConfig,
    "server.auth.oidc": access_config.OidcConfig,
}


def first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").splitlines()[0]


def table(headers: list[str], rows: list[list[str]]) -> str:
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def configuration() -> str:
    parts = [
        "# driftd.yaml\n",
        "driftd reads one YAML file. Unknown keys are errors, with a suggestion. `${NAME}` and `${NAME:-default}` are replaced\n"
        "by environment variables. `token_file`, `secret_file`, `url_file` and `store_file` name a file that holds the value\n"
        "of `token`, `secret`, `url` or `store`. Durations are written 90s, 5m, 1h30m, 14d, 2w or 5y; times in ISO 8601, in\n"
        "UTC unless they have an offset. `driftd config check` validates the file; `driftd config schema` prints its JSON schema.\n\n"
        "Relative paths are relative to the folder of this file, not to the working directory: SQLite files in `store` and\n"
        "`source.url` (`sqlite:///driftd.db`), `baseline.file`, `suite`, the `*_file` keys, and files of signals.\n"
        "`sqlite:////var/lib/driftd/driftd.db` is an absolute path. Paths on the command line are relative to the working\n"
        "directory.\n\n"
        "`driftd run` exits with code 2 and the message of `driftd config check` if no monitor has a readable source because of\n"
        "its configuration: an unknown URL scheme or driver, or a missing SQLite file, table, column or segment. If some\n"
        "monitors can be read it starts, shows the others as errors and retries them. If a source is down, too slow or refuses\n"
        "the password, the daemon retries; `driftd_source_up` is 0 until then.\n\n"
        "It exits with code 70 if its watchdog finds that the main loop, the scheduler or the web server has given no sign of\n"
        "life for two minutes, or a job has made no progress for an hour (six hours for catch-up and baselines); the log then\n"
        'has the stack of every thread (`"event": "watchdog"`). If a library lets no Python code run for two minutes, it\n'
        "prints the stacks to standard error and exits with code 1. Run it under a supervisor that starts it again: `restart:`\n"
        "of Docker Compose, Kubernetes, or `Restart=always` of systemd. After a pause of more than two minutes (SIGSTOP,\n"
        "`docker pause`) a process may exit in the same way.\n",
    ]
    for title, model in sections():
        parts += [f"## {title}\n", first_line(model) + "\n", settings_table(model)]
    parts += ["## receivers.*\n", "Destinations of messages and effects: see [receivers.md](receivers.md).\n"]
    return "\n".join(parts)


def settings_table(model: type[BaseModel]) -> str:
    rows = [
        [f"`{field.alias or name}`", default_of(field), " ".join((field.description or "").split())]
        for name, field in sorted(model.model_fields.items(), key=lambda item: bool(item[1].json_schema_extra))
        if name in settable(model)
    ]
    return table(["key", "default", "meaning"], rows)


def receiver_kinds() -> str:
    """Return the page about receivers: their kinds, with settings and an example of each, and deprecated keys."""
    models = {kind: receivers.config_model(kind) for kind in receivers.RECEIVERS}
    rows = [[f"[`{kind}`](#{kind})", first_line(model), gets(model), model.audience] for kind, model in models.items()]
    parts = [
        "# Receivers\n",
        "A receiver is a destination of messages (about incidents, breakers and experiments, for people) or of effects (which\n"
        "change a system). Rules refer to receivers by name in `do:`. A receiver with `effect:` gets effects, any other gets\n"
        "messages. Each receiver has its own queue; an action that could not be delivered is tried again until it expires, with\n"
        "the same id. `dry_run: true` stores the exact request, without secrets, instead of sending it.\n",
        "Requests go to the configured host only: redirects are not followed and TLS is always verified. Private addresses are\n"
        "allowed; http to a public address and link-local addresses, such as those of cloud metadata, are refused.\n",
        table(["kind", "description", "gets", "read by"], rows),
    ]
    for kind, model in models.items():
        example = yaml.safe_dump({"receivers": {f"my-{kind}": dict(model.example)}}, sort_keys=False)
        parts += [f"## {kind}\n", f"{first_line(model)} {model.permissions}\n", f"```yaml\n{example}```\n"]
        parts += [settings_table(model)]
    fields = [[f"`{{{name}}}`", meaning] for name, meaning in templates.FIELDS.items()]
    return "\n".join(
        [
            *parts,
            "## Effects\n",
            f"Settings of `effect:`. {first_line(receivers.EffectSettings)}\n",
            settings_table(receivers.EffectSettings),
            "## Templates\n",
            "Texts of templates contain fields in braces; `{{` and `}}` are braces. In a template of JSON, a text that is one field\n"
            "becomes its value of any type, null if there is none; in other texts a missing value is empty.\n",
            table(["field", "value"], fields),
            "## Tests\n",
            "`driftd actions test NAME` sends a marked test to a receiver, once, from where the command runs, and prints the\n"
            "request and the answer. It exits 0 if the receiver accepted it, 1 if not, and 2 if nothing was sent. A test belongs to\n"
            "no monitor and no incident: it counts for no cooldown, cap or verification. It is an entry of the audit log.\n",
            table(
                ["receiver", "what a test does"],
                [
                    [
                        "of messages",
                        "says *Test of the receiver … by …*, then that the test is over: an alert is opened and resolved",
                    ],
                    [
                        "webhooks of effects",
                        "sends `driftd.test` as `type`, `data.test: true`, and `driftd-test` as both versions",
                    ],
                    [
                        "with templates",
                        "sends the template with `{test}`, `{type}` or `{data}`; without such a field nothing is sent, since the job could not tell the test from a rollback",
                    ],
                    ["`mlflow`, `langfuse`", "reads the alias or label with the configured login; moves nothing"],
                    [
                        "`kubernetes`, `argo_rollouts`",
                        "reads what an undo reads, and sends a patch with `dryRun=All`, which the API server checks and does not store",
                    ],
                ],
            ),
            "A job that is started by a template must do nothing if `{test}` is true. `driftd actions show ID` prints any action with\n"
            "its target, evidence, approvals and the exact request.\n",
            "## Deprecated keys: slack and actions\n",
            "`slack:` and `actions:` still work; `driftd run` and `driftd config check` print their new form. `slack: {…}` becomes\n"
            "the receiver `slack: {kind: slack, …}`. An action `NAME: {webhook: {url, secret, timeout}, kind, mode, cooldown,\n"
            "not_after, max_per_day, dry_run}` becomes the receiver `NAME: {kind: webhook, url, secret, timeout, dry_run, effect:\n"
            "{kind, mode, cooldown, not_after, max_per_day}}`, without `effect:` if its kind was notify. Keep the names: actions\n"
            "that are waiting in the store refer to them.\n",
        ]
    )


def gets(model: type[receivers.ReceiverConfig]) -> str:
    """Return what a kind of receiver may be sent."""
    effect = model.model_fields.get("effect")
    return "messages" if effect is None else "effects" if effect.is_required() else "messages or effects"


def sections() -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield the sections of driftd.yaml; check kinds with the same settings share one."""
    for title, model in SECTIONS.items():
        if model is CheckConfig:
            yield from ((title.replace("KIND", ", ".join(kinds)), config) for config, kinds in check_kinds().items())
        else:
            yield title, model


def check_kinds() -> dict[type[CheckConfig], list[str]]:
    """Return the settings of check kinds, and the kinds that have them."""
    kinds: dict[type[CheckConfig], list[str]] = {}
    for kind, check in CHECKS.items():
        kinds.setdefault(check.Config, []).append(kind)
    return kinds


def settable(model: type[BaseModel]) -> list[str]:
    """Return the fields that are written in the file: the kind of a check is its key."""
    return [name for name in model.model_fields if not (issubclass(model, CheckConfig) and name == "kind")]


def default_of(field: object) -> str:
    value = field.default  # type: ignore[attr-defined]
    if value is PydanticUndefined:
        return "required"
    if value is None or value in ({}, [], ""):
        return "-"
    if hasattr(value, "total_seconds"):
        return f"`{format_duration(value)}`"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(f"`{one}`" for one in value)
    if isinstance(value, BaseModel | list) and not isinstance(value, str):
        return "see below" if isinstance(value, BaseModel) else ", ".join(getattr(v, "kind", "one rule") for v in value)
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value.get_secret_value() if isinstance(value, SecretStr) else value}`"


def checks() -> str:
    methods = [*DETECTORS.values(), *SEQUENTIAL.values()]
    rows = [
        [
            f"`{d.name}`",
            f"`{d.check}`",
            ", ".join(sorted(d.kinds)),
            f"{d.threshold:.3g}",
            f"{d.floor:.3g}",
            d.unit,
            {"model": "model", "pipe": "data pipeline"}[d.about],
            d.citation,
        ]
        for d in methods
    ]
    parts = [
        "# Checks\n",
        "A check compares a window with the baseline. Thresholds are learnt from the baseline so that all checks together\n"
        "keep the monitor's `alert_budget` ([calibration](calibration.md)); `threshold:` sets a fixed one instead. A learnt\n"
        "threshold is never below the method's floor: smaller changes do not alert however significant they are. If the\n"
        "baseline is too short for calibration, the default threshold of the tables below is used, raised for small samples\n"
        "to what one in 1,000 unchanged windows of that size exceeds.\n\n"
        "`drift` runs several methods on each column unless `method:` selects some. The column `(joint)` stands for all columns\n"
        "together: `correlation` and `mmd` detect changes there that no single column shows. `cusum` and `rate_cusum` are\n"
        "sequential: they accumulate evidence from bucket to bucket. `cusum` detects small lasting shifts, `rate_cusum` a large\n"
        "change of a rate within one or two buckets and a small one over hours. `quality` stands for all other checks of data\n"
        "except `freshness`, which must be configured.\n",
        "## Kinds of checks\n",
        "[configuration.md](configuration.md) describes the keys.\n",
        table(
            ["check", "description", "keys"],
            [
                [
                    ", ".join(f"`{kind}`" for kind in kinds),
                    first_line(config),
                    ", ".join(f"`{key}`" for key in config.key_names()),
                ]
                for config, kinds in check_kinds().items()
            ],
        ),
        "## Methods\n",
        table(["method", "check", "columns", "threshold", "floor", "unit", "finding about", "reference"], rows),
        "## Families of columns\n",
        "With `method: auto`, the default, the methods of a column follow from the family of its distribution in the baseline;\n"
        "`driftd baseline show` prints the family of each column.\n",
        table(
            ["family", "description", "methods", "smallest change that alerts"],
            [
                [family.name, family.about, ", ".join(f"`{m}`" for m in family.methods), family.least]
                for family in FAMILIES
            ],
        ),
        "## Performance of the model\n",
        "`performance` compares the metrics of a classifier (roles `score`, from 0 to 1, and `label`) or of a regression (roles\n"
        "`prediction` and `label`) with the baseline's, with 95 % intervals. `labels_after` is the delay of labels: metrics are\n"
        "computed for the window that ended that long ago, and its buckets are read again once labels have arrived. Methods\n"
        "named `estimated_…` need no labels: they estimate a metric from the scores, or from the columns of a regression, as\n"
        "learnt from the baseline. They detect the effect of changed inputs, and cannot detect concept drift, a changed\n"
        "relation between inputs and labels. Their intervals come from the errors of earlier estimates; `driftd status` shows\n"
        "how often the intervals contained the true value ([performance](performance.md)). A backtest uses the labels of today.\n",
        table(
            ["method", "model", "threshold", "floor", "unit", "statistic", "reference"],
            [
                [
                    f"`{d.name}`",
                    "classifier" if "scores" in d.kinds else "regression",
                    f"{d.threshold:g}",
                    f"{d.floor:g}",
                    d.unit,
                    d.title,
                    d.citation,
                ]
                for d in PERFORMANCE.values()
            ],
        ),
        "## Latency\n",
        f"`latency` checks the columns {', '.join(f'`{name}`' for name in TIMES)} (in seconds),\n"
        "or those of `columns:`. With `p50:`, `p90:`, `p95:` or `p99:` it compares that percentile with a target; without any,\n"
        "it compares `p50`, `p95` and `p99` with the baseline's, within the alert budget.\n",
        table(
            ["method", "threshold", "floor", "unit", "statistic", "reference"],
            [
                [
                    f"`{d.name}`",
                    "the target" if d.threshold == math.inf else f"{d.threshold:.3g}",
                    f"{d.floor:.3g}",
                    d.unit,
                    d.title,
                    d.citation,
                ]
                for d in LATENCY.values()
            ],
        ),
        "## Spending\n",
        "`spend: {daily: 200, monthly: 5000}` compares the cost of requests, from the signal `price` or the column `cost`, with\n"
        "budgets for days and months of `zone:`. The methods `daily` and `monthly` give the share of the budget that is spent,\n"
        "with a forecast for the end of the period. `forecast` is the lower end of the 80 % interval of the month's forecast,\n"
        "relative to the budget. `burn_rate` alerts early when the month's budget is spent too fast: at 14.4 times the allowed\n"
        "rate over an hour, 6 times over six hours, 3 times over a day, or 1 time over three days (the multi-window rates of the\n"
        "SRE workbook). Requests without a known price are counted separately, not as free. All daemons share one ledger in\n"
        "driftd's database. Backtests leave budgets out. With `by: tenant` each tenant has its own budget, or the one of\n"
        "`limits:`; cost without a tenant is `daily_unassigned`. `per_request` is the share of requests with more tokens than\n"
        "`per_request_tokens:`.\n",
        "## Objectives\n",
        "`slo: {signal: failed, objective: 0.999}` compares the share of good requests with an objective over `period:`, 30\n"
        "days by default. The signal is any signal from 0 to 1 that is 1 for a bad request: `failed`, `slow` (`{slow: {seconds:\n"
        "3}}`), `rate_limited`, the hits of a guardrail. `burn_rate` alerts when the error budget is consumed too fast over both\n"
        "windows of a pair: "
        + "; ".join(
            f"{pair.factor(timedelta(days=30)):g} times the allowed rate over {format_duration(pair.long)} and {format_duration(pair.short)} ({pair.urgency})"
            for pair in PAIRS
        )
        + ".\nWith little traffic, the bad requests of the long window must also exceed what chance explains once in 1,000 tests\n"
        "(exact binomial test), so that a single error among few requests does not alert. For other periods the factors are\n"
        "scaled. `burn: page` or `burn: ticket` evaluates those pairs only: two checks with different names can have rules of\n"
        "different severity. Counts are kept in driftd's database and shared by all daemons. Backtests leave objectives out.\n",
        "## Rates\n",
        "`rate: {signal: hallucinated}` monitors the mean of a signal from 0 to 1. `max_increase:` is the accepted increase over\n"
        "the baseline, by default learnt from the alert budget; `max:` is an upper limit of the mean. If the role `label` is\n"
        "mapped (`positive:` is the label of a bad answer), the labels of a random sample of rows correct the mean by\n"
        "prediction-powered inference, and it is reported as a rate with its interval; without labels it is reported as a mean\n"
        "score. The interval is in the finding, in the sentence of the incident and in `driftd_rate_ratio`. `labels_chosen:`\n"
        "states how the labelled rows were selected: `random`, `by_score` (at random among rows of equal score: the rate is\n"
        "stratified by score) or `by_answer` (such as complaints: no rate is computed). If the share of labelled rows depends\n"
        "on the score, the labels are not a random sample; the finding then says so and gives the stratified rate, which is\n"
        "correct if selection depends on the score only. The data cannot show whether it does\n"
        "([llm](llm.md#rates-with-labels)).\n",
        table(
            ["method", "threshold", "floor", "unit", "statistic", "reference"],
            [[f"`{d.name}`", f"{d.threshold:g}", f"{d.floor:g}", d.unit, d.title, d.citation] for d in RATES.values()],
        ),
        "## Checks of the records as a whole\n",
        table(["check", "description"], [[f"`{name}`", first_line(run)] for name, run in TRAFFIC_CHECKS.items()]),
        "## Statistical tests of Evidently\n",
        "`method: evidently:NAME` runs a statistical test of Evidently on values of a sample of rows, with Evidently's default threshold\n"
        "or with `threshold:` in Evidently's unit. For tests with a p-value, findings show its negative decimal logarithm, so\n"
        "that larger is worse. These tests are not calibrated to the alert budget, and backtests leave them out. They need\n"
        "`pip install driftd[report]`.\n",
        table(
            ["name", "columns", "score"],
            [
                [
                    f"`{stattests.PREFIX}{name}`",
                    ", ".join(kinds),
                    "p-value" if name in stattests.P_VALUES else "distance",
                ]
                for name, kinds in stattests.STATTESTS.items()
            ],
        ),
        f"```text\n{inspect.getdoc(evidently)}\n```\n",
        "## Each method\n",
    ]
    for detector in methods:
        text = (inspect.getdoc(detector.measure) or "").split("Examples")[0].rstrip()
        parts.append(f"### {detector.name}\n\n```text\n{text}\n```\n")
    parts += [DIRECTIONS, table(["column", "better"], [[f"`{name}`", better] for name, better in ROLES.items()])]
    rows = [[f"`{s.name}`", ", ".join(s.needs), s.unit, s.better or "-", s.cost, s.citation] for s in SIGNALS.values()]
    parts += ["## Signals\n", table(["signal", "needs", "unit", "better", "records per second", "reference"], rows)]
    return "\n".join(parts)


def metrics() -> str:
    heads = [*list_metrics(), *PROCESS_ROWS]
    rows = [[f"`{head.name}`", head.type, ", ".join(head.labels) or "-", head.help] for head in heads]
    rows += [
        ["`driftd_store_up`", "gauge", "-", "1 if driftd's own database answered this scrape and accepts writes."],
        ["`driftd_build_info`", "gauge", "version", "Version of driftd."],
    ]
    return (
        "# Metrics\n\nPrometheus metrics at `/metrics`. Values are read from driftd's database at each scrape, so that they survive a\n"
        "restart. Label values come from the configuration, the monitored columns and the limited number of segments, never from\n"
        "the content of records.\n\n" + table(["name", "type", "labels", "meaning"], rows)
    )


def commands() -> str:
    root = typer.main.get_command(app)
    parts = [
        "# Commands\n",
        "Tables fit the width of the terminal: 80 columns if the output is not a terminal, or `COLUMNS` if it is set. Values\n"
        "that do not fit are printed below their row. For scripts use `--json`.\n\n"
        "Exit codes: 0 healthy, 1 firing, 2 unknown or wrong usage. Every command reads `driftd.yaml` in the working\n"
        "directory unless `--config` or `DRIFTD_CONFIG` names another file.\n",
        "`driftd --log-level LEVEL COMMAND` sets the level of the log: debug, info (default), warning or error.\n",
    ]
    for path, command in walk("driftd", root):
        with click.Context(command, info_name=path) as context:
            options = [
                [", ".join(f"`{name}`" for name in [*option.opts]), getattr(option, "help", None) or ""]
                for option in command.get_params(context)
                if "--help" not in option.opts
            ]
        text = inspect.cleandoc(command.help or "")
        parts.append(f"## {path}\n\n{text}\n")
        if options:
            parts.append(table(["option", "meaning"], options))
    return "\n".join(parts)


def webhooks() -> str:
    parts = [
        "# Webhooks\n",
        "driftd sends messages and effects as signed POST requests, as defined by [Standard Webhooks](https://www.standardwebhooks.com).\n"
        "`webhook-id` is the same for all attempts: a receiver that has processed it answers 2xx or 409. Verify\n"
        "`webhook-timestamp` and `webhook-signature` with a library of Standard Webhooks, or as `verify` in\n"
        "`monitor/actions/receivers/webhook/signature.py`. The body is JSON of at most "
        f"{retraining.LARGEST:,} bytes; if\n"
        "there is more, the smallest findings are left out and counted in `left_out`.\n",
        "A response of 2xx or 409 means delivered. A timeout, a failed connection, 408, 425, 429 and 5xx are retried until\n"
        f"`not_after`, after {delivery.FIRST_DELAY.seconds} s and then twice as long each time up to {delivery.LONGEST_DELAY.seconds // 60} min. "
        "`Retry-After` can only make a delay\n"
        "longer. Each receiver has its own queue.\n",
        "Every body, unless `body:` is a template of it, has `type`, `timestamp` (end of the bucket) and `data`. A webhook without `effect:` gets messages:\n"
        "`driftd.incident.firing`, `.update` (with the changes in `news`), `.reminder` and `.resolved`, `driftd.action.expired`\n"
        "(an effect was not approved in time), `driftd.effect.sent`, `.waiting` (for approval, as most monitors fire), `.verified`, `.not_verified` and `.unknown` (with the effect in `action`)\n"
        "and `driftd.breaker.*`. Effects are `driftd.rollback` and `driftd.retrain`.\n"
        "`driftd.test`, with `test: true` in `data`, is a [test](receivers.md#tests): do nothing. `data`\n"
        "has `monitor`, `severity`, `headline`, `incident`, `window`, `observed_version`, `suspected_change`, `changes`, `target`\n"
        "(the last known good version; its `with` has what belongs to it, see [alerting.md](alerting.md#what-a-rollback-goes-back-to)),\n"
        "`findings` (at most ten), `acknowledged_by`, `assignee`, `escalation`, `first_bad_at`, `not_after`, `approvals`, `verify_within` and `dry_run`; a retraining also has `retraining`.\n"
        "A message also has `summary`, which follows the headline as in Slack and e-mail, `suspects`, `actions` (with `target`,\n"
        "`not_after` and whether each `is_new` since the last message), `peak`, and `link` (see `server.external_url`).\n",
        "## data.retraining\n",
        "What to train on, and why. The conditions select the records since the change, those of the baseline, or both, from\n"
        "the source as it is when you read it: compare the number of rows. Within a version, fields are only added. It is null\n"
        "if the baseline no longer exists.\n",
    ]
    for model in (
        retraining.Retraining,
        retraining.Columns,
        retraining.Concept,
        retraining.Drifted,
        retraining.TrainingRange,
        retraining.RecordLocation,
        retraining.NotServed,
        retraining.PerformanceMetric,
    ):
        rows = [[f"`{name}`", field.description or ""] for name, field in model.model_fields.items()]
        parts += [f"### {model.__name__}\n", first_line(model) + "\n", table(["field", "meaning"], rows)]
    written = json.dumps(retraining.schema(), indent=1)
    return "\n".join([*parts, "## JSON schema of a retraining\n", f"```json\n{written}\n```\n"])


def presets() -> str:
    parts = [
        "# Presets\n",
        "A preset reads the database of a known tool: `source: {url: …, preset: NAME}` ([sources.md](sources.md)). Columns that\n"
        "an installation does not have are left out; `driftd readiness` lists them. Columns in bold are roles.\n",
    ]
    for preset in PRESETS.values():
        module = inspect.getmodule(preset.columns)
        speech = SPEECH[preset.dialects[0]]
        made = preset.columns(speech, {kind: ["NAME"] for kind in preset.names})
        fixed = preset.columns(speech, {kind: [] for kind in preset.names})
        rows = []
        for name, ways in made.items():
            needs = [way.needs for way in ([ways] if isinstance(ways, PresetColumn) else ways)]
            title = name if name in fixed else name.replace("_name", "_NAME")
            shown = f"**`{title}`**" if name in source.ROLES else f"`{title}`"
            rows.append(
                [shown, " or ".join(" + ".join(f"`{n}`" for n in need) for need in needs), preset.advice.get(name, "")]
            )
        text = inspect.cleandoc((module.__doc__ or "") if module else "")
        parts += [
            f"## {preset.name}\n",
            text + "\n",
            f"Table `{preset.table}`, on {', '.join(preset.dialects)}; `settle: {preset.settle}`.\n",
            table(["column", "read from", "how to log it"], rows),
        ]
    return "\n".join(parts)


SUITE = """\
name: support-bot
endpoint:
  url: https://llm.internal/v1
  model: small-7b
  api_key: ${LLM_API_KEY}
  budget: {requests: 2000}
system: You answer questions about orders.
parameters: {temperature: 0.7, max_tokens: 300}
repeat: 3
min_score: 0.8
expect:                                  # of every case
  - {signal: refusal, max: 0.5}
  - {signal: groundedness, min: 0.5}
cases:
  - id: delivery-time
    prompt: "How long does delivery take? {context}"
    context: Standard delivery takes three to five days.
    expected: three to five days
    tags: [delivery]
    expect: [{contains: null, ignore_case: true}]
  - id: total
    messages:
      - {role: user, content: I ordered two books.}
      - {role: assistant, content: They cost 12 EUR each.}
      - {role: user, content: "What do I pay? A number only."}
    context: A book costs 12 EUR.
    expected: 24
    expect: [{numeric: null, tolerance: 0.01}, {regex: '^[0-9]'}]
  - id: as-json
    prompt: Give the status of order 7 as JSON.
    context: Order 7 is on its way.
    expect:
      - json_schema: {type: object, required: [status]}
        name: has-status
        weight: 2
"""
"""The example of docs/evaluations.md; a test reads it as `driftd eval run` does."""
SUITE_SECTIONS: dict[str, type[BaseModel]] = {
    "The file": suite.Suite,
    "endpoint, judge.endpoint": suite.Endpoint,
    "endpoint.budget": suite.Budget,
    "parameters, judge.parameters": suite.Parameters,
    "cases[]": suite.Case,
    "cases[].messages[]": suite.Turn,
    "traffic": suite.TrafficSample,
    "traffic.daily": suite.Daily,
    "judge": suite.Judge,
}
EXPECTATIONS = {
    "exact": (
        "text",
        "The answer equals this text, or `expected` of the case; leading and trailing white space is ignored.",
    ),
    "contains": ("text, or a list of texts", "The answer contains all of them, or `expected` of the case."),
    "regex": ("pattern", "The answer matches the regular expression (RE2)."),
    "json_schema": (
        "schema, or the name of a file beside the suite",
        "The answer is JSON that is valid under the schema.",
    ),
    "numeric": ("number", "The last number in the answer equals this one, or `expected` of the case."),
    "signal": (
        "name of a signal",
        "The signal is between `min` and `max`; [checks.md](checks.md#signals) lists the signals.",
    ),
    "judge": ("none", "None: the LLM judge of the suite scores the answer from 0 to 1."),
}


def evaluations() -> str:
    parts = [
        "# Suites of evaluations\n",
        "A suite is a YAML file with prompts and expectations about the answers. `driftd eval run suite.yaml` sends the prompts\n"
        "to an OpenAI-compatible endpoint, scores the answers and compares the run with the last good ones. It exits with 0 if\n"
        "there is no regression, 1 if there is one or the score is below `min_score`, and 2 if the result is inconclusive.\n"
        "`evaluations:` of [driftd.yaml](configuration.md#evaluations) runs a suite on a schedule;\n"
        "[llm.md](llm.md#evaluations) describes how runs are compared.\n",
        f"```yaml\n{SUITE}```\n",
        "Unknown keys are errors, with a suggestion. `${NAME}` is replaced by an environment variable; `url_file` and\n"
        "`api_key_file` name a file that holds the value. Relative paths are relative to the folder of the suite.\n",
    ]
    for title, model in SUITE_SECTIONS.items():
        rows = [
            [f"`{field.alias or name}`", type_of(field.annotation), default_of(field), field.description or ""]
            for name, field in model.model_fields.items()
        ]
        parts += [f"## {title}\n", first_line(model) + "\n", table(["key", "type", "default", "meaning"], rows)]
    kinds = [
        [f"`{kind}`", *EXPECTATIONS[kind], ", ".join(f"`{option}`" for option in (*own, *COMMON))]
        for kind, own in KINDS.items()
    ]
    options = [
        [f"`{name}`", type_of(field.annotation), default_of(field), field.description or ""]
        for name, field in Expectation.model_fields.items()
        if name not in ("kind", "value")
    ]
    parts += [
        "## expect[], cases[].expect[]\n",
        first_line(Expectation) + " It is written as a word, `- judge`, or as a mapping of one kind\n"
        "with its options, `- {contains: refund, ignore_case: true}`. The score of a case is the weighted mean of its\n"
        "expectations.\n",
        table(["kind", "value", "met if", "options"], kinds),
        table(["option", "type", "default", "meaning"], options),
        "## Files of cases and answers\n",
        "`cases: cases.jsonl` names a file with one case per line, with the keys of `cases[]`. `answers: answers.jsonl`, or\n"
        "`--answers FILE`, scores existing answers instead of calling the endpoint: one object per line,\n"
        '`{"id": "delivery-time", "response": "Three to five days."}`, with the id of a case.\n',
    ]
    return "\n".join(parts)


def type_of(annotation: object) -> str:
    """Return a type in words."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_of(inner[0])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in inner)
    if origin is list:
        return f"list of {type_of(inner[0])}s"
    if origin in (Union, UnionType):
        return " or ".join(type_of(part) for part in inner if part is not type(None))
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return "mapping"
    return TYPES[annotation]


TYPES: dict[object, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    timedelta: "duration",
    SecretStr: "secret",
    Path: "file",
}


def walk(path: str, command: click.Command) -> list[tuple[str, click.Command]]:
    children = getattr(command, "commands", None)
    if not children:
        return [(path, command)]
    return [found for name, child in children.items() for found in walk(f"{path} {name}", child)]


def access() -> str:
    """Return the page of roles and tokens, with the table of permissions."""
    rows = [
        [f"`{entry}`", "everyone" if one.is_open else one.role, f"`{one.scope}`" if one.scope else ""]
        for entry, one in PERMISSIONS.items()
    ]
    return ACCESS + "\n## Permissions\n\n" + table(["endpoint", "least role", "scope of machines"], rows)


ACCESS = """# Users, roles and tokens

Without `server.token` and `server.auth` everyone who reaches the server is an admin without a name; driftd then listens
on loopback only. With `server.token`, its holder is the admin `server`. Every person and machine should have a token
of its own:

```sh
driftd tokens create ann --role responder --expires 90d
driftd tokens create prometheus --scope metrics
driftd tokens list
driftd tokens revoke ann
```

A token is printed once and stored as a hash. `server: {auth: {required: true}}` asks for a token also on loopback, and
without `server.token`. A revoked or expired token, and the sessions that began with it, are refused within ten seconds;
while driftd's database does not answer, tokens that were accepted before are accepted for ten more minutes, so that
breakers and metrics go on. The last use of a token is recorded at most once an hour.

Roles are `viewer`, `responder` and `admin`; each may do all that the one before may. The name of the token is the
author in the [audit log](alerting.md#audit-log), and creating and revoking a token are entries there.

Browsers sign in at `/login` with a token that has a role. A session lasts 12 hours; *Sign out* ends it. The cookie is
HttpOnly, SameSite=Strict, and Secure behind TLS. Forms contain a token of their session, and their origin is checked.

## TLS

Without a reverse proxy, the server itself speaks TLS from version 1.2 on:

```yaml
server:
  listen: 0.0.0.0:9478
  token_file: /run/secrets/driftd_token
  tls: {cert_file: /etc/driftd/tls.crt, key_file: /etc/driftd/tls.key}
```

A renewed certificate is noticed within seconds. Container health checks then need `driftd health --tls`, or `DRIFTD_TLS=1`. A
client has 10 seconds for the handshake, and only then counts towards the limit of 256 connections: where clients are not trusted, put
a reverse proxy in front.

## A port for the metrics

`metrics: listen:` moves `/metrics` to a port of its own, which also has `/healthz` and `/readyz`, and nothing else. It asks for the same
tokens as the server. With `open: true` it asks for none: for a port that the network lets only Prometheus and the orchestrator reach.

```yaml
metrics: {listen: "0.0.0.0:9479", open: true}
```

## Behind a reverse proxy

A reverse proxy that terminates TLS needs one setting, the name under which people reach driftd:

```yaml
server:
  listen: 127.0.0.1:9478
  external_url: https://driftd.example.com
  token_file: /run/secrets/driftd_token
  trusted_proxies: [127.0.0.1]
```

Requests for other names are refused with status 400, and forms of pages of other names with 403. `allowed_hosts:` adds further
names; a name with a port, such as `localhost:8443`, is written with it. It does not matter whether the proxy keeps the header
`Host`. From `trusted_proxies` driftd believes `X-Forwarded-For` (wrong tokens are counted by client; the client is the last
address that is not a trusted proxy), `X-Forwarded-Proto` and `X-Forwarded-Host`; from other peers these headers are ignored.
With nginx:

```nginx
location / {
    proxy_pass http://127.0.0.1:9478;
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
}
```

A reverse proxy can authenticate people instead:

```yaml
server:
  listen: 0.0.0.0:9478
  auth:
    proxy:
      user_header: X-Forwarded-User
      groups_header: X-Forwarded-Groups
      trusted: [10.0.0.0/8]
      groups: {sre: responder, platform: admin}
      default_role: viewer
```

The headers count only from the `trusted` addresses, and the proxy must remove them from the requests of its clients. A
header that occurs twice is ignored.

People can also sign in with an OpenID Connect provider, such as Keycloak, Entra ID, Okta, Google or Dex:

```yaml
server:
  external_url: https://driftd.example.com
  auth:
    oidc:
      issuer: https://login.example.com/realms/ops
      client_id: driftd
      client_secret_file: /run/secrets/oidc_client
      groups: {sre: responder, platform: admin}
```

It needs the extra `oidc` (`pip install "driftd[oidc]"`), and at the provider a confidential client whose redirect address
is `https://driftd.example.com/login/callback`. driftd uses the authorization code flow with PKCE, verifies the signature
of the ID token by the provider's keys, and its issuer, audience, expiry and nonce. The name in the audit log is the claim
`name_claim`, an e-mail address unless set otherwise; groups are the claim `groups_claim`, from the ID token or else from
the user information. The role of a session follows from `users`, `groups` and `default_role` of the running
configuration, and from the groups that the user had when signing in, for 12 hours at most. *Sign out* ends the session
in driftd, not the one at the provider. Tokens go on working beside it, for machines and for when the provider is down.

The command line has the rights of an admin: whoever can open the store of `driftd.yaml` can change it.
"""


PAGES = {
    "access.md": access,
    "configuration.md": configuration,
    "checks.md": checks,
    "metrics.md": metrics,
    "commands.md": commands,
    "receivers.md": receiver_kinds,
    "webhooks.md": webhooks,
    "presets.md": presets,
    "evaluations.md": evaluations,
}


def main() -> int:
    """Write or check every page."""
    FOLDER.mkdir(exist_ok=True)
    stale = []
    for name, write in PAGES.items():
        text = NOTE + write()
        path = FOLDER / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(text, encoding="utf-8")
    if "--check" in sys.argv and stale:
        sys.stderr.write(f"stale: {', '.join(stale)}; run `make docs`.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
