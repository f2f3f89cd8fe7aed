"""`POST /slack/interactions`: presses of buttons in Slack, signed by Slack."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import parse_qs

import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from monitor.actions.receivers import make_receivers
from monitor.actions.receivers.slack import Slack
from monitor.config.receivers import ReceiverConfig
from monitor.core.clock import Clock
from monitor.jobs.slack_presses import PressHandler, group_by_app
from monitor.store.database import Database, DatabaseError
from monitor.web.access import SLACK_PATH
from monitor.web.body import LargeBodyError, read_body
from monitor.web.bounded_reads import BoundedReads

LOG = structlog.get_logger(__name__)
LARGEST_BODY = 256 * 1024
"""A press repeats the message that it was on."""
BODY_SECONDS, WORK_SECONDS = 1.0, 1.8
"""Slack waits 3 s for a response."""


class SlackInteractions:
    """The endpoint."""

    def __init__(self, database: Database, receivers: Mapping[str, ReceiverConfig], clock: Clock) -> None:
        made = make_receivers(receivers)
        self._groups = group_by_app(made, _signing_secret)
        self._handler = PressHandler(database, made, clock)
        self._clock = clock
        self._work = BoundedReads(4)

    def routes(self) -> list[Route]:
        """Return the route; none if no receiver has a signing secret."""
        return [Route(SLACK_PATH, self.receive, methods=["POST"])] if self._groups else []

    async def receive(self, request: Request) -> Response:
        """Do what a signed request asks for. A copy of an earlier one is refused."""
        try:
            body = await read_body(request, LARGEST_BODY, BODY_SECONDS)
        except LargeBodyError:
            return PlainTextResponse("The body is too large.\n", 413)
        except TimeoutError:
            return PlainTextResponse("The body was not received in time.\n", 408)
        names = self._find_receivers(body, request.headers)
        if not names:
            LOG.warning("slack_request_refused", reason="signature")
            return PlainTextResponse("The signature is wrong or too old.\n", 401)
        try:
            payload = json.loads(parse_qs(body.decode())["payload"][0])
        except (KeyError, ValueError, RecursionError):
            return PlainTextResponse("The body must have a payload.\n", 400)
        try:
            is_new = await self._work.run(lambda: self._handler.handle(payload, names), WORK_SECONDS)
        except (DatabaseError, TimeoutError) as error:
            LOG.warning("slack_press_failed", error=type(error).__name__)
            return PlainTextResponse("The store does not answer; press again later.\n", 503)
        return Response(status_code=200) if is_new else PlainTextResponse("This was received already.\n", 409)

    def _find_receivers(self, body: bytes, headers: Mapping[str, str]) -> list[str]:
        """Return the receivers whose signing secret a request was signed with."""
        from monitor.actions.receivers.slack.signature import is_signed

        at = self._clock.now()
        return next((names for secret, names in self._groups.items() if is_signed(secret, body, headers, at)), [])


def _signing_secret(receiver: Slack) -> str | None:
    secret = receiver.config.signing_secret
    return secret.get_secret_value() if secret else None
