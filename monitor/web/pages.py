"""The three pages: everything, one monitor, one incident."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from monitor import __version__
from monitor.checks.sensitivity import tabulate_sensitivity
from monitor.config.models import Config, Monitor
from monitor.core.clock import Clock
from monitor.core.plain import visible
from monitor.store import baselines, reads
from monitor.store import incidents as incident_store
from monitor.store.database import Database
from monitor.web import charts, formatting, queries
from monitor.web.savings import make_panel
from monitor.web.traffic import draw_charts, limit_points, usage_tables
from monitor.web.views import IncidentView, history_points, make_case, make_row, rank

TEMPLATES = Path(__file__).parent / "templates"
REFRESH_SECONDS = 15
RECENT_BUCKETS = 120
LONG_BUCKETS = 840
MOST_BUCKETS = 3000
ROUND_SPANS = [
    *(timedelta(minutes=count) for count in (5, 10, 30)),
    *(timedelta(hours=count) for count in (1, 2, 3, 6, 12)),
    *(timedelta(days=count) for count in (1, 2, 3, 7, 14, 30, 60, 90, 180, 365, 1095)),
]
SPARK_BUCKETS = 60
MOST_FINDINGS = 100
FIRST_FINDINGS = 12
MOST_CHARTS = 6
MOST_CHANGES = 20
MOST_CASES = 20
MOST_MARKS = 20


class Pages:
    """Renders the pages from committed state.

    Parameters
    ----------
    database, config, clock
        As for :func:`monitor.web.app.create_app`.
    """

    def __init__(self, database: Database, config: Config, clock: Clock) -> None:
        self._database = database
        self._config = config
        self._clock = clock
        self.environment = make_environment(config)

    def home(self, request: Request) -> Response:
        """Show what is wrong now, and every monitor."""
        state = reads.snapshot(self._database, self._config)
        now = self._clock.now()
        settings = {monitor.name: monitor for monitor in self._config.monitors}
        with self._database.read() as connection:
            rows = [
                make_row(item, settings[item.name], state.at, self._spark(connection, item, settings[item.name]))
                for item in state.monitors
            ]
            open_now = [(settings[item.name], row) for item in state.monitors for row in item.open]
            firing = [self._case(connection, monitor, row) for monitor, row in open_now if row.state == "firing"]
            settled = [row for row in reads.incident_rows(connection, most=MOST_CASES) if row.state == "resolved"]
        return self.render(
            request,
            "home.html",
            now=now,
            cases=rank(firing),
            pending=[row for _, row in open_now if row.state == "pending"],
            rows=sorted(rows, key=lambda row: (row.order, row.name)),
            suites=state.evaluations,
            settled=[row for row in settled if row.monitor in settings][:8],
            breakers=[
                one for rows in state.breakers.values() for one in rows if one.state != "closed" or not one.value
            ],
            waiting=sum(count for (_, _, stage), count in state.actions.items() if stage == "awaiting_approval"),
        )

    def monitor(self, request: Request) -> Response:
        """Show one monitor: findings worst first, charts, volume, changes, incidents."""
        monitor = self._configured(request.path_params["name"])
        long = request.query_params.get("span") == "long"
        spans = round_spans(monitor.bucket)
        state = reads.snapshot(self._database, self._config.model_copy(update={"monitors": [monitor]}))
        item = state.monitors[0]
        with self._database.read() as connection:
            end = item.newest.start + monitor.bucket if item.newest else self._clock.now()
            rows = queries.volumes(connection, monitor.name, end - spans[long], end)
            start = rows[0].start if rows else end - spans[long]
            changes = reads.change_rows(connection, monitor.name, MOST_CHANGES)
            cases = reads.incident_rows(connection, monitor.name, most=MOST_CASES)
            around = queries.incidents_during(connection, monitor.name, start, end)
            chosen = [row for row in item.findings if row.statistic is not None][:MOST_CHARTS]
            drawn = self._charts(connection, monitor, chosen, start, end, around, changes)
            starts, every = limit_points([each.start for each in rows])
            notes = baselines.notes(connection, monitor.name)
            calibration = baselines.thresholds(connection, monitor.name)
            families = baselines.families(connection, monitor.name)
            used = draw_charts(
                queries.usages(connection, monitor.name, starts),
                start,
                end,
                every * monitor.bucket,
                incident_spans(around),
            )
        compared = {(row.kind, row.name): row.told for row in item.compared}
        volume = volume_chart(rows, monitor, start, end, around)
        return self.render(
            request,
            "monitor.html",
            now=self._clock.now(),
            row=make_row(item, monitor, state.at, Markup("")),
            findings=by_status(item.findings)[:MOST_FINDINGS],
            first=FIRST_FINDINGS,
            more=max(0, item.found - MOST_FINDINGS),
            charts=drawn,
            volume=volume,
            used=used,
            savings=make_panel(item.saved),
            usage=usage_tables(item.newest.usage if item.newest else None),
            changes=changes,
            cases=cases,
            long=long,
            spans=[(formatting.length(span), place == 1) for place, span in enumerate(spans)],
            window=monitor.window,
            notes=notes,
            sensitivity=tabulate_sensitivity(calibration, families),
            experiments=[
                (spec.name, compared.get(("experiment", spec.name), {}).get(arm))
                for spec in monitor.experiments
                for arm in spec.treatments
            ],
            shadows=[(spec.name, compared.get(("shadow", spec.name))) for spec in monitor.shadows],
        )

    def incident(self, request: Request) -> Response:
        """Show one incident: how it came, its evidence, and what was done."""
        with self._database.read() as connection:
            row = queries.incident(connection, request.path_params["id"])
            if row is None or row.monitor not in {monitor.name for monitor in self._config.monitors}:
                raise LookupError("There is no such incident.")
            monitor = self._configured(row.monitor)
            case = self._case(connection, monitor, row)
            steps = reads.transition_rows(connection, row.id)
            end = row.resolved_at + 12 * monitor.bucket if row.resolved_at else row.updated_at
            start = row.opened_at - max(36 * monitor.bucket, 2 * monitor.window)
            start = max(start, end - MOST_BUCKETS * monitor.bucket)
            changes = reads.change_rows(connection, monitor.name, 200)
            chosen = [item for item in case.evidence if item["key"]][:MOST_CHARTS]
            named = [Named(**{k: item[k] for k in ("key", "check", "column", "segment")}) for item in chosen]
            drawn = self._charts(connection, monitor, named, start, end, [row], changes)
        return self.render(
            request,
            "incident.html",
            now=self._clock.now(),
            case=case,
            steps=steps,
            charts=drawn,
            span_end=row.resolved_at or self._clock.now(),
        )

    def problem(self, status: int, sentence: str) -> Response:
        """Say in a page why there is no page."""
        return HTMLResponse(self.environment.get_template("problem.html").render(sentence=sentence), status)

    def render(self, request: Request, template: str, *, now: datetime | None = None, **values: Any) -> Response:
        """Fill a template in."""
        now = now or self._clock.now()
        still = request.query_params.get("refresh") == "off"
        told = {
            "now": now,
            "refresh": None if still else REFRESH_SECONDS,
            "path": request.url.path,
            "query": request.query_params,
            "t": partial(clock_time, now),
            "since": partial(relative_time, now),
        }
        return HTMLResponse(self.environment.get_template(template).render(**told, **values))

    def _configured(self, name: str) -> Monitor:
        for monitor in self._config.monitors:
            if monitor.name == name:
                return monitor
        raise LookupError("There is no monitor of this name in the configuration.")

    def _case(self, connection: Any, monitor: Monitor, row: Any) -> IncidentView:
        actions = reads.action_rows(connection, incident=row.id)
        silences = incident_store.list_silences(connection, self._clock.now())
        return make_case(monitor, row, actions, silences, self._clock.now())

    def _spark(self, connection: Any, item: reads.MonitorState, monitor: Monitor) -> Markup:
        worst = next((row for row in item.findings if row.statistic is not None), None)
        if worst is None or item.newest is None:
            return Markup("")
        end = item.newest.start + monitor.bucket
        start = end - SPARK_BUCKETS * monitor.bucket
        rows = queries.histories(connection, monitor.name, [worst.key], start, end)[worst.key]
        points = history_points(rows, monitor.bucket)
        return charts.sparkline(
            points, start=start, end=end, step=monitor.bucket, title=f"{finding_name(worst)}, recently"
        )

    def _charts(
        self, connection: Any, monitor: Monitor, chosen: Any, start: datetime, end: datetime, around: Any, changes: Any
    ) -> list[tuple[str, str | None, Markup]]:
        found = queries.histories(connection, monitor.name, [row.key for row in chosen], start, end)
        marks = [
            charts.Mark(change.first_seen, f"first seen: {change.column} {formatting.shown(change.value, 60)}")
            for change in changes
            if start <= change.first_seen <= end
        ][:MOST_MARKS]
        return [
            (
                finding_name(row),
                row.segment,
                charts.line_chart(
                    history_points(found[row.key], monitor.bucket),
                    start=start,
                    end=end,
                    step=monitor.bucket,
                    marks=marks,
                    spans=incident_spans(around),
                    title=f"{finding_name(row)} against its threshold",
                ),
            )
            for row in chosen
        ]


def volume_chart(rows: Any, monitor: Monitor, start: datetime, end: datetime, around: Any) -> Markup:
    """Draw the rows of each bucket."""
    points = [charts.Point(row.start, row.source_rows, None, describe_result(row)) for row in rows]
    return charts.bar_chart(
        points, start=start, end=end, step=monitor.bucket, title="rows of each bucket", spans=incident_spans(around)
    )


def round_spans(bucket: timedelta) -> tuple[timedelta, timedelta]:
    """Return the two stretches that a monitor's page offers, in round numbers.

    Examples
    --------
    >>> [str(span) for span in round_spans(timedelta(minutes=5))]
    ['12:00:00', '3 days, 0:00:00']
    """
    recent, long = (
        next((span for span in ROUND_SPANS if span >= count * bucket), count * bucket)
        for count in (RECENT_BUCKETS, LONG_BUCKETS)
    )
    return recent, long


class Named:
    """What a chart needs to know of a finding."""

    def __init__(self, key: str, check: str, column: str | None, segment: str | None) -> None:
        self.key, self.check, self.column, self.segment = key, check, column, segment


def incident_spans(incidents: Any) -> list[charts.ShadedSpan]:
    """Return what is shaded: the stretches of incidents that fired."""
    return [
        charts.ShadedSpan(
            row.opened_at, row.resolved_at, f"incident {formatting.shown(row.rule, 60)}: {formatting.shown(row.reason)}"
        )
        for row in incidents
        if row.fired_at is not None
    ]


def describe_result(bucket: Any) -> str:
    """Say how a bucket ended."""
    return "done" if bucket.result == "done" else f"{bucket.result}: {formatting.shown(bucket.reason)}"


def finding_name(finding: Any) -> str:
    """Name a finding: its check, and its column where it has one."""
    return f"{finding.check} of {finding.column}" if finding.column else str(finding.check)


def by_status(findings: Any) -> list[Any]:
    """Return drifted findings first, then those that failed, each worst first."""
    order = {"drifted": 0, "error": 1, "ok": 2, "inconclusive": 3}
    return sorted(findings, key=lambda row: order.get(row.status, 4))


def clock_time(now: datetime, moment: datetime | None) -> Markup:
    """Write a time by the clock."""
    return formatting.time_tag(moment, formatting.short(moment, now) if moment else "")


def relative_time(now: datetime, moment: datetime | None) -> Markup:
    """Write a time by how long ago it was."""
    return formatting.time_tag(moment, formatting.ago(moment, now))


def _show_control_characters(value: object) -> object:
    if isinstance(value, Markup):
        return Markup(visible(value))  # noqa: S704  what was escaped stays escaped
    return visible(value) if isinstance(value, str) else value


def make_environment(config: Config) -> Environment:
    """Return the templates, with everything escaped and nothing undefined."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_show_control_characters,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(version=__version__, monitors=len(config.monitors))
    environment.filters.update(
        number=formatting.number,
        chance=formatting.chance,
        length=formatting.length,
        capital=formatting.capital,
        shown=formatting.shown,
        pretty=formatting.pretty,
    )
    return environment
