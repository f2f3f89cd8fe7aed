"""Slack's Web API and Socket Mode on loopback. It refuses what Slack refuses."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from tests.support.receiver import units

Json = dict[str, Any]
BOT, APP = "xoxb-1234-abcd", "xapp-1-A1-abcd"
ACK_SECONDS = TRIGGER_SECONDS = 3.0
SCOPES = {
    "chat.postMessage": "chat:write",
    "chat.update": "chat:write",
    "chat.postEphemeral": "chat:write",
    "views.open": "",
    "apps.connections.open": "connections:write",
    "users.info": "users:read users:read.email",
    "usergroups.users.list": "usergroups:read",
    "files.getUploadURLExternal": "files:write",
    "files.completeUploadExternal": "files:write",
}
"""By method, the scopes that it needs."""
FIELDS = {
    "chat.postMessage": {"channel", "text", "blocks", "unfurl_links", "unfurl_media", "metadata", "thread_ts", "parse"},
    "chat.update": {"channel", "ts", "text", "blocks", "parse"},
    "chat.postEphemeral": {"channel", "user", "text", "blocks", "thread_ts", "parse"},
    "views.open": {"trigger_id", "view", "parse"},
    "apps.connections.open": set[str](),
    "users.info": {"user"},
    "usergroups.users.list": {"usergroup"},
    "files.getUploadURLExternal": {"filename", "length", "alt_txt"},
    "files.completeUploadExternal": {"files", "channel_id", "thread_ts"},
}
ID = re.compile(r"[CDG][A-Z0-9]{2,}")


@dataclass
class Call:
    method: str
    values: Json
    answer: Json


@dataclass
class SlackApi:
    """State of a workspace. ``now`` is the time of its limits; tests may replace it."""

    now: Callable[[], float] = time.monotonic
    limit_rate: bool = False
    calls: list[Call] = field(default_factory=list)
    messages: dict[tuple[str, str], Json] = field(default_factory=dict)
    views: list[Json] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    acknowledged: dict[str, Json] = field(default_factory=dict)
    late: list[str] = field(default_factory=list)
    url: str = ""
    socket_url: str = ""
    files: dict[str, Json] = field(default_factory=dict)
    fail: dict[str, str] = field(default_factory=dict)
    people: dict[str, Json] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    _triggers: dict[str, float] = field(default_factory=dict)
    _last: dict[str, float] = field(default_factory=dict)
    _sent: dict[str, tuple[float, Json]] = field(default_factory=dict)
    _sockets: list[ServerConnection] = field(default_factory=list)
    _tickets: set[str] = field(default_factory=set)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _numbers: int = 0

    # the Web API

    def call(self, method: str, token: str, values: Json) -> tuple[int, dict[str, str], Json]:
        error = self._refusal(method, token, values)
        if error == "ratelimited":
            self.refusals.append(error)
            return 429, {"retry-after": "1"}, {"ok": False, "error": error}
        answer: Json = {"ok": False, "error": error} if error else {"ok": True, **self._perform(method, values)}
        self.refusals += [f"{method}: {error}"] if error else []
        with self._changed:
            self.calls.append(Call(method, values, answer))
            self._changed.notify_all()
        return 200, {}, answer

    def _refusal(self, method: str, token: str, values: Json) -> str | None:
        if method in self.fail:
            return self.fail[method]
        if method not in FIELDS:
            return "unknown_method"
        if token != (APP if method == "apps.connections.open" else BOT):
            return "invalid_auth"
        if values.keys() - FIELDS[method]:
            return "invalid_arguments"
        if method == "users.info" and values.get("user") not in self.people:
            return "user_not_found"
        if method == "usergroups.users.list" and values.get("usergroup") not in self.groups:
            return "no_such_subteam"
        if method == "views.open":
            return self._refuse_view(values)
        if method == "files.completeUploadExternal":
            return self._refuse_files(values)
        return self._refuse_message(method, values) if method.startswith("chat.") else None

    def _refuse_message(self, method: str, values: Json) -> str | None:
        channel, blocks, text = str(values.get("channel", "")), values.get("blocks") or [], values.get("text", "")
        if not (ID.fullmatch(channel) if method == "chat.update" else channel):
            return "channel_not_found"
        if method == "chat.update" and (channel, values.get("ts")) not in self.messages:
            return "message_not_found"
        if values.get("thread_ts") and ("C1ML", values["thread_ts"]) not in self.messages:
            return "thread_not_found"
        if method == "chat.postEphemeral" and not values.get("user"):
            return "user_not_in_channel"
        if not text and not blocks:
            return "no_text"
        if units(text) > 40_000:
            return "msg_too_long"
        if error := check_blocks(blocks, 50):
            return f"invalid_blocks {error}"
        if self.limit_rate and method == "chat.postMessage":
            place = channel if ID.fullmatch(channel) else "C1ML"  # the id of the only channel by its name
            before, self._last[place] = self._last.get(place, -10.0), self.now()
            if self.now() - before < 1:
                return "ratelimited"
        return None

    def _refuse_view(self, values: Json) -> str | None:
        issued = self._triggers.pop(str(values.get("trigger_id")), None)
        if issued is None:
            return "exchanged_trigger_id"
        if self.now() - issued > TRIGGER_SECONDS:
            return "expired_trigger_id"
        view = values.get("view", {})
        allowed = {"type", "callback_id", "private_metadata", "title", "submit", "close", "blocks", "notify_on_close"}
        if view.get("type") != "modal" or view.keys() - allowed or check_blocks(view.get("blocks", []), 100):
            return "invalid_arguments"
        texts = [view.get(name, {}).get("text", "") for name in ("title", "submit", "close")]
        if any(units(text) > 24 for text in texts) or not texts[0]:
            return "invalid_arguments"
        if len(view.get("private_metadata", "")) > 3000 or len(view.get("callback_id", "")) > 255:
            return "invalid_arguments"
        return None

    def _refuse_files(self, values: Json) -> str | None:
        if (values.get("channel_id"), values.get("thread_ts")) not in self.messages:
            return "thread_not_found"
        for one in json.loads(values["files"]):
            known = self.files.get(one["id"])
            if known is None or len(known.get("content", b"")) != known["length"]:
                return "file_not_found"
        return None

    def upload(self, identity: str, content: bytes) -> int:
        """Take the content of a file, and return the status."""
        if "upload" in self.fail or identity not in self.files:
            return 500
        self.files[identity]["content"] = content
        return 200

    def _perform(self, method: str, values: Json) -> Json:
        if method == "chat.postMessage":
            self._numbers += 1
            stamp = f"1700000000.{self._numbers:06d}"
            self.messages["C1ML", stamp] = values
            return {"channel": "C1ML", "ts": stamp, "message": values}
        if method == "chat.update":
            self.messages[values["channel"], values["ts"]] |= values
            return {"channel": values["channel"], "ts": values["ts"]}
        if method == "views.open":
            view = {**values["view"], "id": f"V{len(self.views) + 1}"}
            self.views.append(view)
            return {"view": view}
        if method == "users.info":
            return {"user": {"id": values["user"], **self.people[values["user"]]}}
        if method == "usergroups.users.list":
            return {"users": self.groups[values["usergroup"]]}
        if method == "apps.connections.open":
            self._numbers += 1
            ticket = f"ticket{self._numbers}"
            self._tickets.add(ticket)
            return {"url": f"{self.socket_url}/?ticket={ticket}"}
        if method == "files.getUploadURLExternal":
            identity = f"F{len(self.files) + 1}"
            self.files[identity] = {"name": values["filename"], "length": int(values["length"]), "shared": False}
            return {"file_id": identity, "upload_url": self.url.replace("/api/", f"/upload/{identity}")}
        if method == "files.completeUploadExternal":
            done = json.loads(values["files"])
            for one in done:
                self.files[one["id"]] |= {"shared": True, "title": one["title"], "thread_ts": values["thread_ts"]}
            return {"files": done}
        return {}

    # what people do

    def buttons(self, ts: str) -> dict[str, Json]:
        """Return the buttons of a message by their texts."""
        blocks = self.messages["C1ML", ts]["blocks"]
        elements = [element for block in blocks if block["type"] == "actions" for element in block["elements"]]
        return {element["text"]["text"]: element for element in elements}

    def press(self, text: str, ts: str | None = None, user: str = "U1ADA", name: str = "ada") -> Json:
        """Return the payload of the press of a button, of the newest message with buttons unless it is named."""
        stamp = ts or next(ts for _, ts in reversed(self.messages) if self.buttons(ts))
        button = self.buttons(stamp)[text]
        self._numbers += 1
        return {
            "type": "block_actions",
            "user": {"id": user, "name": name, "username": name, "team_id": "T1"},
            "team": {"id": "T1"},
            "api_app_id": "A1",
            "trigger_id": self._trigger(),
            "container": {"type": "message", "channel_id": "C1ML", "message_ts": stamp},
            "channel": {"id": "C1ML", "name": "ml"},
            "message": {"ts": stamp, "type": "message"},
            "actions": [
                {
                    "type": "button",
                    "action_id": button["action_id"],
                    "block_id": "driftd",
                    "value": button["value"],
                    "action_ts": f"1700000{self._numbers}.000001",
                }
            ],
        }

    def submit(self, reason: str = "", user: str = "U1ADA", name: str = "ada") -> Json:
        """Return the payload of submitting the newest view."""
        view = self.views[-1]
        named = [block for block in view["blocks"] if block["type"] == "input"]
        values = {block["block_id"]: {block["element"]["action_id"]: {"value": reason or None}} for block in named}
        return {
            "type": "view_submission",
            "user": {"id": user, "name": name, "username": name, "team_id": "T1"},
            "team": {"id": "T1"},
            "api_app_id": "A1",
            "trigger_id": self._trigger(),
            "view": {**view, "state": {"values": values}},
        }

    def _trigger(self) -> str:
        self._numbers += 1
        trigger = f"trigger.{self._numbers}"
        self._triggers[trigger] = self.now()
        return trigger

    def ephemerals(self) -> list[str]:
        return [call.values["text"] for call in self.calls if call.method == "chat.postEphemeral" and call.answer["ok"]]

    # Socket Mode

    def send(self, payload: Json, envelope: str, kind: str = "interactive") -> None:
        """Send an envelope by the newest connection."""
        self._sent[envelope] = (time.monotonic(), payload)
        wanted = {"type": kind, "envelope_id": envelope, "payload": payload, "accepts_response_payload": True}
        self._sockets[-1].send(json.dumps(wanted))

    def disconnect(self, reason: str = "refresh_requested") -> None:
        """Announce the end of the newest connection, as Slack does before it closes one."""
        self._sockets[-1].send(json.dumps({"type": "disconnect", "reason": reason, "debug_info": {}}))

    def drop(self) -> None:
        """Close the newest connection without an announcement."""
        self._sockets[-1].close()

    def wait(self, condition: Callable[[], object], seconds: float = 20) -> bool:
        with self._changed:
            return bool(self._changed.wait_for(condition, seconds))

    def connections(self) -> int:
        return len(self._sockets)

    def serve_socket(self, socket: ServerConnection) -> None:
        ticket = str(socket.request.path).partition("ticket=")[2]  # type: ignore[union-attr]
        if ticket not in self._tickets:
            return
        self._tickets.discard(ticket)
        socket.send(json.dumps({"type": "hello", "num_connections": 1, "connection_info": {"app_id": "A1"}}))
        with self._changed:
            self._sockets.append(socket)
            self._changed.notify_all()
        try:
            for text in socket:
                answer = json.loads(text)
                with self._changed:
                    envelope = answer["envelope_id"]
                    late = time.monotonic() - self._sent[envelope][0] > ACK_SECONDS
                    self.late += [envelope] if late else []
                    self.acknowledged[envelope] = answer
                    self._changed.notify_all()
        except ConnectionClosed:
            return


BLOCK_FIELDS = {
    "section": {"type", "block_id", "text", "fields", "accessory"},
    "context": {"type", "block_id", "elements"},
    "header": {"type", "block_id", "text"},
    "divider": {"type", "block_id"},
    "actions": {"type", "block_id", "elements"},
    "input": {"type", "block_id", "label", "element", "optional", "hint", "dispatch_action"},
}
TEXT_FIELDS = {"mrkdwn": {"type", "text", "verbatim"}, "plain_text": {"type", "text", "emoji"}}
BUTTON_FIELDS = {"type", "action_id", "text", "value", "style", "url", "confirm", "accessibility_label"}
INPUT_FIELDS = {"type", "action_id", "multiline", "max_length", "placeholder"}


def check_blocks(blocks: list[Json], most: int) -> str | None:
    """Return why Slack refuses blocks, None if it takes them."""
    if len(blocks) > most:
        return "too many blocks"
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    if len(ids) != len(set(ids)):
        return "block_id is not unique"
    return next(filter(None, map(_check_block, blocks)), None)


def _check_block(block: Json) -> str | None:
    kind = block.get("type")
    if kind not in BLOCK_FIELDS or block.keys() - BLOCK_FIELDS[kind]:
        return f"unknown block or field {block.keys()}"
    if len(block.get("block_id", "")) > 255:
        return "block_id"
    elements = block.get("elements", [])
    if kind == "section":
        texts = [(text, 3000) for text in [block.get("text")] if text] + [
            (text, 2000) for text in block.get("fields", [])
        ]
        return "no text" if not texts else next(filter(None, (check_text(*one) for one in texts)), None)
    if kind == "header":
        return check_text(block["text"], 150, "plain_text")
    if kind == "context":
        if not 1 <= len(elements) <= 10:
            return "elements of a context"
        return next(filter(None, (check_text(one, 3000) for one in elements)), None)
    if kind == "actions":
        ids = [one.get("action_id") for one in elements]
        if not 1 <= len(elements) <= 25 or len(ids) != len(set(ids)):
            return "elements of actions"
        return next(filter(None, map(check_button, elements)), None)
    if kind == "input":
        element = block["element"]
        if element.get("type") != "plain_text_input" or element.keys() - INPUT_FIELDS:
            return "input"
        return check_text(block["label"], 2000, "plain_text")
    return None


def check_text(text: Json, most: int, kind: str | None = None) -> str | None:
    if text.get("type") not in TEXT_FIELDS or text.keys() - TEXT_FIELDS[text["type"]]:
        return f"text object {text}"
    if kind and text["type"] != kind:
        return f"not {kind}"
    return None if 1 <= units(text.get("text", "")) <= most else f"text of {units(text.get('text', ''))}"


def check_button(button: Json) -> str | None:
    if button.get("type") != "button" or button.keys() - BUTTON_FIELDS:
        return f"button {button}"
    if len(button["action_id"]) > 255 or len(button.get("value", "")) > 2000 or len(button.get("url", "")) > 3000:
        return "length of a button's field"
    if button.get("style", "primary") not in ("primary", "danger"):
        return "style"
    return check_text(button["text"], 75, "plain_text")


def sign(secret: str, payload: Json, at: float) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of a signed request of Slack."""
    return sign_body(secret, urlencode({"payload": json.dumps(payload)}).encode(), at)


def sign_body(secret: str, body: bytes, at: float) -> tuple[bytes, dict[str, str]]:
    """Return a body and the headers that Slack sends with it."""
    digest = hmac.new(secret.encode(), f"v0:{int(at)}:".encode() + body, hashlib.sha256).hexdigest()
    return body, {
        "content-type": "application/x-www-form-urlencoded",
        "x-slack-request-timestamp": str(int(at)),
        "x-slack-signature": f"v0={digest}",
    }


@contextmanager
def slack_api(api: SlackApi | None = None) -> Iterator[SlackApi]:
    """Serve a workspace."""
    api = api or SlackApi()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if self.path.startswith("/upload/"):
                self.send_response(api.upload(self.path.rpartition("/")[2], body))
                self.send_header("content-length", "0")
                self.end_headers()
                return
            values = json.loads(body or b"{}") if "json" in self.headers.get("content-type", "") else _read_form(body)
            method = self.path.rpartition("/")[2]
            if method in ("users.info", "usergroups.users.list") and "json" in self.headers.get("content-type", ""):
                values = {"json": "these methods take forms only"}
            token = self.headers.get("authorization", "").removeprefix("Bearer ")
            status, headers, answer = api.call(method, token, values)
            text = json.dumps(answer).encode()
            self.send_response(status)
            for name, value in {
                "content-type": "application/json",
                "content-length": str(len(text)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    sockets = serve(api.serve_socket, "127.0.0.1", 0)
    threads = [
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True),
        threading.Thread(target=sockets.serve_forever, daemon=True),
    ]
    for thread in threads:
        thread.start()
    api.url = f"http://127.0.0.1:{server.server_address[1]}/api/"
    api.socket_url = f"ws://127.0.0.1:{sockets.socket.getsockname()[1]}"
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        sockets.shutdown()
        for thread in threads:
            thread.join(10)


def _read_form(body: bytes) -> Json:
    return {name: values[0] for name, values in parse_qs(body.decode()).items()}
