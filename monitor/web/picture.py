"""The leading chart of an incident as a picture, for messages: the drawing and the style of the web pages."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from monitor.config.models import Config
from monitor.core.clock import Clock
from monitor.store.database import Database
from monitor.store.incidents import find_incident
from monitor.web.assets import STATIC
from monitor.web.cases import load_case
from monitor.web.incident_chart import chart_range, load_charts
from monitor.web.time_chart import draw

RULE = re.compile(r"^(svg [^{:]*\{[^}]*\})", re.MULTILINE)
VARIABLE = re.compile(r"^  --([\w-]+): ([^;]+);", re.MULTILINE)
ZOOM = 2.0
FONT = "DejaVu Sans"
FONT_FOLDERS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"))
"""Where resvg looks for fonts."""
NAMESPACE = '<svg xmlns="http://www.w3.org/2000/svg" '


class ChartPictures:
    """Draws charts of incidents."""

    def __init__(self, database: Database, config: Config, clock: Clock) -> None:
        self._database = database
        self._monitors = {monitor.name: monitor for monitor in config.monitors}
        self._clock = clock

    def draw(self, incident: str) -> bytes | None:
        """Return the picture (PNG) of the leading chart of an incident.

        None if there is no chart, or no extra `charts` or no font is installed.
        """
        svg = self.draw_svg(incident)
        return None if svg is None else rasterize(svg)

    def draw_svg(self, incident: str) -> str | None:
        """Return the leading chart of an incident as SVG; None if there is none."""
        with self._database.read() as connection:
            row = find_incident(connection, incident)
            monitor = self._monitors.get(row.monitor)
            if monitor is None:
                return None
            evidence = load_case(connection, monitor, row, self._clock.now()).evidence
            charts = load_charts(connection, monitor, row, evidence, chart_range(monitor, row), 1)
        return str(draw(charts[0])) if charts else None


def rasterize(svg: str) -> bytes | None:
    """Return a drawing of the web pages as PNG; None without the extra `charts` or a font for its labels."""
    if not any(any(folder.rglob("*.[to]t[fc]")) for folder in FONT_FOLDERS):
        return None
    try:
        import resvg_py
    except ImportError:
        return None
    picture: bytes = resvg_py.svg_to_bytes(
        svg_string=svg.replace("<svg ", NAMESPACE, 1),
        style_sheet=read_style(),
        background="#ffffff",
        zoom=ZOOM,
        font_family=FONT,
        sans_serif_family=FONT,
    )
    return picture


@lru_cache(maxsize=1)
def read_style() -> str:
    """Return the rules of the style sheet for drawings, in the light theme, with their colours."""
    text = (STATIC / "style.css").read_text("utf-8")
    colours: dict[str, str] = {}
    for name, value in VARIABLE.findall(text):
        colours.setdefault(name, value)
    rules = "\n".join(RULE.findall(text))
    return re.sub(r"var\(--([\w-]+)\)", lambda match: colours[match[1]], rules)
