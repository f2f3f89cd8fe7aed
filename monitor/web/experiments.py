"""Web pages and API of experiments and shadows: arms, verdicts, confidence sequences over time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from monitor.config.arms import Experiment, Shadow
from monitor.config.models import Config, Monitor
from monitor.core.plain import plain
from monitor.core.schedule import floor
from monitor.store import comparisons
from monitor.store.database import Database
from monitor.web import interval_chart
from monitor.web.charts import MOST_POINTS
from monitor.web.templating import Renderer

DIFFER = "the share of pairs that differ"


class Experiments:
    """`GET /api/v1/experiments`, `GET /api/v1/shadows`, and their web pages."""

    def __init__(self, database: Database, config: Config, renderer: Renderer) -> None:
        self._database = database
        self._config = config
        self._renderer = renderer

    def routes(self, reads: Callable[[Callable[[Request], Response]], Any]) -> list[Route]:
        """Return the routes; each endpoint is wrapped by ``reads``."""
        return [
            Route("/api/v1/experiments", reads(self.list_all)),
            Route("/api/v1/shadows", reads(self.list_shadows)),
            Route("/monitors/{name}/experiments/{experiment:path}", reads(self.page)),
            Route("/monitors/{name}/shadows/{shadow:path}", reads(self.shadow_page)),
        ]

    def list_all(self, request: Request) -> Response:
        """Return every experiment with the results of each treatment; filter: `?monitor=`."""
        name = request.query_params.get("monitor")
        with self._database.read() as connection:
            rows = [
                self._summarize(connection, monitor, spec)
                for monitor in self._config.monitors
                if name in (None, monitor.name)
                for spec in monitor.experiments
            ]
        return JSONResponse(plain({"experiments": rows}))

    def page(self, request: Request) -> Response:
        """Show one experiment."""
        monitor, spec = self._find(request.path_params["name"], request.path_params["experiment"])
        with self._database.read() as connection:
            summary = self._summarize(connection, monitor, spec)
            drawn = {
                (one["treatment"], each["metric"]): self._chart(
                    connection, monitor, spec, one["treatment"], each, summary["counted_until"]
                )
                for one in summary["treatments"]
                for each in one["metrics"]
            }
        return self._renderer.render(
            request, "experiment.html", monitor=monitor, spec=spec, summary=summary, charts=drawn
        )

    def list_shadows(self, request: Request) -> Response:
        """Return every shadow with its results; filter: `?monitor=`."""
        name = request.query_params.get("monitor")
        with self._database.read() as connection:
            rows = [
                self._summarize_shadow(connection, monitor, spec)
                for monitor in self._config.monitors
                if name in (None, monitor.name)
                for spec in monitor.shadows
            ]
        return JSONResponse(plain({"shadows": rows}))

    def shadow_page(self, request: Request) -> Response:
        """Show one shadow: agreement, paired differences and the largest disagreements."""
        name, shadow = request.path_params["name"], request.path_params["shadow"]
        for monitor in self._config.monitors:
            for spec in monitor.shadows:
                if (monitor.name, spec.name) == (name, shadow):
                    with self._database.read() as connection:
                        summary = self._summarize_shadow(connection, monitor, spec)
                        charts = self._draw_charts(connection, monitor, spec, summary) if summary["told"] else []
                    return self._renderer.render(
                        request, "shadow.html", monitor=monitor, spec=spec, summary=summary, charts=charts
                    )
        raise LookupError("There is no shadow of this name in the configuration.")

    def _summarize_shadow(self, connection: Any, monitor: Monitor, spec: Shadow) -> dict[str, Any]:
        row = comparisons.load_report(connection, monitor.name, "shadow", spec.name)
        begun = row if row is not None and row.told_at is not None else None
        return {
            "monitor": monitor.name,
            "name": spec.name,
            "champion": spec.champion,
            "challenger": spec.challenger,
            "from": spec.start,
            "to": spec.end,
            "counted_until": begun.next if begun else None,
            "told": begun.told if begun else None,
        }

    def _find(self, name: str, experiment: str) -> tuple[Monitor, Experiment]:
        for monitor in self._config.monitors:
            for spec in monitor.experiments:
                if (monitor.name, spec.name) == (name, experiment):
                    return monitor, spec
        raise LookupError("There is no experiment of this name in the configuration.")

    def _summarize(self, connection: Any, monitor: Monitor, spec: Experiment) -> dict[str, Any]:
        row = comparisons.load_report(connection, monitor.name, "experiment", spec.name)
        treatments: Mapping[str, Any] = row.told if row else {}
        return {
            "monitor": monitor.name,
            "name": spec.name,
            "arm": spec.arm,
            "control": spec.control,
            "from": spec.start,
            "to": spec.end,
            "counted_until": row.next if row and row.told_at else None,
            "told_at": row.told_at if row else None,
            "treatments": [{"treatment": name, **one} for name, one in treatments.items() if name in spec.treatments],
        }

    def _chart(self, connection: Any, monitor: Monitor, spec: Experiment, treatment: str, each: Any, until: Any) -> Any:
        key = f"experiment/{spec.name}.{each['metric']}/gain/{spec.arm}={treatment}"
        title = f"improvement of {each['metric']} by {treatment}, with its confidence sequence"
        return self._band(connection, monitor, ("experiment", spec), key, until, title, each["minimum"])

    def _draw_charts(self, connection: Any, monitor: Monitor, spec: Shadow, summary: Any) -> list[Any]:
        """Draw the share of pairs that differ and the improvement of each metric over time."""
        whose, until = f"{spec.arm}={spec.challenger}", summary["counted_until"]
        most = None if spec.min_agreement is None else 1 - spec.min_agreement
        drawn = [(f"shadow/{spec.name}/agreement/{whose}", DIFFER, most)]
        for name, each in summary["told"]["metrics"].items():
            title = f"improvement of {name} by {spec.challenger}"
            drawn.append((f"shadow/{spec.name}.{name}/gain/{whose}", title, each["minimum"]))
        suffix = ", with its confidence sequence"
        return [
            (title, self._band(connection, monitor, ("shadow", spec), key, until, title + suffix, bound))
            for key, title, bound in drawn
        ]

    def _band(
        self,
        connection: Any,
        monitor: Monitor,
        which: tuple[str, Experiment | Shadow],
        key: str,
        until: Any,
        title: str,
        bound: float | None,
    ) -> Any:
        kind, spec = which
        first = comparisons.first_start(connection, monitor.name, kind, spec.name) or spec.start
        starts = spread(floor(first, monitor.bucket), until, monitor.bucket)
        points = []
        for row in comparisons.history(connection, monitor.name, key, starts):
            detail: Mapping[str, Any] = row.detail or {}
            if detail.get("low") is not None and detail.get("high") is not None:
                ends = (float(detail[end]) for end in ("value", "low", "high"))
                points.append(interval_chart.Estimate(row.start + monitor.bucket, *ends))
        if title.startswith(DIFFER):  # the stored value is the share that agrees
            points = [interval_chart.Estimate(one.at, 1 - one.value, 1 - one.high, 1 - one.low) for one in points]
        begun = points[0].at if points else first
        return interval_chart.band_chart(points, start=begun, end=until, title=title, bound=bound or 0.0)


def spread(start: datetime, end: datetime, step: timedelta, most: int = MOST_POINTS) -> list[datetime]:
    """Return at most ``most`` evenly spaced bucket starts of a time range, including the last bucket.

    Examples
    --------
    >>> from datetime import UTC
    >>> day = datetime(2026, 11, 1, tzinfo=UTC)
    >>> [f"{at:%H:%M}" for at in spread(day, day + timedelta(hours=1), timedelta(minutes=10), most=3)]
    ['00:10', '00:30', '00:50']
    """
    count = max(0, (end - start) // step)
    each = max(1, -(-count // most))
    return [start + place * step for place in range((count - 1) % each if count else 0, count, each)]
