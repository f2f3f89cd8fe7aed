"""Write the derived pages of docs/ from the code: settings, checks and signals, metrics, commands.

`--check` writes nothing and exits 1 when a page is stale.
"""

from __future__ import annotations

import inspect
import json
import math
import sys
from datetime import timedelta
from pathlib import Path

import click
import typer
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from detectors import DETECTORS, LATENCY, PERFORMANCE, RATES, SEQUENTIAL, SIGNALS, TRAFFIC_CHECKS
from detectors.direction import ROLES
from detectors.quality.percentile import TIMES
from detectors.spend.objective import PAIRS
from monitor import config, evidently, retraining
from monitor.cli import app
from monitor.metrics import METRICS
from monitor.presets import PRESETS
from monitor.presets.base import Column
from monitor.presets.sql import DIALECTS as SPEECH
from monitor.settings import arms, breakers, savings, source
from monitor.settings.checks import Check, Limit

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
    "The file": config.Config,
    "monitors[]": config.Monitor,
    "monitors[].source": source.Source,
    "monitors[].source.columns.*": source.ColumnSpec,
    "monitors[].features": config.Features,
    "monitors[].baseline": config.Baseline,
    "monitors[].checks[].*": Check,
    "monitors[].checks[].spend.limits.*": Limit,
    "monitors[].rules[]": config.Rule,
    "monitors[].no_data": config.NoData,
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
    "evaluations[]": config.EvaluationSpec,
    "actions.*": config.ActionSpec,
    "actions.*.webhook": config.Webhook,
    "slack": config.Slack,
    "server": config.Server,
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
        "Durations are written 90s, 5m, 1h30m, 14d or 2w; times in ISO 8601, UTC unless they say otherwise.\n",
    ]
    for title, model in SECTIONS.items():
        rows = [
            [f"`{field.alias or name}`", default_of(field), field.description or ""]
            for name, field in model.model_fields.items()
            if (model, name) != (Check, "kind")
        ]
        parts += [f"## {title}\n", first_line(model) + "\n", table(["key", "default", "meaning"], rows)]
    return "\n".join(parts)


def default_of(field: object) -> str:
    value = field.default  # type: ignore[attr-defined]
    if value is PydanticUndefined:
        return "needed"
    if value is None or value in ({}, []):
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
            f"`{d.name}`", f"`{d.check}`", ", ".join(sorted(d.kinds)), f"{d.threshold:g}", f"{d.floor:g}",
            d.unit, d.about, d.citation,
        ]
        for d in methods
    ]  # fmt: skip
    parts = [
        "# Checks\n",
        "A threshold is learnt from the baseline, so that all checks together keep the monitor's `alert_budget`\n"
        "([calibration](calibration.md)); `threshold:` of a check wins over it. It is never below the method's floor,\n"
        "the smallest effect that may page however many rows prove it. A baseline that is too short, or has no times,\n"
        "has no calibration: then the table's threshold holds, raised where the sample is too small to see it to what\n"
        "unchanged windows of that size exceed once in a thousand.\n\n"
        "`drift` asks several methods of each column unless `method:` names one; the column `(joint)` stands for all\n"
        "columns together, and there `correlation` and `mmd` see what no single column shows. `cusum` adds up from\n"
        "bucket to bucket and sees small changes that last. `quality` stands for all checks that are not `drift`, but\n"
        "`freshness`, which is run when it is asked for.\n",
        table(["method", "check", "columns", "threshold", "floor", "unit", "speaks of", "source"], rows),
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
        + ".\nOther periods scale the factors. `burn: page` or `burn: ticket` looks at those pairs only, so that two checks with\n"
        "a `name:` of their own can have rules of two severities. Counts are kept in our database, one row a bucket, and all\n"
        "replicas share them. A backtest leaves objectives out.\n",
        "## Rates\n",
        "`rate: {signal: hallucinated}` watches the mean of a signal from 0 to 1. `max_increase:` is by how many points it\n"
        "may rise over the baseline's, by default as the alert budget allows; `max:` what it may be at all. Where the role\n"
        "`label` is mapped (`positive:` is the label that means bad), the labels of a random sample of rows correct the mean\n"
        "by prediction-powered inference and only then is it called a rate; without labels it is a mean score. The\n"
        "interval is in the finding, in the incident's sentence and in `driftd_rate_ratio`.\n",
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
                    f"`{evidently.PREFIX}{name}`",
                    ", ".join(kinds),
                    "p-value" if name in evidently.P_VALUES else "distance",
                ]
                for name, kinds in evidently.STATTESTS.items()
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
    rows = [[f"`{row.name}`", row.type, ", ".join(row.labels) or "-", row.help] for row in METRICS]
    rows += [
        ["`driftd_store_up`", "gauge", "-", "1 when our own database answered this scrape."],
        ["`driftd_build_info`", "gauge", "version", "Version of driftd."],
    ]
    return (
        "# Metrics\n\nAll are read from committed state at the scrape, so a restart forgets nothing. Labels come from the\n"
        "configuration, the watched columns and the capped segments, never from raw rows.\n\n"
        + table(["name", "type", "labels", "meaning"], rows)
    )


def commands() -> str:
    root = typer.main.get_command(app)
    parts = ["# Commands\n", "Exit codes: 0 healthy, 1 firing, 2 could not tell or wrong usage.\n"]
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
        "`monitor/channels/webhook.py`, `verify`. The body is JSON of at most "
        f"{retraining.LARGEST:,} bytes: what does not fit is left\n"
        "out from the least bad finding on, and counted.\n",
        "Each has `type` (`driftd.rollback`, `driftd.retrain`, `driftd.notify`), `timestamp` (end of the bucket) and `data`:\n"
        "`monitor`, `severity`, `headline`, `incident`, `window`, `observed_version`, `suspected_change`, `changes`, `target` (the last\n"
        "known good version), `findings` (at most ten), `not_after` and `dry_run`. A retraining has `retraining`, too.\n",
        "## data.retraining\n",
        "What to train on and why. Train on the records since the change, on those of the baseline, or on both; the\n"
        "conditions select them as they stand in the source, so put `not_after` and the row counts beside what you read.\n"
        "Fields are only added within a version. It is null where the baseline has gone meanwhile.\n",
    ]
    for model in (
        retraining.Retraining, retraining.Columns, retraining.Concept, retraining.Drifted, retraining.Stretch,
        retraining.Snapshot, retraining.NotServed, retraining.Performance,
    ):  # fmt: skip
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
        rows = []
        for name, ways in made.items():
            needs = [way.needs for way in ([ways] if isinstance(ways, Column) else ways)]
            shown = f"**`{name}`**" if name in source.ROLES else f"`{name.replace('_name', '_NAME')}`"
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
