"""The jobs that receive presses by Socket Mode, one for each app."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from monitor.actions.receivers.base import Receiver
from monitor.actions.receivers.slack import Slack
from monitor.core.clock import Clock
from monitor.jobs.scheduler import Job
from monitor.jobs.slack_presses import PressHandler, group_by_app
from monitor.store.database import Database


def plan_connections(database: Database, receivers: Mapping[str, Receiver], clock: Clock) -> list[Job]:
    """Return the jobs; none if no receiver has an app-level token."""
    groups = group_by_app(receivers, _app_token)
    if not groups:
        return []
    from monitor.actions.receivers.slack.socket_mode import SocketMode

    handler = PressHandler(database, receivers, clock)
    jobs = []
    for app_token, names in groups.items():
        first = receivers[names[0]]
        base_url = first.config.base_url if isinstance(first, Slack) else ""
        connection = SocketMode(app_token, base_url, partial(_handle, handler, names))
        jobs.append(Job(f"presses for {', '.join(names)}", connection.run, close=connection.close))
    return jobs


def _app_token(receiver: Slack) -> str | None:
    token = receiver.config.app_token
    return token.get_secret_value() if token else None


def _handle(handler: PressHandler, names: list[str], payload: object) -> None:
    handler.handle(payload, names)
