"""Render the templates of the web pages, with autoescaping and strict undefined variables."""

from __future__ import annotations

import json
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from monitor import __version__
from monitor.alerting.suspects import describe_suspect
from monitor.config.models import Config
from monitor.core.clock import Clock
from monitor.core.plain import visible
from monitor.store.database import Database
from monitor.store.incident_search import count_firing
from monitor.web import formatting
from monitor.web.assets import Assets
from monitor.web.share_bars import share_bar, share_bars
from monitor.web.time_chart import TimeChart, draw, list_levels, to_data
from monitor.web.viewer import describe_viewer

TEMPLATES = Path(__file__).parent / "templates"
POLL_SECONDS = 30
"""Interval at which a visible page is updated."""


class Renderer:
    """Renders the templates.

    Parameters
    ----------
    clock
        Current time.
    config, database
        Every page shows the number of firing incidents of the configured monitors.
    """

    def __init__(self, clock: Clock, config: Config, database: Database) -> None:
        self._clock = clock
        self._database = database
        self._names = [monitor.name for monitor in config.monitors]
        self.assets = Assets()
        self.environment = make_environment(len(self._names), self.assets)

    def problem(self, status: int, sentence: str) -> Response:
        """Return the web page of an error."""
        return HTMLResponse(self.environment.get_template("problem.html").render(sentence=sentence), status)

    def refusal(self, sentence: str) -> Response:
        """Return the web page that says why a form was refused."""
        return HTMLResponse(self.environment.get_template("refusal.html").render(sentence=sentence), 409)

    def render(self, request: Request, template: str, *, now: datetime | None = None, **values: Any) -> Response:
        """Render a template."""
        now = now or self._clock.now()
        with self._database.read() as connection:
            firing = count_firing(connection, self._names)
        shared = {
            **describe_viewer(request),
            "now": now,
            "firing": firing,
            "poll_seconds": POLL_SECONDS,
            "path": request.url.path,
            "query": request.query_params,
            "t": partial(clock_time, now),
            "since": partial(relative_time, now),
        }
        return HTMLResponse(self.environment.get_template(template).render(**shared, **values))


def clock_time(now: datetime, moment: datetime | None) -> Markup:
    """Return a <time> element that shows the time."""
    return formatting.time_tag(moment, formatting.short(moment, now) if moment else "")


def relative_time(now: datetime, moment: datetime | None) -> Markup:
    """Return a <time> element that shows the age."""
    return formatting.time_tag(moment, formatting.ago(moment, now))


def chart_data(chart: TimeChart) -> str:
    """Return the data of a chart as JSON, for an attribute."""
    return json.dumps(to_data(chart), separators=(",", ":"))


def _show_control_characters(value: object) -> object:
    if isinstance(value, Markup):
        return Markup(visible(value))  # noqa: S704  the text is escaped already
    return visible(value) if isinstance(value, str) else value


def make_environment(monitors: int, assets: Assets) -> Environment:
    """Return the template environment."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_show_control_characters,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        version=__version__,
        monitors=monitors,
        share_bars=share_bars,
        share_bar=share_bar,
        draw_chart=draw,
        chart_data=chart_data,
        chart_levels=list_levels,
        asset=assets.address,
    )
    environment.filters.update(
        action_state=formatting.action_state,
        number=formatting.number,
        chance=formatting.chance,
        length=formatting.length,
        capital=formatting.capital,
        shorten=formatting.shorten,
        sentence=formatting.sentence,
        pretty=formatting.pretty,
        moment=formatting.parse_moment,
        suspect=describe_suspect,
        short_id=formatting.short_id,
    )
    return environment
