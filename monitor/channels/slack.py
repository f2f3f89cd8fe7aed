"""Slack by slack-sdk: one message an incident, everything after it in its thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.error import URLError

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from monitor.background import Bounded
from monitor.channels.base import Message, Outcome

SECTION = 2900
WHOLE = 39_000
FINDINGS = 5
ICON = {"critical": ":red_circle:", "warning": ":large_orange_circle:", "info": ":large_blue_circle:"}
AUTH = ("invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive", "missing_scope")
GONE = ("channel_not_found", "is_archived", "not_in_channel", "restricted_action", "msg_too_long", "invalid_blocks")


def escape(text: object) -> str:
    """Make a text harmless in mrkdwn: no mention, no link, no formatting of ours can be forged."""
    return str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def cut(text: str, most: int) -> str:
    """Cut a text with a marker."""
    return text if len(text) <= most else text[: most - 2] + " …"


def render(message: Message) -> tuple[str, list[dict[str, Any]]]:
    """Return text and blocks of a message. Pure; every part of the payload is optional."""
    data: Mapping[str, Any] = message.payload.get("data") or {}  # type: ignore[assignment]
    icon = ":large_green_circle:" if message.kind == "resolved" else ICON.get(str(data.get("severity")), "")
    headline = cut(f"{icon} *{escape(data.get('headline', 'driftd'))}*".strip(), SECTION)
    parts: list[str] = [headline]
    if message.kind != "resolved":
        parts += [_findings(data.get("findings") or []), _change(data), *_doings(data)]
    blocks: list[dict[str, Any]] = [
        {"type": "section", "text": {"type": "mrkdwn", "text": cut(part, SECTION)}} for part in parts if part
    ]
    window = data.get("window") or {}
    if window:
        small = (
            f"{escape(data.get('monitor', ''))} · window {escape(window.get('start'))} to {escape(window.get('end'))}"
        )
        blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": cut(small, SECTION)}]})
    return cut(headline, WHOLE), blocks


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": cut(text, SECTION)}}


def _findings(found: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        f"{item.get('check')} {item.get('column') or ''} {item.get('segment') or ''}: "
        f"{_number(item.get('statistic'))} against {_number(item.get('threshold'))} (n {item.get('n_window', '?')})"
        for item in found[:FINDINGS]
    ]
    if len(found) > FINDINGS:
        lines.append(f"and {len(found) - FINDINGS} more")
    return "```" + escape("\n".join(lines)).replace("```", "'''") + "```" if lines else ""


def _number(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, int | float) else "?"


def _change(data: Mapping[str, Any]) -> str:
    change = data.get("suspected_change")
    if not change or repr(change.get("value")) in str(data.get("headline")):
        return ""  # the headline names it
    prompt = f" ({change['prompt']})" if change.get("prompt") else ""
    what = f"{change.get('kind')} `{change.get('value')}`{prompt}"
    return escape(f"Suspected: {what}, first seen {change.get('first_seen')}")


def _doings(data: Mapping[str, Any]) -> list[str]:
    lines = []
    for action in data.get("actions") or []:
        said = f"{action.get('kind')} `{action.get('name')}`: {str(action.get('state')).replace('_', ' ')}"
        if action.get("state") == "awaiting_approval":
            said += f" — `driftd actions approve {action.get('id')}`"
        lines.append(escape(said))
    return lines


class Slack:
    """Posts to one channel with a bot token."""

    def __init__(
        self,
        token: str,
        channel: str,
        base_url: str = "https://slack.com/api/",
        timeout: timedelta = timedelta(seconds=10),
    ) -> None:
        self._channel = channel
        self._timeout = timeout
        self._calls = Bounded()
        self._client = WebClient(
            token=token, base_url=base_url, timeout=int(timeout.total_seconds()), retry_handlers=[]
        )

    def deliver(self, message: Message, now: datetime) -> Outcome:  # noqa: ARG002  a channel is told the time
        """Try once; the first message of an incident opens its thread."""
        text, blocks = render(message)
        thread = message.thread or {}
        try:
            answer = self._call(
                self._client.chat_postMessage,
                channel=str(thread.get("channel") or self._channel),
                text=text,
                blocks=blocks,
                thread_ts=str(thread["ts"]) if thread.get("ts") else None,
                unfurl_links=False,
                unfurl_media=False,
                metadata={"event_type": "driftd_action", "event_payload": {"id": message.id}},
            )
        except SlackApiError as error:
            return _refused(error)
        except TimeoutError:
            return Outcome("timeout", "Slack did not answer in time", retry=True)
        except (URLError, SlackClientError, OSError) as error:
            return Outcome("refused", type(error).__name__, retry=True)
        receipt = dict(thread) or {"channel": answer.get("channel"), "ts": answer.get("ts")}
        if message.kind == "resolved" and thread.get("ts"):
            self._close(thread, text)
        return Outcome("delivered", receipt=receipt)

    def _call(self, method: Callable[..., Any], **values: Any) -> Any:  # noqa: ANN401
        """Call Slack within one deadline for all of it: the library's own is for each piece of an answer."""
        return self._calls.call(partial(method, **values), self._timeout.total_seconds())

    def _close(self, thread: Mapping[str, object], text: str) -> None:
        """Turn the first message green; the thread says it already, so a failure is not worth a retry."""
        try:
            self._call(
                self._client.chat_update,
                channel=str(thread["channel"]),
                ts=str(thread["ts"]),
                text=text,
                blocks=[_section(text)],
            )
        except (SlackClientError, URLError, OSError):
            return


def _refused(error: SlackApiError) -> Outcome:
    code = str(error.response.get("error", "unknown")) if isinstance(error.response.data, dict) else "unknown"
    status = int(error.response.status_code)
    if code == "ratelimited" or status == 429:
        pause = error.response.headers.get("Retry-After", error.response.headers.get("retry-after", "30"))
        seconds = min(max(float(pause), 0.0), 3600.0) if str(pause).replace(".", "", 1).isdigit() else 30.0
        return Outcome("rate_limited", code, retry=True, retry_after=timedelta(seconds=seconds))
    if code in AUTH:
        return Outcome("auth", code)
    if code in GONE:
        return Outcome("client", code)
    return Outcome(
        "server" if status >= 500 or code.endswith("_error") or code == "service_unavailable" else "other",
        f"status {status}",
        retry=True,
    )
