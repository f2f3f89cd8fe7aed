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
from monitor.config import arms, breakers, models, receivers, savings, source, stattests
from monitor.config.checks import CheckConfig, SpendLimit
from monitor.config.presets import PRESETS
from monitor.config.presets.base import PresetColumn
from monitor.config.presets.sql import DIALECTS as SPEECH
from monitor.jobs import delivery
from monitor.jobs.evals import suite
from monitor.jobs.evals.expectation import COMMON, KINDS, Expectation
from monitor.metrics import list_metrics

FOLDER = Path(__file__).parent.parent / "docs"
DIRECTIONS = """## Directions

Every finding has a direction. `better` is an improvement: a lower price, latency or failure rate. It is shown and
recorded, and it alerts nobody. `neutral` is neither good nor bad by itself, such as a longer answer or the joint
distribution of all columns: it alerts, and it never leads to a rollback or a retraining by itself. `worse` does
both. A column improves only when its mean and its ranks do, so a latency whose bulk falls while its tail rises is
worse. A column of which nobody knows the better side counts as worse whichever way it moves: name the columns that
should roll back in the rule (`when: [drift.score]`). Signals state their better side in the table below, and these
columns by their role:
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
    "monitors[].no_data": models.NoData,
    "monitors[].breakers[]": breakers.BreakerSpec,
    "monitors[].savings": savings.Savings,
    "monitors[].savings.plans[]": savings.PlanSpec,
    "monitors[].savings.plans[].route[]": savings.TierSpec,
    "monitors[].savings.plans[].route[].when.*": savings.ConditionSpec,
    "monitors[].savings.retraining": savings.RetrainingSpec,
    "monitors[].experiments[]": arms.Experiment,
    "monitors[].shadows[]": arms.Shadow,
    "monitors[].experiments[].metrics.*": arms.ComparedMetric,
    "monitors[].traffic.*": arms.TrafficMark,
    "evaluations[]": models.EvaluationSpec,
    "server": models.ServerConfig,
}


def first_line(thing: object) -> str:
    return (inspect.getdoc(thing) or "").splitlines()[0]


def table(headers: list[str], rows: list[list[str]]) -> str:
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def configuration() -> str:
    parts = [
        "# driftd.yaml\n",
        "Unknown keys are refused with the nearest valid word. `${NAME}` and `${NAME:-default}` are read from the\n"
        "environment; `token_file`, `secret_file`, `url_file` and `store_file` read a secret from a file beside this one.\n"
        "Durations are written 90s, 5m, 1h30m, 14d or 2w; times in ISO 8601, UTC unless they say otherwise.\n\n"
        "Every relative path in this file is relative to the folder of this file, not to the working directory: the files of\n"
        "SQLite in `store:` and `source.url` (`sqlite:///driftd.db`), `baseline.file`, `suite`, the `*_file` keys, and the files\n"
        "of a signal. `sqlite:////var/lib/driftd/driftd.db` is absolute; `sqlite://`, `sqlite:///:memory:` and\n"
        "`sqlite:///file:…` stay as they are. A path on the command line is relative to the working directory. The log line\n"
        "`store` says at the start which store is used.\n\n"
        "`driftd run` exits 2 before it writes anything, with the sentence of `driftd config check`, when no monitor has a\n"
        "source that can be read as it is configured: a URL or a driver that does not exist, no such SQLite file, table,\n"
        "column or segment. When some monitors can be read it starts; the others are shown in error and are read as soon\n"
        "as that is possible. A source that is down, too slow, or refuses the password may come back: the daemon waits for it,\n"
        "with `driftd_source_up` 0.\n",
    ]
    of_receivers = {f"receivers.* of kind {kind}": receivers.config_model(kind) for kind in receivers.RECEIVERS}
    for title, model in [*sections(), *of_receivers.items(), ("receivers.*.effect", receivers.EffectSettings)]:
        rows = [
            [f"`{field.alias or name}`", default_of(field), field.description or ""]
            for name, field in sorted(model.model_fields.items(), key=lambda item: bool(item[1].json_schema_extra))
            if name in settable(model)
        ]
        parts += [f"## {title}\n", first_line(model) + "\n", table(["key", "default", "meaning"], rows)]
    return "\n".join([*parts, *receiver_kinds()])


def receiver_kinds() -> list[str]:
    """Return the table of kinds of receivers, an example of each, and what became of the old form."""
    models = {kind: receivers.config_model(kind) for kind in receivers.RECEIVERS}
    rows = [[f"`{kind}`", first_line(model), gets(model), model.audience] for kind, model in models.items()]
    example = yaml.safe_dump(
        {"receivers": {f"my-{kind}": dict(model.example) for kind, model in models.items()}}, sort_keys=False
    )
    return [
        "## Receivers\n",
        "Messages tell people about incidents, breakers and comparisons; effects change a system. A rule names receivers\n"
        "in `do:`. One with `effect:` gets effects, one without gets messages. Several receivers of a kind are told apart\n"
        "by their names.\n",
        table(["kind", "what it is", "gets", "read by"], rows),
        f"```yaml\n{example}```\n",
        "## The old form: slack and actions\n",
        "`slack:` and `actions:` are deprecated and still work; the log of `driftd run` and `driftd config check` show the new\n"
        "form. `slack: {…}` is the receiver `slack: {kind: slack, …}`. An action `NAME: {webhook: {url, secret, timeout},\n"
        "kind, mode, cooldown, not_after, max_per_day, dry_run}` is the receiver `NAME: {kind: webhook, url, secret, timeout,\n"
        "dry_run, effect: {kind, mode, cooldown, not_after, max_per_day}}`, without `effect:` where its kind was notify.\n"
        "Names stay, so that actions that wait in a store are still delivered.\n",
    ]


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
        return "needed"
    if value is None or value in ({}, [], ""):
        return "-"
    if hasattr(value, "total_seconds"):
        return f"{value.total_seconds():g}s"
    if isinstance(value, BaseModel | list) and not isinstance(value, str):
        return "see below" if isinstance(value, BaseModel) else ", ".join(getattr(v, "kind", "one rule") for v in value)
    return "(set)" if "SecretStr" in type(value).__name__ else f"`{value}`"


def checks() -> str:
    methods = [*DETECTORS.values(), *SEQUENTIAL.values()]
    rows = [
        [
            f"`{d.name}`",
            f"`{d.check}`",
            ", ".join(sorted(d.kinds)),
            f"{d.threshold:g}",
            f"{d.floor:g}",
            d.unit,
            d.about,
            d.citation,
        ]
        for d in methods
    ]
    parts = [
        "# Checks\n",
        "A threshold is learnt from the baseline, so that all checks together keep the monitor's `alert_budget`\n"
        "([calibration](calibration.md)); `threshold:` of a check wins over it. It is never below the method's floor,\n"
        "the smallest effect that may page however many rows prove it. A baseline that is too short, or has no times,\n"
        "has no calibration: then the table's threshold holds, raised where the sample is too small to see it to what\n"
        "unchanged windows of that size exceed once in a thousand.\n\n"
        "`drift` asks several methods of each column unless `method:` names one; the column `(joint)` stands for all\n"
        "columns together, and there `correlation` and `mmd` see what no single column shows. `cusum` and `rate_cusum` add up\n"
        "from bucket to bucket: `cusum` sees small shifts that last, `rate_cusum` a large change of a rate within a bucket\n"
        "or two and a small one over hours. `quality` stands for all checks that are not `drift`, but `freshness`, which\n"
        "is run when it is asked for.\n",
        "## Kinds of checks\n",
        "[configuration.md](configuration.md) says what each key means.\n",
        table(
            ["check", "what it does", "keys"],
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
        table(["method", "check", "columns", "threshold", "floor", "unit", "speaks of", "source"], rows),
        "## Families of columns\n",
        "What `method: auto` measures of a column, which is the default, follows from what its baseline shows;\n"
        "`driftd baseline show` names the family of each.\n",
        table(
            ["family", "what it means", "methods", "the smallest change that may page"],
            [
                [family.name, family.about, ", ".join(f"`{m}`" for m in family.methods), family.least]
                for family in FAMILIES
            ],
        ),
        "## Performance of the model\n",
        "`performance` compares the metrics of a classifier (roles `score`, 0 to 1, and `label`) or of a regression (roles\n"
        "`prediction` and `label`) with the baseline's, with 95 % intervals. `labels_after` says how long labels take: the\n"
        "metrics look at the window that ended that long ago, one window later, and a bucket is read again when its\n"
        "labels have come. What starts with `estimated_` needs no labels: it expects of each score, or of the columns\n"
        "of a regression, what the baseline showed there, so it sees the cost of drifted inputs and is blind to a changed\n"
        "concept. Its interval comes from how earlier estimates compared with the truth, and `driftd status` says how often\n"
        "it held ([performance](performance.md)). A backtest takes labels as they are today.\n",
        table(
            ["method", "of", "threshold", "floor", "unit", "statistic", "source"],
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
        f"`latency` looks at the columns of seconds named {', '.join(f'`{name}`' for name in TIMES)}, or at `columns:`. With\n"
        "`p50:`, `p90:`, `p95:` or `p99:` it holds that percentile against the target; without any it watches by how\n"
        "much `p50`, `p95` and `p99` have risen over the baseline's, within the alert budget.\n",
        table(
            ["method", "threshold", "floor", "unit", "statistic", "source"],
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
        "`spend: {daily: 200, monthly: 5000}` holds what requests cost, by the column `cost` or better the signal `price`,\n"
        "against budgets, in days and months of `zone:`. `daily` and `monthly` are the share that is gone, with a forecast of\n"
        "their end; `forecast` is the low end of the month's 80 % interval in units of the budget; `burn_rate`\n"
        "tells early when a month's money will not last (the multi-window rates of the SRE workbook: 14.4 times over an\n"
        "hour, 6 over six, 3 over a day, 1 over three). Requests that nobody could price are counted apart and never as\n"
        "free. Replicas share one ledger in our database. A backtest leaves budgets out. With `by: tenant` each value has\n"
        "the budget, or its own of `limits:`; what no budget by value can see is `daily_unassigned`. `per_request` is the\n"
        "share of a bucket's requests that used more than `per_request_tokens:`.\n",
        "## Objectives\n",
        "`slo: {signal: failed, objective: 0.999}` holds the share of good requests against an objective over `period:`, 30\n"
        "days by default, with any signal from 0 to 1: `failed`, `slow` (`{slow: {seconds: 3}}`), `rate_limited`, a guardrail's\n"
        "hits … `burn_rate` is how far the worst pair of windows is beyond its rate, and both windows of a pair must be:\n"
        + "; ".join(
            f"{pair.factor(timedelta(days=30)):g} times too fast over {_hours(pair.long)} and {_hours(pair.short)} ({pair.urgency})"
            for pair in PAIRS
        )
        + ".\nWith little traffic the bad requests of the long window must also be more than chance explains once in 1,000 looks\n"
        "(exact binomial test), so that a single error of a few hundred requests does not alert; with much traffic this\n"
        "changes nothing. Other periods scale the factors. `burn: page` or `burn: ticket` looks at those pairs only, so that two checks with\n"
        "a `name:` of their own can have rules of two severities. Counts are kept in our database, one row a bucket, and all\n"
        "replicas share them. A backtest leaves objectives out.\n",
        "## Rates\n",
        "`rate: {signal: hallucinated}` watches the mean of a signal from 0 to 1. `max_increase:` is by how many points it\n"
        "may rise over the baseline's, by default as the alert budget allows; `max:` what it may be at all. Where the role\n"
        "`label` is mapped (`positive:` is the label that means bad), the labels of a random sample of rows correct the mean\n"
        "by prediction-powered inference and only then is it called a rate; without labels it is a mean score. The\n"
        "interval is in the finding, in the incident's sentence and in `driftd_rate_ratio`. `labels_chosen:` says how the\n"
        "labelled rows were chosen: `random`, `by_score` (at random among rows of one score: a rate by strata) or `by_answer`\n"
        "(with complaints: no rate). Where the share of rows with a label changes with the score they are no random sample;\n"
        "the finding then says so and gives the rate by strata, which is right if the score alone decided. Whether it did\n"
        "cannot be told from the data ([llm](llm.md#rates-with-labels)).\n",
        table(
            ["method", "threshold", "floor", "unit", "statistic", "source"],
            [[f"`{d.name}`", f"{d.threshold:g}", f"{d.floor:g}", d.unit, d.title, d.citation] for d in RATES.values()],
        ),
        "## Of the records as a whole\n",
        table(["check", "what it does"], [[f"`{name}`", first_line(run)] for name, run in TRAFFIC_CHECKS.items()]),
        "## Stattests of Evidently\n",
        "`method: evidently:NAME` runs one over the binned data, by Evidently's own threshold or the check's `threshold:`\n"
        "in Evidently's unit. Findings give the negative decimal logarithm of a p-value, so that more is always worse.\n"
        "They are not calibrated to the alert budget, and a backtest leaves them out. Needs `driftd[report]`.\n",
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
    parts += ["## Signals\n", table(["signal", "needs", "unit", "better", "records a second", "source"], rows)]
    return "\n".join(parts)


def _hours(span: timedelta) -> str:
    return f"{span.total_seconds() / 3600:g} h"


def metrics() -> str:
    rows = [[f"`{row.name}`", row.type, ", ".join(row.labels) or "-", row.help] for row in list_metrics()]
    rows += [
        ["`driftd_store_up`", "gauge", "-", "1 when our own database answered this scrape."],
        [
            "`driftd_log_lines_dropped_total`",
            "counter",
            "-",
            "Log lines of this process that were dropped because nobody read them.",
        ],
        ["`driftd_build_info`", "gauge", "version", "Version of driftd."],
    ]
    return (
        "# Metrics\n\nAll are read from committed state at the scrape, so a restart forgets nothing. Labels come from the\n"
        "configuration, the watched columns and the capped segments, never from raw rows.\n\n"
        + table(["name", "type", "labels", "meaning"], rows)
    )


def commands() -> str:
    root = typer.main.get_command(app)
    parts = [
        "# Commands\n",
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
        "An action is one signed POST after Standard Webhooks: `webhook-id` never changes over retries, so a receiver that\n"
        "has seen it answers 409 or 2xx; `webhook-timestamp` and `webhook-signature` are checked as in\n"
        "`monitor/actions/receivers/webhook/signature.py`, `verify`. The body is JSON of at most "
        f"{retraining.LARGEST:,} bytes: what does not fit is left\n"
        "out from the least bad finding on, and counted.\n",
        "2xx and 409 deliver it. A timeout, 408, 425, 429, 5xx and a connection that fails are tried again until `not_after`,\n"
        f"after a pause that doubles from {delivery.FIRST_DELAY.seconds} s to {delivery.LONGEST_DELAY.seconds // 60} min; "
        "`Retry-After` makes a pause longer, up to the longest, and never\n"
        "shorter. Every receiver has a queue of its own.\n",
        "Each has `type`, `timestamp` (end of the bucket) and `data`. A webhook without `effect:` gets messages:\n"
        "`driftd.incident.firing`, `.update` (what is new is in `news`), `.reminder` and `.resolved`, `driftd.action.expired`\n"
        "when nobody approved an effect in time, and `driftd.breaker.*`. Effects are `driftd.rollback` and `driftd.retrain`, with:\n"
        "`monitor`, `severity`, `headline`, `incident`, `window`, `observed_version`, `suspected_change`, `changes`, `target` (the last\n"
        "known good version), `findings` (at most ten), `not_after` and `dry_run`. A retraining has `retraining`, too.\n",
        "## data.retraining\n",
        "What to train on and why. Train on the records since the change, on those of the baseline, or on both; the\n"
        "conditions select them as they stand in the source, so put `not_after` and the row counts beside what you read.\n"
        "Fields are only added within a version. It is null where the baseline has gone meanwhile.\n",
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
        "Known logs, read by `source: {url: …, preset: NAME}`; [sources.md](sources.md) says how. Columns that an\n"
        "installation lacks are left out; `driftd readiness` says which. Those in bold are roles.\n",
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
            table(["column", "from", "what logs it"], rows),
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
"""What docs/evaluations.md shows; a test reads it as `driftd eval run` would."""
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
    "exact": ("text", "The answer is this text, or `expected` of the case; white space around it does not matter."),
    "contains": ("text, or a list of texts", "The answer holds every one of them, or of `expected` of the case."),
    "regex": ("pattern", "The pattern (RE2) is found in the answer."),
    "json_schema": ("schema, or the name of a file beside the suite", "The answer is JSON that fits the schema."),
    "numeric": ("number", "The last number of the answer is this one, or `expected` of the case."),
    "signal": ("name of a signal", "The signal lies from `min` to `max`; [checks.md](checks.md#signals) lists them."),
    "judge": ("none", "The judge of the suite scores the answer from 0 to 1."),
}


def evaluations() -> str:
    parts = [
        "# Suites of evaluations\n",
        "A suite is a YAML file of prompts and of what is expected of the answers. `driftd eval run suite.yaml` asks an\n"
        "OpenAI-compatible endpoint, scores the answers and compares the run with the last good ones. It exits 0 without a\n"
        "regression, 1 with one or below `min_score`, 2 when it could not tell. `evaluations:` of\n"
        "[driftd.yaml](configuration.md#evaluations) runs a suite on a schedule; [llm.md](llm.md#evaluations) says how runs are\n"
        "compared.\n",
        f"```yaml\n{SUITE}```\n",
        "Unknown keys are refused with the nearest valid word. `${NAME}` is read from the environment; `url_file` and\n"
        "`api_key_file` read a secret from a file. Every relative path is relative to the folder of the suite.\n",
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
        first_line(Expectation) + " It is a word, `- judge`, or a mapping with one kind and its options,\n"
        "`- {contains: refund, ignore_case: true}`. The score of a case is the weighted mean of its expectations.\n",
        table(["kind", "value", "is met when", "options"], kinds),
        table(["option", "type", "default", "meaning"], options),
        "## Files of cases and answers\n",
        "`cases: cases.jsonl` names a file with one case a line, with the keys of `cases[]`. `answers: answers.jsonl`, or\n"
        "`--answers FILE`, scores answers that were given elsewhere: one object a line,\n"
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


PAGES = {
    "configuration.md": configuration,
    "checks.md": checks,
    "metrics.md": metrics,
    "commands.md": commands,
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
