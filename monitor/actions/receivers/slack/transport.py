"""Calls of Slack's Web API with slack-sdk, without redirects and with limits on time and response size."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from http.client import HTTPException, HTTPResponse
from typing import cast
from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request, UnknownHandler

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web import SlackResponse
from slack_sdk.web.file_upload_v2_result import FileUploadV2Result

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
        with self._open(req) as answer:
            body = answer.read(LONGEST_ANSWER).decode("utf-8", "replace")
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return {"status": answer.status, "headers": headers, "body": body}

    def _upload_file(self, *, url: str, data: bytes, **_: object) -> FileUploadV2Result:
        """Send a file to the address that Slack names; that of slack-sdk leaves the connection open."""
        with self._open(Request(url, data, {"content-type": "application/octet-stream"}, method="POST")) as answer:  # noqa: S310
            return FileUploadV2Result(status=answer.status, body="")

    def _open(self, request: Request) -> HTTPResponse:
        opener = OpenerDirector()
        proxies = {"http": self.proxy, "https": self.proxy} if self.proxy else None
        for handler in (ProxyHandler(proxies), UnknownHandler(), HTTPHandler(), HTTPSHandler(context=self.ssl)):
            opener.add_handler(handler)
        return cast("HTTPResponse", opener.open(request, timeout=self.timeout))


@dataclass(frozen=True)
class Picture:
    """A picture (PNG) and the words for it."""

    content: bytes
    name: str
    title: str


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
        return self._run(partial(self._client.api_call, method, json={**values, "parse": "none"}), deadline)

    def read(self, method: str, values: Mapping[str, str], deadline: Deadline) -> Mapping[str, object]:
        """Call a method that only reads, whose values Slack takes as a form; raises :class:`NotDelivered`."""
        return self._run(partial(self._client.api_call, method, params={**values}), deadline)

    def upload(self, place: Mapping[str, str], picture: Picture, deadline: Deadline) -> None:
        """Upload a picture to the thread that a place names; raises :class:`NotDelivered`."""
        send = partial(
            self._client.files_upload_v2,
            content=picture.content,
            filename=picture.name,
            title=picture.title,
            alt_txt=picture.title,
            channel=place["channel"],
            thread_ts=place["thread_ts"],
        )
        self._run(send, deadline)

    def _run(self, send: Callable[[], SlackResponse], deadline: Deadline) -> Mapping[str, object]:
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
