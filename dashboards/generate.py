"""Write the Grafana dashboard and the Prometheus rules from `monitor.metrics`: `python -m dashboards.generate`.

`--check` writes nothing and exits 1 when a file is stale.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef, GridPos, Threshold, ThresholdsMode, VariableRefresh

from dashboards.alerts import ALERTS, rule_file
from monitor.metrics import list_metrics
from monitor.metrics.process import PROCESS_ROWS

FOLDER = Path(__file__).parent
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
LEGEND = "{{check}} {{column}} {{segment}}"
PICKED = 'monitor=~"$monitor"'
FINDING = PICKED + ', check=~"$check", column=~"$column"'
HELP = {row.name: row.help for row in (*list_metrics(), *PROCESS_ROWS)}


@dataclass(frozen=True)
class Panel:
    """One panel: what it shows, of which expressions with which legends, how wide and how high."""

    title: str
    kind: str
    targets: Sequence[tuple[str, str]]
    width: int = 8
    height: int = 8
    unit: str = "short"
    limit: float | None = None
    about: str = ""


ROWS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    (
        "Status",
        (
            Panel(
                "Firing incidents",
                "stat",
                [(f'sum(driftd_incidents{{{PICKED}, state="firing"}})', "firing")],
                4,
                5,
                limit=1,
            ),
            Panel("Monitors without data", "stat", [(f"sum(driftd_no_data{{{PICKED}}})", "no data")], 4, 5, limit=1),
            Panel(
                "Actions waiting for approval",
                "stat",
                [(f'sum(driftd_actions{{{PICKED}, state="awaiting_approval"}}) or vector(0)', "waiting")],
                4,
                5,
                limit=1,
            ),
            Panel(
                "Open incidents",
                "timeseries",
                [
                    (
                        f"sum by (monitor, severity, state) (driftd_incidents{{{PICKED}}}) > 0",
                        "{{monitor}} {{severity}} {{state}}",
                    )
                ],
                12,
                5,
                about=HELP["driftd_incidents"],
            ),
            Panel(
                "Drifted findings: statistic / threshold",
                "table",
                [
                    (
                        f"(driftd_finding_statistic{{{FINDING}}} / driftd_finding_threshold{{{FINDING}}}) "
                        f"and on (monitor, check, column, method, segment) (driftd_finding_status{{{FINDING}}} == 1)",
                        "",
                    )
                ],
                24,
                8,
                about=HELP["driftd_finding_status"],
            ),
        ),
    ),
    (
        "Statistic against threshold",
        (
            Panel(
                "Statistic / threshold",
                "timeseries",
                [(f"driftd_finding_statistic{{{FINDING}}} / driftd_finding_threshold{{{FINDING}}}", LEGEND)],
                12,
                9,
                limit=1,
                about="1 is the threshold.",
            ),
            Panel(
                "Statistic and threshold",
                "timeseries",
                [
                    (f"driftd_finding_statistic{{{FINDING}}}", LEGEND),
                    (f"max by (check, method) (driftd_finding_threshold{{{FINDING}}})", "threshold {{method}}"),
                ],
                12,
                9,
                about=HELP["driftd_finding_statistic"],
            ),
            Panel(
                "Sample size of the window",
                "timeseries",
                [(f"driftd_finding_window_samples{{{FINDING}}}", LEGEND)],
                12,
                about=HELP["driftd_finding_window_samples"],
            ),
            Panel(
                "Checks by status",
                "timeseries",
                [
                    (f"count by (monitor) (driftd_finding_status{{{PICKED}}} == {value})", "{{monitor}} " + word)
                    for value, word in enumerate(("ok", "drifted", "inconclusive", "error"))
                ],
                12,
                about=HELP["driftd_finding_status"],
            ),
        ),
    ),
    (
        "LLM output",
        (
            Panel(
                "Rates of signals",
                "timeseries",
                [
                    (f'driftd_rate_ratio{{{PICKED}, segment="", bound="value"}}', "{{monitor}} {{signal}}"),
                    (f'driftd_rate_ratio{{{PICKED}, segment="", bound!="value"}}', "{{monitor}} {{signal}} {{bound}}"),
                ],
                12,
                unit="percentunit",
                about=HELP["driftd_rate_ratio"],
            ),
            Panel(
                "Highest rates by segment",
                "timeseries",
                [
                    (
                        f'topk(10, driftd_rate_ratio{{{PICKED}, segment!="", bound="value"}})',
                        "{{monitor}} {{signal}} {{segment}}",
                    )
                ],
                12,
                unit="percentunit",
                about="For monitors with segments.",
            ),
        ),
    ),
    (
        "Performance of the model",
        (
            Panel(
                "Measured and estimated metrics",
                "timeseries",
                [
                    (f'driftd_performance{{{PICKED}, segment="", bound="value"}}', "{{monitor}} {{metric}} {{source}}"),
                    (
                        f'driftd_performance{{{PICKED}, segment="", source="estimated", bound=~"low|high"}}',
                        "{{monitor}} {{metric}} {{bound}}",
                    ),
                ],
                12,
                about=HELP["driftd_performance"],
            ),
            Panel(
                "Coverage of the estimates",
                "timeseries",
                [(f"driftd_performance_estimates_held_ratio{{{PICKED}}}", "{{monitor}} {{metric}}")],
                6,
                unit="percentunit",
                about=HELP["driftd_performance_estimates_held_ratio"] + " 95 % is nominal.",
            ),
            Panel(
                "Error of the estimates",
                "timeseries",
                [
                    (f"driftd_performance_estimate_distance{{{PICKED}}}", "{{monitor}} {{metric}}"),
                    (f"driftd_performance_estimates_checked{{{PICKED}}}", "{{monitor}} {{metric}} windows"),
                ],
                6,
                about=HELP["driftd_performance_estimate_distance"],
            ),
        ),
    ),
    (
        "Cost",
        (
            Panel(
                "Share of the budget spent",
                "timeseries",
                [(f"driftd_spend{{{PICKED}}} / driftd_spend_budget{{{PICKED}}}", "{{monitor}} {{period}} {{segment}}")],
                12,
                unit="percentunit",
                limit=1,
                about=HELP["driftd_spend"],
            ),
            Panel(
                "Forecast for the end of the period",
                "timeseries",
                [(f"driftd_spend_forecast{{{PICKED}}}", "{{monitor}} {{period}} {{segment}} {{bound}}")],
                12,
                about=HELP["driftd_spend_forecast"],
            ),
            Panel(
                "Circuit breakers",
                "timeseries",
                [
                    (f'driftd_breaker_state{{{PICKED}, state!="closed"}}', "{{monitor}} {{breaker}} {{state}}"),
                    (f"driftd_breaker_transitions_total{{{PICKED}}}", "{{monitor}} {{breaker}} went {{state}}, ever"),
                ],
                12,
                about=HELP["driftd_breaker_state"],
            ),
            Panel(
                "Requests without a known price",
                "timeseries",
                [
                    (f"driftd_spend_unpriced_requests{{{PICKED}}}", "{{monitor}} {{period}} {{segment}}"),
                    (f'driftd_spend_unknown_buckets{{{PICKED}, segment=""}}', "{{monitor}} {{period}} failed buckets"),
                    (f'driftd_unpriced_requests{{{PICKED}, segment=""}}', "{{monitor}} newest window"),
                ],
                12,
                about=HELP["driftd_spend_unpriced_requests"],
            ),
            Panel(
                "Cost of the newest window",
                "timeseries",
                [
                    (f'driftd_cost{{{PICKED}, segment=""}}', "{{monitor}} {{currency}}"),
                    (f'topk(10, driftd_cost{{{PICKED}, segment!=""}})', "{{monitor}} {{segment}}"),
                ],
                12,
                about=HELP["driftd_cost"],
            ),
            Panel(
                "Cost per successful request",
                "timeseries",
                [(f"topk(10, driftd_cost_per_success{{{PICKED}}})", "{{monitor}} {{segment}} {{currency}}")],
                12,
                about=HELP["driftd_cost_per_success"],
            ),
            Panel(
                "Savings by plan",
                "timeseries",
                [(f"driftd_savings{{{PICKED}}}", "{{monitor}} {{plan}} {{currency}}")],
                12,
                about=HELP["driftd_savings"],
            ),
        ),
    ),
    (
        "Load",
        (
            Panel(
                "Requests per second",
                "timeseries",
                [(f'driftd_requests_per_second{{{PICKED}, segment=""}}', "{{monitor}}")],
                unit="reqps",
                about=HELP["driftd_requests_per_second"],
            ),
            Panel(
                "Tokens per second",
                "timeseries",
                [(f'driftd_tokens_per_second{{{PICKED}, segment=""}}', "{{monitor}} {{type}}")],
                about=HELP["driftd_tokens_per_second"],
            ),
            Panel(
                "Failed requests",
                "timeseries",
                [(f'driftd_failure_ratio{{{PICKED}, segment=""}}', "{{monitor}} {{kind}}")],
                unit="percentunit",
                about=HELP["driftd_failure_ratio"],
            ),
            Panel(
                "Burn rate of the error budget",
                "timeseries",
                [
                    (
                        f'driftd_slo_burn_rate_ratio{{{PICKED}, window=~"1h|6h|1d|3d"}}',
                        "{{monitor}} {{check}} {{signal}} {{window}}",
                    )
                ],
                12,
                limit=1,
                about=HELP["driftd_slo_burn_rate_ratio"],
            ),
            Panel(
                "Remaining error budget",
                "timeseries",
                [(f"driftd_slo_room_left_ratio{{{PICKED}}}", "{{monitor}} {{check}} {{signal}}")],
                12,
                unit="percentunit",
                about=HELP["driftd_slo_room_left_ratio"],
            ),
            Panel(
                "Requests of the newest window, by segment",
                "timeseries",
                [(f'topk(10, driftd_requests{{{PICKED}, segment!=""}})', "{{monitor}} {{segment}}")],
                about=HELP["driftd_requests"],
            ),
            Panel(
                "Tokens of the newest window, by segment",
                "timeseries",
                [(f'topk(10, driftd_tokens{{{PICKED}, segment!=""}})', "{{monitor}} {{segment}} {{type}}")],
                about=HELP["driftd_tokens"],
            ),
            Panel(
                "Queue and GPUs",
                "timeseries",
                [(f'driftd_load{{{PICKED}, segment=""}}', "{{monitor}} {{resource}} {{aggregation}}")],
                about=HELP["driftd_load"],
            ),
        ),
    ),
    (
        "Experiments and shadows",
        (
            Panel(
                "Verdicts",
                "table",
                [(f"driftd_experiment_verdict{{{PICKED}}} == 1", "")],
                8,
                about=HELP["driftd_experiment_verdict"],
            ),
            Panel(
                "Improvement of a treatment, with its confidence sequence",
                "timeseries",
                [(f"driftd_experiment_effect{{{PICKED}}}", "{{experiment}} {{treatment}} {{metric}} {{bound}}")],
                16,
                unit="percentunit",
                about=HELP["driftd_experiment_effect"],
            ),
            Panel(
                "Records by arm",
                "timeseries",
                [(f"driftd_experiment_rows{{{PICKED}}}", "{{experiment}} {{arm}}")],
                8,
                about=HELP["driftd_experiment_rows"],
            ),
            Panel(
                "Records still needed",
                "timeseries",
                [(f"driftd_experiment_rows_needed{{{PICKED}}}", "{{experiment}} {{treatment}}")],
                8,
                about=HELP["driftd_experiment_rows_needed"],
            ),
            Panel(
                "P-value of the traffic split",
                "timeseries",
                [(f"driftd_experiment_split_p_value{{{PICKED}}}", "{{experiment}} {{treatment}}")],
                8,
                about=HELP["driftd_experiment_split_p_value"],
            ),
            Panel(
                "Shadows: share of requests with equal answers",
                "timeseries",
                [(f"driftd_shadow_agreement_ratio{{{PICKED}}}", "{{shadow}} {{bound}}")],
                8,
                unit="percentunit",
                about=HELP["driftd_shadow_agreement_ratio"],
            ),
            Panel(
                "Shadows: improvement of the challenger",
                "timeseries",
                [(f"driftd_shadow_effect{{{PICKED}}}", "{{shadow}} {{metric}} {{bound}}")],
                8,
                unit="percentunit",
                about=HELP["driftd_shadow_effect"],
            ),
            Panel(
                "Shadows: joined and unmatched requests",
                "timeseries",
                [(f"driftd_shadow_requests{{{PICKED}}}", "{{shadow}} {{state}}")],
                8,
                about=HELP["driftd_shadow_requests"],
            ),
            Panel(
                "Unregistered prompt versions",
                "timeseries",
                [(f"driftd_prompts_unregistered{{{PICKED}}}", "{{monitor}}")],
                8,
                about=HELP["driftd_prompts_unregistered"],
            ),
        ),
    ),
    (
        "Evaluations",
        (
            Panel(
                "Result of the newest run",
                "table",
                [("driftd_evaluation_result == 1", "")],
                8,
                about=HELP["driftd_evaluation_result"],
            ),
            Panel(
                "Score by suite",
                "timeseries",
                [("driftd_evaluation_score", "{{suite}}")],
                8,
                unit="percentunit",
                about=HELP["driftd_evaluation_score"],
            ),
            Panel(
                "Samples without an answer",
                "timeseries",
                [("driftd_evaluation_failed_ratio", "{{suite}}")],
                4,
                unit="percentunit",
                about=HELP["driftd_evaluation_failed_ratio"],
            ),
            Panel(
                "Age of the newest run",
                "timeseries",
                [("time() - driftd_evaluation_timestamp_seconds", "{{suite}}")],
                4,
                unit="s",
                about=HELP["driftd_evaluation_timestamp_seconds"],
            ),
        ),
    ),
    (
        "Latency",
        (
            Panel(
                "Percentiles of times",
                "timeseries",
                [(f'driftd_latency_seconds{{{PICKED}, segment=""}}', "{{monitor}} {{column}} {{percentile}}")],
                12,
                unit="s",
                about=HELP["driftd_latency_seconds"],
            ),
            Panel(
                "Slowest segments, 95th percentile",
                "timeseries",
                [
                    (
                        f'topk(10, driftd_latency_seconds{{{PICKED}, segment!="", percentile="0.95"}})',
                        "{{monitor}} {{column}} {{segment}}",
                    )
                ],
                12,
                unit="s",
                about="For monitors with segments.",
            ),
        ),
    ),
    (
        "Traffic and lag",
        (
            Panel(
                "Rows of the newest bucket",
                "timeseries",
                [(f"driftd_bucket_rows{{{PICKED}}}", "{{monitor}}")],
                about=HELP["driftd_bucket_rows"],
            ),
            Panel(
                "Buckets by result",
                "timeseries",
                [(f"driftd_buckets{{{PICKED}}}", "{{monitor}} {{result}} {{reason}}")],
                about=HELP["driftd_buckets"],
            ),
            Panel(
                "Baseline rows",
                "timeseries",
                [(f"driftd_baseline_rows{{{PICKED}}}", "{{monitor}}")],
                about=HELP["driftd_baseline_rows"],
            ),
            Panel(
                "Lag of the oldest unfinished bucket",
                "timeseries",
                [(f"time() - driftd_oldest_due_bucket_timestamp_seconds{{{PICKED}}}", "{{monitor}}")],
                unit="s",
                about=HELP["driftd_oldest_due_bucket_timestamp_seconds"],
            ),
            Panel(
                "Age of the newest bucket",
                "timeseries",
                [(f"time() - driftd_last_bucket_start_timestamp_seconds{{{PICKED}}}", "{{monitor}}")],
                unit="s",
                about=HELP["driftd_last_bucket_start_timestamp_seconds"],
            ),
            Panel(
                "Age of the source's newest row",
                "timeseries",
                [(f"time() - driftd_source_newest_row_timestamp_seconds{{{PICKED}}}", "{{monitor}}")],
                unit="s",
                about=HELP["driftd_source_newest_row_timestamp_seconds"],
            ),
        ),
    ),
    (
        "driftd itself",
        (
            Panel("Store", "stat", [("min(driftd_store_up)", "up")], 4, 5, about="1 if the store responds."),
            Panel(
                "Sources that cannot be read",
                "stat",
                [(f"count(driftd_source_up{{{PICKED}}} == 0) or vector(0)", "down")],
                4,
                5,
                limit=1,
            ),
            Panel(
                "Time since the last evaluation",
                "timeseries",
                [(f"time() - driftd_last_pass_timestamp_seconds{{{PICKED}}}", "{{monitor}}")],
                8,
                5,
                unit="s",
                about=HELP["driftd_last_pass_timestamp_seconds"],
            ),
            Panel(
                "Oldest undelivered action",
                "timeseries",
                [("time() - driftd_outbox_oldest_timestamp_seconds", "age")],
                8,
                5,
                unit="s",
                about=HELP["driftd_outbox_oldest_timestamp_seconds"],
            ),
            Panel(
                "Actions",
                "timeseries",
                [(f"driftd_actions{{{PICKED}}}", "{{monitor}} {{action}} {{state}}")],
                about=HELP["driftd_actions"],
            ),
            Panel(
                "First bad record to request",
                "timeseries",
                [(f"driftd_reaction_seconds{{{PICKED}}}", "{{monitor}} {{action}}")],
                unit="s",
                about=HELP["driftd_reaction_seconds"],
            ),
            Panel(
                "Verified effects",
                "timeseries",
                [(f"driftd_verifications{{{PICKED}}}", "{{monitor}} {{action}} {{result}}")],
                about=HELP["driftd_verifications"],
            ),
            Panel(
                "Buckets to recompute, and late rows",
                "timeseries",
                [
                    (f"driftd_stale_buckets{{{PICKED}}}", "{{monitor}} stale buckets"),
                    (f"driftd_late_rows_total{{{PICKED}}}", "{{monitor}} late rows"),
                ],
                about=HELP["driftd_stale_buckets"],
            ),
            Panel(
                "Size of the store",
                "timeseries",
                [("driftd_store_bytes", "{{kind}}")],
                unit="bytes",
                about=HELP["driftd_store_bytes"],
            ),
            Panel(
                "Records without signals, and lost fences",
                "timeseries",
                [
                    (f"driftd_quarantined_records_total{{{PICKED}}}", "{{monitor}} {{reason}}"),
                    ("sum by (kind) (driftd_fences_lost_total)", "lost fences {{kind}}"),
                ],
                about=HELP["driftd_quarantined_records_total"],
            ),
            Panel(
                "Findings not exported",
                "timeseries",
                [(f"driftd_series_truncated{{{PICKED}}}", "{{monitor}}")],
                about=HELP["driftd_series_truncated"],
            ),
        ),
    ),
)


MARKS = (
    ("Versions", f'driftd_last_change_timestamp_seconds{{{PICKED}, kind=~".*_version"}}', "blue"),
    ("Deployments", f'driftd_last_change_timestamp_seconds{{{PICKED}, kind!~".*_version"}}', "orange"),
)
"""Marks on the charts: their name, the times at which they are, and their colour."""


def draw_marks() -> list[dict[str, object]]:
    """Return the annotations of the dashboard, at the times that their expressions return, in milliseconds."""
    return [
        {
            "name": name,
            "datasource": {"type": "prometheus", "uid": "${datasource}"},
            "enable": True,
            "expr": f"{expression} * 1000",
            "iconColor": colour,
            "titleFormat": "{{kind}}",
            "textFormat": "{{monitor}}",
            "useValueForTime": True,
        }
        for name, expression, colour in MARKS
    ]


def others() -> list[tuple[str, tuple[Panel, ...]]]:
    """Return a row with a plain panel for each metric that neither a panel nor an alert uses, if there are such."""
    expressions = [expression for _, panels in ROWS for panel in panels for expression, _ in panel.targets]
    marks = [expression for _, expression, _ in MARKS]
    used = " ".join([*expressions, *marks, *(alert.expr for alert in ALERTS)])
    panels = tuple(
        Panel(
            row.name, "timeseries", [(row.name, " ".join(f"{{{{{label}}}}}" for label in row.labels))], about=row.help
        )
        for row in list_metrics()
        if not re.search(rf"\b{row.name}\b", used)
    )
    return [("Other metrics", panels)] if panels else []


def build() -> Any:  # noqa: ANN401
    """Return the dashboard."""
    made = (
        dashboard.Dashboard("driftd")
        .uid("driftd")
        .tags(["driftd", "generated"])
        .refresh("1m")
        .time("now-6h", "now")
        .timezone("utc")
        .readonly()
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )
    for name in ("monitor", "check", "column"):
        metric = "driftd_last_pass_timestamp_seconds" if name == "monitor" else f"driftd_finding_status{{{PICKED}}}"
        made = made.with_variable(
            dashboard.QueryVariable(name)
            .label(name.capitalize())
            .datasource(SOURCE)
            .query(f"label_values({metric}, {name})")
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .multi(True)
            .include_all(True)
            .all_value(".*")
        )
    y = number = 0
    for title, panels in (*ROWS, *others()):
        made = made.with_row(dashboard.Row(title).id(number := number + 1).grid_pos(GridPos(h=1, w=24, x=0, y=y)))
        x, y, tallest = 0, y + 1, 0
        for panel in panels:
            if x + panel.width > 24:
                x, y, tallest = 0, y + tallest, 0
            place = GridPos(h=panel.height, w=panel.width, x=x, y=y)
            made = made.with_panel(draw(panel).id(number := number + 1).grid_pos(place))
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest
    return made.build()


def draw(panel: Panel) -> Any:  # noqa: ANN401
    """Return the builder of one panel."""
    made = {"stat": stat.Panel, "table": table.Panel, "timeseries": timeseries.Panel}[panel.kind]()
    made = made.title(panel.title).datasource(SOURCE).unit(panel.unit).min(0)
    if panel.about:
        made = made.description(panel.about)
    for place, (expression, legend) in enumerate(panel.targets):
        query = prometheus.Dataquery().expr(expression).legend_format(legend).ref_id("ABCD"[place])
        made = made.with_target(query.instant().format("table") if panel.kind == "table" else query)
    if panel.limit is None:
        return made
    steps = [Threshold(value=None, color="green"), Threshold(value=panel.limit, color="red")]
    made = made.thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
    if panel.kind == "timeseries":
        made = made.thresholds_style(common.GraphThresholdsStyleConfig().mode(common_mode()))
    return made


def common_mode() -> Any:  # noqa: ANN401
    """Return the style that draws a threshold as a line."""
    from grafana_foundation_sdk.models.common import GraphThresholdsStyleMode

    return GraphThresholdsStyleMode.LINE


def files() -> dict[str, str]:
    """Return every generated file by name."""
    note = "# Written by dashboards/generate.py; change dashboards/alerts.py, then `make docs`.\n"
    rules = note + yaml.safe_dump(rule_file(), sort_keys=False, width=200)
    drawn = json.loads(JSONEncoder().encode(build())) | {"annotations": {"list": draw_marks()}}
    return {"driftd.json": json.dumps(drawn, sort_keys=True, indent=2) + "\n", "alerts.yml": rules}


def main() -> int:
    """Write or check the files."""
    stale = []
    for name, text in files().items():
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
