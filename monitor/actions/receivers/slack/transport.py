"""Calls of Slack's Web API with slack-sdk, without redirects and with limits on time and response size."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from http.client import HTTPException
from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request, UnknownHandler

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from monitor.actions.receivers.base import Deadline, DeliveryResult, NotDelivered, failure_by_status
from monitor.core.bounded import Bounded

CALL = timedelta(seconds=10)
"""Timeout of a call."""
LONGEST_ANSWER = 1024 * 1024
"""Maximum size of a response in bytes; it repeats the message."""
DEFAULT_PAUSE = timedelta(seconds=30)
AUTH = ("invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive", "missing_scope")
GONE = (
    *("channel_not_found", "is_archived", "not_in_channel", "restricted_action", "msg_too_long", "invalid_blocks"),
    *("message_not_found", "cant_update_message", "edit_window_closed", "expired_trigger_id", "exchanged_trigger_id"),
)


class _Client(WebClient):
    """Client of slack-sdk that follows no redirects, so that the token is sent to the configured host only."""

    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, object]:  # noqa: ARG002
        opener = OpenerDirector()
        proxies = {"http": self.proxy, "https": self.proxy} if self.proxy else None
        for handler in (ProxyHandler(proxies), UnknownHandler(), HTTPHandler(), HTTPSHandler(context=self.ssl)):
            opener.add_handler(handler)
        with opener.open(req, timeout=self.timeout) as answer:
            body = answer.read(LONGEST_ANSWER).decode("utf-8", "replace")
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return {"status": answer.status, "headers": headers, "body": body}


def make_client(token: str, base_url: str) -> WebClient:
    """Return a client that tries once, and logs nothing."""
    quiet = logging.Logger("slack_sdk", level=logging.CRITICAL + 1)  # disabled: it logs response bodies
    seconds = int(CALL.total_seconds())
    return _Client(token=token, base_url=base_url, timeout=seconds, retry_handlers=[], logger=quiet)


class SlackTransport:
    """Calls a workspace with a bot token."""

    def __init__(self, token: str, base_url: str) -> None:
        self._client = make_client(token, base_url)
        self._calls = Bounded()  # the timeout of the library applies to each read only

    def call(self, method: str, values: Mapping[str, object], deadline: Deadline) -> Mapping[str, object]:
        """Call a method once and return its answer; raises :class:`NotDelivered`."""
        send = partial(self._client.api_call, method, json={**values, "parse": "none"})
        try:
            answer = self._calls.call(send, deadline.within(CALL).seconds).data
        except SlackApiError as error:
            raise NotDelivered(_failure(error, deadline.started_at)) from None
        except TimeoutError:
            raise NotDelivered(DeliveryResult("timeout", "Slack did not answer in time", retry=True)) from None
        except OSError as error:
            raise NotDelivered(DeliveryResult("refused", type(error).__name__, retry=True)) from None
        except (SlackClientError, HTTPException, AttributeError, ValueError) as error:  # not an HTTP or JSON response
            raise NotDelivered(DeliveryResult("other", type(error).__name__, retry=True)) from None
        return answer if isinstance(answer, dict) else {}


def _failure(error: SlackApiError, now: datetime) -> DeliveryResult:
    data, status = error.response.data, int(error.response.status_code)
    code = str(data.get("error")) if isinstance(data, dict) else ""
    if code == "ratelimited":
        status = 429
    if code in AUTH:
        return DeliveryResult("auth", code)
    if code in GONE:
        return DeliveryResult("client", code)
    if status == 429:
        limited = failure_by_status(status, error.response.headers.get("retry-after"), now)
        return replace(limited, retry_after=limited.retry_after or DEFAULT_PAUSE)
    if status >= 300:
        return failure_by_status(status, error.response.headers.get("retry-after"), now)
    is_transient = code.endswith("_error") or code == "service_unavailable"
    return DeliveryResult("server" if is_transient else "other", f"status {status}", retry=True)
