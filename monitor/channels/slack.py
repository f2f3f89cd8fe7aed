"""Slack by slack-sdk: one message an incident, everything after it in its thread."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.error import URLError

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from monitor.channels.base import Message, Outcome
from monitor.core.tasks import Bounded

SECTION = 3000
"""Most characters of a text that Slack takes in a block, counted as UTF-16 does."""
WHOLE = 4000
"""Most characters of the text that stands for a message where blocks are not shown."""
FINDINGS = 5
MOST_ACTIONS = 20
LONGEST_VALUE = 500
MARK = " …"
ICON = {"critical": ":red_circle:", "warning": ":large_orange_circle:", "info": ":large_blue_circle:"}
RESOLVED = ":large_green_circle:"
AUTH = ("invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive", "missing_scope")
GONE = ("channel_not_found", "is_archived", "not_in_channel", "restricted_action", "msg_too_long", "invalid_blocks")
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Control characters, but for tab and newline, and those that change the direction of writing."""
APPROVE = re.compile(" — `driftd actions approve [^`]*`")
SURROGATES = re.compile("[\ud800-\udfff]")


def escape(text: object) -> str:
    """Make a text harmless in mrkdwn: no mention, link, code or control character of another's comes through."""
    shown = SURROGATES.sub("\ufffd", UNSAFE.sub("", str(text))).replace("`", "'")
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def cut(text: str, most: int) -> str:
    """Cut an escaped text with a marker, and no entity or character in two."""
    encoded = text.encode("utf-16-le")
    if len(encoded) <= 2 * most:
        return text
    short = encoded[: 2 * (most - len(MARK))].decode("utf-16-le", "ignore")
    start = short.rfind("&")
    whole = start < 0 or ";" in short[start:]
    return (short if whole else short[:start]) + MARK


def code_block(text: str) -> str:
    """Return an escaped text as a block of code that is closed however long the text is."""
    fence = "```"
    return fence + cut(text, SECTION - 2 * len(fence)) + fence


def inline_code(value: object) -> str:
    """Return a value as code within a line, which it can neither end nor fill."""
    return f"`{cut(escape(value), LONGEST_VALUE)}`"


def render(message: Message) -> tuple[str, list[dict[str, Any]]]:
    """Return text and blocks of a message. Pure; every part of the payload is optional.

    The first message holds every fact. What follows it in its thread says what is new, or that it is over; what is
    over before anybody was told has no thread, so it holds the facts too.
    """
    data: Mapping[str, Any] = message.payload.get("data") or {}  # type: ignore[assignment]
    icon = RESOLVED if message.kind == "resolved" else ICON.get(str(data.get("severity")), "")
    line = " ".join(escape(data.get("headline", "driftd")).split())
    headline = f"{icon} *{cut(line, SECTION - 100)}*".strip()
    follows = message.thread is not None and message.kind in ("update", "reminder", "resolved")
    part = (data.get("news") or {}) if follows and message.kind == "update" else {} if follows else data
    doings = [one for one in data.get("actions") or [] if not (follows and message.kind == "update") or is_waiting(one)]
    texts = [headline, _findings(part.get("findings") or []), _change(data, part), _doings(doings)]
    blocks = [_section(text) for text in texts if text]
    if small := _small_print(data):
        blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": small, "verbatim": True}]})
    return cut(headline, WHOLE), blocks


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": cut(text, SECTION), "verbatim": True}}


def _small_print(data: Mapping[str, Any]) -> str:
    window, incident = data.get("window") or {}, data.get("incident") or {}
    parts = [escape(data["monitor"])] if data.get("monitor") else []
    if incident.get("opened_at"):
        parts.append(f"since {_clock(incident['opened_at'])}")
    if window:
        parts.append(f"window {_clock(window.get('start'))} to {_clock(window.get('end'))}")
    return cut(" · ".join(parts), SECTION)


def _clock(text: object) -> str:
    try:
        return f"{datetime.fromisoformat(str(text)):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return escape(text)


def _findings(found: Sequence[Mapping[str, Any]]) -> str:
    lines = [
        " ".join(str(item[name]) for name in ("check", "column", "segment", "method") if item.get(name))
        + f": {_number(item.get('statistic'))} against {_number(item.get('threshold'))} (n {item.get('n_window', '?')})"
        for item in found[:FINDINGS]
    ]
    if len(found) > FINDINGS:
        lines.append(f"and {len(found) - FINDINGS} more")
    shown = [cut(" ".join(escape(line).split()), LONGEST_VALUE) for line in lines]
    return code_block("\n".join(shown)) if shown else ""


def _number(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, int | float) else "?"


def _change(data: Mapping[str, Any], part: Mapping[str, Any]) -> str:
    change = part.get("suspected_change")
    if not change or repr(change.get("value")) in str(data.get("headline")):
        return ""  # the headline names it
    prompt = f" ({change['prompt']})" if change.get("prompt") else ""
    what = f"{escape(change.get('kind'))} {inline_code(change.get('value'))}{escape(prompt)}"
    return f"Suspected: {what}, first seen {_clock(change.get('first_seen'))}"


def is_waiting(action: Mapping[str, Any]) -> bool:
    """Say whether an action is still to happen."""
    return action.get("state") in ("pending", "awaiting_approval")


def _doings(actions: Sequence[Mapping[str, Any]]) -> str:
    lines = []
    for action in actions[:MOST_ACTIONS]:
        state = str(action.get("state")).replace("_", " ")
        line = f"{escape(action.get('kind'))} {inline_code(action.get('name'))}: {escape(state)}"
        if action.get("reason"):
            line += f", {escape(action['reason'])}"
        if action.get("state") == "awaiting_approval":
            line += f" — `driftd actions approve {escape(action.get('id'))}`"  # as APPROVE has it
        lines.append(line)
    return "\n".join(lines)


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
                parse="none",
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
        if not thread.get("ts"):
            return Outcome(
                "delivered", receipt={"channel": answer.get("channel"), "ts": answer.get("ts"), "blocks": blocks}
            )
        detail = self._change_first(message, thread, blocks[0])
        return Outcome("delivered", detail, receipt={"channel": thread["channel"], "ts": thread["ts"]})

    def _call(self, method: Callable[..., Any], **values: Any) -> Any:  # noqa: ANN401
        """Call Slack within one deadline for all of it: the library's own is for each piece of an answer."""
        return self._calls.call(partial(method, **values), self._timeout.total_seconds())

    def _change_first(self, message: Message, thread: Mapping[str, Any], headline: dict[str, Any]) -> str:
        """Put on top of the first message that it is over, or that it is back; below, it keeps what it said.

        The thread says it already, so a failure is worth a word and no retry.
        """
        data: Any = message.payload.get("data") or {}
        if message.kind != "resolved" and not (data.get("news") or {}).get("again"):
            return ""
        facts = thread.get("blocks") or render(replace(message, kind="firing", thread=None))[1][1:]
        try:
            self._call(
                self._client.chat_update,
                channel=str(thread["channel"]),
                ts=str(thread["ts"]),
                text=str(headline["text"]["text"]),
                blocks=[headline, *(as_past(block) for block in facts)],
                parse="none",
            )
        except (SlackClientError, URLError, OSError) as error:
            return f"the first message could not be changed ({type(error).__name__})"
        return ""


def as_past(block: Mapping[str, Any]) -> dict[str, Any]:
    """Return a block of a message that is over: without the icon of its severity, and without what to do."""
    if "text" not in block:
        return dict(block)
    icon, _, rest = str(block["text"]["text"]).partition(" ")
    text = rest if icon in ICON.values() else str(block["text"]["text"])
    return {**block, "text": {**block["text"], "text": APPROVE.sub("", text)}}


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
