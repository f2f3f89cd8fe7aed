"""The home page: open incidents and every monitor."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from monitor.store import reads
from monitor.web.cases import load_case
from monitor.web.monitor_charts import draw_spark
from monitor.web.views import make_row, rank
from monitor.web.web_page import WebPage

MOST_CASES = 20


class HomePage(WebPage):
    """Renders the home page."""

    def show(self, request: Request) -> Response:
        """Show open incidents and every monitor."""
        state = reads.snapshot(self._database, self._config)
        now = self._clock.now()
        settings = {monitor.name: monitor for monitor in self._config.monitors}
        with self._database.read() as connection:
            rows = [
                make_row(item, settings[item.name], state.at, draw_spark(connection, item, settings[item.name]))
                for item in state.monitors
            ]
            open_now = [(settings[item.name], row) for item in state.monitors for row in item.open]
            firing = [
                load_case(connection, monitor, row, self._clock.now())
                for monitor, row in open_now
                if row.state == "firing"
            ]
            settled = [row for row in reads.incident_rows(connection, most=MOST_CASES) if row.state == "resolved"]
        return self._renderer.render(
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
