"""A real Alertmanager on loopback, and what it has sent to its own receiver."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support import receiver as far
from tests.support.process import eventually, free_port, running
from tests.support.tools import UNPACKED

CONFIG = """\
global: {resolve_timeout: 1s}
route: {receiver: people, group_by: [alertname, incident], group_wait: 0s, group_interval: 100ms}
receivers: [{name: people, webhook_configs: [{url: "URL", send_resolved: true}]}]
"""
TEMPLATES = Path("/usr/share/prometheus/alertmanager")
"""Where Debian's Alertmanager looks for its templates, wherever it is itself."""


class AlertmanagerServer:
    """Reads the alerts of a server and its notifications."""

    def __init__(self, url: str, sent: list[far.Request]) -> None:
        self.url, self._sent = url, sent

    def list_alerts(self, incident: str) -> list[dict[str, Any]]:
        """Return the active alerts of an incident."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=10) as answer:  # noqa: S310
            alerts = json.loads(answer.read())
        return [alert for alert in alerts if alert["labels"]["incident"] == incident]

    def list_notifications(self, incident: str) -> list[tuple[str, str]]:
        """Return status and severity of the alerts in its notifications, oldest first."""
        bodies = [json.loads(request.body) for request in self._sent]
        alerts = [alert for body in bodies for alert in body["alerts"] if alert["labels"]["incident"] == incident]
        return [(alert["status"], alert["labels"]["severity"]) for alert in alerts]


@contextmanager
def serving(program: Path, folder: Path) -> Iterator[AlertmanagerServer]:
    """Run a server. If it is only unpacked, its templates are mounted for it alone."""
    port = free_port()
    with far.listening(far.Receiver()) as people:
        (folder / "config.yml").write_text(CONFIG.replace("URL", people.url))
        command = [program, f"--config.file={folder / 'config.yml'}", f"--storage.path={folder}"]
        command += [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
        if program.parent == UNPACKED and not TEMPLATES.exists():
            mount = f'mount --bind "{UNPACKED.parent / "share"}" /usr/share && exec "$@"'
            command = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh", *command]
        with running(command, log=folder / "log"):
            server = AlertmanagerServer(f"http://127.0.0.1:{port}", people.requests)
            eventually(lambda: server.list_alerts("none") == [], 60, "Alertmanager")
            yield server
