"""Webhooks: signed as the standard says, to checked addresses, within a deadline, with an outcome for everything."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import ssl
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.actions.receivers.base import Delivery, DeliveryResult, failure_by_status, parse_retry_after
from monitor.actions.receivers.destination import Refused, Unresolved, check
from monitor.actions.receivers.webhook import Webhook
from monitor.actions.receivers.webhook.config import WebhookConfig
from monitor.actions.receivers.webhook.signature import sign, verify
from monitor.config.load import load
from monitor.config.models import ConfigError
from tests.receivers.test_contract import raw
from tests.support.receiver import Receiver, listening
from tests.support.receivers import NOW, attempt, make_certificate, settings_of

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
MESSAGE = Delivery("msg-1", "rollback", {"type": "driftd.rollback", "data": {"é": 1.5}}, NOW)


def independent(key: bytes, headers: dict[str, str], body: bytes) -> bool:
    """Verify from the text of the standard, without our code."""
    signed = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(part == f"v1,{wanted}" for part in headers["webhook-signature"].split(" "))


def hook(url: str, seconds: float = 1.0, **changes: object) -> Webhook:
    config = settings_of("webhook", url=url, secret=SECRET, timeout=seconds)
    assert isinstance(config, WebhookConfig)
    return Webhook(config, **changes)  # type: ignore[arg-type]


def test_what_arrives_is_signed_over_its_exact_bytes() -> None:
    with listening(Receiver()) as receiver:
        outcome = attempt(hook(receiver.url + "/back?x=1"), MESSAGE)
        (request,) = receiver.requests
    assert outcome.delivered
    assert request.path == "/back?x=1"
    assert independent(KEY, request.headers, request.body)
    assert verify(SECRET, request.headers, request.body, NOW)
    assert request.headers["webhook-id"] == "msg-1"
    assert json.loads(request.body) == MESSAGE.payload


def test_a_rotated_secret_signs_twice_and_a_forged_or_old_request_fails() -> None:
    headers = sign(f"{SECRET} other-secret", "m", NOW, b"{}")
    assert len(headers["webhook-signature"].split()) == 2
    assert verify("other-secret", headers, b"{}", NOW)
    assert verify(SECRET, headers, b"{}", NOW + timedelta(minutes=4))
    assert not verify(SECRET, headers, b"{ }", NOW)
    assert not verify("wrong", headers, b"{}", NOW)
    assert not verify(SECRET, headers, b"{}", NOW + timedelta(minutes=6))
    assert not verify(SECRET, {}, b"{}", NOW)


@pytest.mark.parametrize(
    ("status", "reason", "retry"),
    [
        (200, "delivered", False),
        (204, "delivered", False),
        (409, "delivered", False),
        (301, "client", False),
        (400, "client", False),
        (401, "auth", False),
        (403, "auth", False),
        (404, "client", False),
        (408, "timeout", True),
        (410, "client", False),
        (429, "rate_limited", True),
        (500, "server", True),
        (502, "server", True),
        (503, "server", True),
    ],
)
def test_every_status_has_its_outcome(status: int, reason: str, retry: bool) -> None:
    with listening(Receiver(lambda _: (status, {"location": "http://127.0.0.1:1/"}, b"secret words"))) as receiver:
        outcome = attempt(hook(receiver.url), MESSAGE)
        assert len(receiver.requests) == 1
    assert (outcome.reason, outcome.retry) == (reason, retry)
    assert "secret words" not in outcome.detail
    assert "127.0.0.1" not in outcome.detail


def test_a_payload_that_is_no_json_fails_for_good() -> None:
    result = attempt(hook("http://127.0.0.1:1/"), Delivery("msg-1", "rollback", {"value": float("nan")}, NOW))
    assert (result.reason, result.retry) == ("client", False)


def test_a_body_without_an_end_is_delivered_and_left() -> None:
    with raw(lambda c: (c.sendall(b"HTTP/1.1 200 OK\r\n\r\n"), [c.sendall(b"x" * 65536) for _ in range(16384)])) as url:
        assert attempt(hook(url), MESSAGE).delivered


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        ("0", 0),
        ("-5", 0),
        ("1e30", 3600),
        ("99999999", 3600),
        ("Mon, 23 Nov 2026 12:01:00 GMT", 60),
        ("Mon, 23 Nov 2020 12:01:00 GMT", 0),
        ("soon", None),
        ("nan", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_held_in_bounds(text: str | None, seconds: int | None) -> None:
    pause = parse_retry_after(text, NOW)
    assert pause == (None if seconds is None else timedelta(seconds=seconds))
    assert failure_by_status(503, text, NOW).retry_after == pause


def test_a_resolver_that_hangs_is_left_behind_and_not_asked_again_meanwhile() -> None:
    over, asked, answered = threading.Event(), [], threading.Event()

    def resolve(host: str, port: int) -> list[str]:
        asked.append((host, port))
        over.wait(30)
        answered.set()
        return ["127.0.0.1"]

    sender = hook("http://deploy.internal/", 0.3, resolve=resolve)
    try:
        outcomes = [attempt(sender, MESSAGE) for _ in range(3)]
        assert not answered.is_set()
    finally:
        over.set()
    assert [(outcome.reason, outcome.retry) for outcome in outcomes] == [("timeout", True)] * 3
    assert len(asked) == 1


def test_nobody_listening_and_no_such_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert attempt(hook(f"http://127.0.0.1:{port}"), MESSAGE).reason == "refused"

    def unknown(host: str, port: int) -> list[str]:
        raise OSError

    outcome = attempt(hook("https://nowhere.invalid", resolve=unknown), MESSAGE)
    assert (outcome.reason, outcome.retry) == ("dns", True)


HOSTILE = [
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://x/",
    "https://",
    "https://user:pw@example.com/",
    "https://user@example.com/",
    "http://[::1",
    "https://example.com:99999/",
    "",
    "example.com",
    "//example.com",
]
REFUSED = [
    "169.254.169.254",
    "169.254.0.1",
    "0.0.0.0",
    "0.1.2.3",
    "224.0.0.1",
    "255.255.255.255",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "::",
    "ff02::1",
    "::ffff:169.254.169.254",
    "240.0.0.1",
    "not an address",
]


@pytest.mark.parametrize("url", HOSTILE)
def test_a_hostile_url_is_refused(url: str) -> None:
    with pytest.raises(Refused):
        check(url, lambda _host, _port: ["8.8.8.8"])


@pytest.mark.parametrize("address", REFUSED)
def test_an_address_that_no_receiver_has_is_refused_even_beside_a_good_one(address: str) -> None:
    with pytest.raises(Refused):
        check("https://example.com/", lambda _host, _port: ["8.8.8.8", address])


def test_plain_http_stays_at_home() -> None:
    for address in ("127.0.0.1", "10.1.2.3", "192.168.0.9", "::1", "fd12::1"):
        assert check("http://deploy.internal/", lambda _h, _p, a=address: [a]).address == address
    with pytest.raises(Refused):
        check("http://example.com/", lambda _host, _port: ["8.8.8.8"])
    with pytest.raises(Unresolved):
        check("https://example.com/", lambda _host, _port: [])


def test_the_checked_address_is_the_one_that_is_connected_to() -> None:
    """A name that answers otherwise the second time (rebinding) is asked only once."""
    asked = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    with listening(Receiver()) as receiver:
        port = receiver.url.rsplit(":", 1)[1]
        outcome = attempt(hook(f"http://deploy.internal:{port}/", resolve=rebinding), MESSAGE)
        assert receiver.requests[0].headers["host"] == f"deploy.internal:{port}"
    assert outcome.delivered
    assert asked == ["deploy.internal"]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a self-signed certificate for deploy.internal."""
    return make_certificate(tmp_path_factory.mktemp("tls"), "deploy.internal")


@pytest.mark.parametrize(
    ("host", "trusted", "reason"),
    [("deploy.internal", True, "delivered"), ("deploy.internal", False, "tls"), ("other.internal", True, "tls")],
)
def test_tls_is_verified_against_the_name_and_the_authority(
    certificates: Path, host: str, trusted: bool, reason: str
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")

    def behave(connection: socket.socket) -> None:
        try:
            with context.wrap_socket(connection, server_side=True) as secured:
                request = b""
                while not request.endswith(b"}}"):  # all of it, or closing would reset the connection
                    request += secured.recv(65536)
                secured.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        except (ssl.SSLError, OSError):
            pass

    with raw(behave) as url:
        port = url.rsplit(":", 1)[1]
        authority = certificates / "cert.pem" if trusted else None
        config = settings_of("webhook", url=f"https://{host}:{port}", secret=SECRET, timeout=30, ca_file=authority)
        assert attempt(Webhook(config, lambda _h, _p: ["127.0.0.1"]), MESSAGE).reason == reason


def test_certificates_that_cannot_be_read_are_named_and_https_is_not_tried_without_them(tmp_path: Path) -> None:
    config = settings_of("webhook", url="https://127.0.0.1:1/", secret=SECRET, ca_file=tmp_path / "none.pem")
    assert attempt(Webhook(config), MESSAGE) == DeliveryResult("tls", "the certificates of `ca_file:` cannot be read")


def test_the_path_of_certificates_is_relative_to_the_configuration(tmp_path: Path) -> None:
    hook = {"kind": "webhook", "url": "https://deploy.internal/", "secret": "s", "ca_file": "ca.pem"}
    source = {"url": "sqlite://", "table": "log", "columns": {"timestamp": "at"}}
    file = {"receivers": {"back": hook}, "monitors": [{"name": "bot", "source": source}]}
    (tmp_path / "driftd.yaml").write_text(json.dumps(file))
    assert load(tmp_path / "driftd.yaml").receivers["back"].ca_file == tmp_path / "ca.pem"


def test_a_preview_shows_neither_the_path_nor_the_signature() -> None:
    preview = hook("https://deploy.internal/hooks/canary?token=canary").describe_request(MESSAGE)
    assert (preview.method, preview.url) == ("POST", "https://deploy.internal/…")
    assert preview.headers["webhook-id"] == "msg-1"
    assert preview.headers["webhook-signature"] == preview.headers["webhook-timestamp"] == "…"
    assert json.loads(preview.body) == MESSAGE.payload


EFFECT = Delivery(
    "msg-1",
    "rollback",
    {
        "type": "driftd.rollback",
        "timestamp": "2026-11-23T12:00:00+00:00",
        "data": {
            "monitor": "bot",
            "headline": 'bot: "it" rose\n{id}',
            "incident": {"id": "i-1", "state": "firing", "rule": "answers", "opened_at": "2026-11-23T11:00:00+00:00"},
            "observed_version": {"model_version": "v8"},
            "target": {"model_version": "v7", "rows": 900},
        },
    },
    NOW,
)


def test_a_template_is_filled_with_values_that_stay_what_they_are_and_escape_nothing() -> None:
    body = {
        "event_type": "rollback",
        "client_payload": {"model": "registry/{version}", "bad": "{bad_version}", "all": "{data}", "key": "{id}"},
        "text": "{monitor}: {headline}",
        "list": ["{retraining}", 1, True, None, "{{id}}", "none: {retraining}"],
    }
    with listening(Receiver()) as receiver:
        config = settings_of(
            "webhook", url=receiver.url, secret=SECRET, method="PATCH", headers={"X-Key": "canary"}, body=body
        )
        assert attempt(Webhook(config), EFFECT).delivered
        preview = Webhook(config).describe_request(EFFECT)
        (request,) = receiver.requests
    assert request.method == preview.method == "PATCH"
    assert request.headers["x-key"] == "canary"
    assert independent(KEY, request.headers, request.body)
    assert "canary" not in repr(preview) + repr(config) + config.model_dump_json()
    assert request.body.decode() == preview.body
    assert json.loads(request.body) == {
        "event_type": "rollback",
        "client_payload": {
            "model": "registry/v7",
            "bad": "v8",
            "all": EFFECT.payload["data"],
            "key": "msg-1",
        },
        "text": 'bot: bot: "it" rose\n{id}',
        "list": [None, 1, True, None, "{id}", "none: "],
    }


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"body": {"a": ["{vresion}"]}}, "there is no field 'vresion'.*Did you mean 'version'"),
        ({"body": "{data.monitor}"}, "there is no field 'data.monitor'"),
        ({"body": "{id!r}"}, "expected fields such as {version}"),
        ({"body": "{id:>9}"}, "expected fields such as {version}"),
        ({"body": "{id"}, "expected fields such as {version}; write {{ and }} for braces"),
        ({"body": "{}"}, "there is no field ''"),
        ({"method": "GET"}, "'POST', 'PUT' or 'PATCH'"),
        ({"headers": {"a b": "canary"}}, "'a b' is not a name of a header"),
        ({"headers": {"": "canary"}}, "'' is not a name of a header"),
        ({"headers": {"Host": "canary"}}, "driftd sets the header 'Host' itself"),
        ({"headers": {"Webhook-Signature": "canary"}}, "driftd sets the header 'Webhook-Signature' itself"),
        ({"headers": {"a": "canary\r\nb: c"}}, "the value of 'a' is not ASCII text"),
        ({"headers": {"a": ["canary"]}}, "valid string"),
    ],
)
def test_a_template_or_header_that_cannot_be_sent_is_an_error_of_the_configuration(
    tmp_path: Path, settings: dict[str, object], sentence: str
) -> None:
    hook = {"kind": "webhook", "url": "https://deploy.internal/", "secret": "s", **settings}
    source = {"url": "sqlite://", "table": "log", "columns": {"timestamp": "at"}}
    file = {"receivers": {"back": hook}, "monitors": [{"name": "bot", "source": source}]}
    (tmp_path / "driftd.yaml").write_text(json.dumps(file))
    with pytest.raises(ConfigError, match=sentence) as caught:
        load(tmp_path / "driftd.yaml")
    assert "canary" not in str(caught.value)
