"""Presses by Socket Mode: a connection to Slack with an app-level token, without an inbound port."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta

import structlog
from slack_sdk.socket_mode import SocketModeClient
from slack_sdk.socket_mode.client import BaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from monitor.actions.receivers.slack.transport import make_client
from monitor.core.bounded import Bounded

LOG = structlog.get_logger(__name__)
ACKNOWLEDGE = timedelta(seconds=2)
"""Time after which a press is acknowledged although its work has not ended; Slack waits 3 s."""
CLOSE = timedelta(seconds=1)
MOST_AT_ONCE = 20
FIRST_PAUSE, LONGEST_PAUSE = 1, 60
"""Runs of the job between attempts to connect; they double."""


class SocketMode:
    """Receives presses of one app.

    Parameters
    ----------
    work
        Handles a payload. If it raises, the envelope is not acknowledged, so that Slack sends it again.
    """

    def __init__(self, app_token: str, base_url: str, work: Callable[[object], None]) -> None:
        self._app_token = app_token
        self._base_url = base_url
        self._work = work
        self._client: SocketModeClient | None = None
        self._slots = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._pause = FIRST_PAUSE
        self._wait = 0
        self._was_connected = False

    def run(self) -> None:
        """Connect if there is no connection; slack-sdk replaces one that ends."""
        if self._client is not None:
            self._note(connected=self._client.is_connected())
            return
        self._wait -= 1
        if self._wait > 0:
            return
        client = self._make_client()
        try:
            client.connect()
        except Exception as error:  # noqa: BLE001  slack-sdk raises many; the next run tries again
            LOG.warning("slack_not_connected", error=type(error).__name__)
            self._wait, self._pause = self._pause, min(2 * self._pause, LONGEST_PAUSE)
            self._close(client)
            return
        self._client, self._pause = client, FIRST_PAUSE
        self._note(connected=client.is_connected())

    def close(self) -> None:
        """Disconnect; presses that are not acknowledged are sent again to another connection."""
        client, self._client = self._client, None
        if client is not None:
            self._close(client)

    def _make_client(self) -> SocketModeClient:
        quiet = logging.Logger("slack_sdk", level=logging.CRITICAL + 1)  # disabled: it logs payloads
        web_client = make_client(self._app_token, self._base_url)
        client = SocketModeClient(self._app_token, logger=quiet, web_client=web_client)
        client.socket_mode_request_listeners.append(self._receive)
        return client

    def _receive(self, client: BaseSocketModeClient, request: SocketModeRequest) -> None:
        """Do the work of an envelope, and acknowledge it when that is done, or before Slack stops waiting."""
        if request.type != "interactive":
            client.send_socket_mode_response(SocketModeResponse(request.envelope_id))
            return
        if not self._slots.acquire(blocking=False):
            LOG.warning("slack_presses_dropped", detail="too many at once")
            return
        done, failed = threading.Event(), threading.Event()

        def work() -> None:
            try:
                self._work(request.payload)
            except Exception as error:  # noqa: BLE001  a failing press must not end the connection
                LOG.warning("slack_press_failed", error=type(error).__name__)
                failed.set()
            finally:
                self._slots.release()
                done.set()

        threading.Thread(target=work, name="slack press", daemon=True).start()
        done.wait(ACKNOWLEDGE.total_seconds())
        if not failed.is_set():
            client.send_socket_mode_response(SocketModeResponse(request.envelope_id))

    def _note(self, *, connected: bool) -> None:
        if connected != self._was_connected:
            LOG.info("slack_connected" if connected else "slack_disconnected")
        self._was_connected = connected

    def _close(self, client: SocketModeClient) -> None:
        try:
            Bounded().call(client.close, CLOSE.total_seconds())
        except Exception as error:  # noqa: BLE001  its threads end with the process
            LOG.info("slack_close_abandoned", error=type(error).__name__)
