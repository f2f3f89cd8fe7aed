"""What every receiver keeps, whatever the far side does: it never raises, ends by its deadline, and tells no secret.

The receivers come from the registry, so a new one is tested by its line there.
"""

from __future__ import annotations

import json
import logging
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple
from urllib.parse import unquote

import pytest
from pydantic import SecretStr, ValidationError
from structlog.testing import capture_logs

from monitor.actions.receivers import make_receivers
from monitor.actions.receivers.base import Delivery, DeliveryResult, Receiver
from monitor.actions.rehearsal import plan_test
from monitor.config.receivers import RECEIVERS, ReceiverConfig, config_model, read_receiver
from monitor.core.yamlfile import SECRET_KEYS
from tests.support import receiver as far
from tests.support import smtp
from tests.support.receivers import NOW, SMTP, attempt, delivery_for, effect, receiver_at

KINDS = sorted(RECEIVERS)
BY_HTTP = [kind for kind in KINDS if kind not in SMTP]
OK = b"HTTP/1.1 200 OK\r\n"
ERROR = b"HTTP/1.1 500 Internal Server Error\r\n"
WRITTEN = "words of the far side"


@contextmanager
def raw(behave: Callable[[socket.socket], object]) -> Iterator[str]:
    """Listen with a plain socket that behaves as it likes to each connection, until the test is over."""
    server = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection:
            connection.settimeout(30)
            try:
                behave(connection)
                over.wait(30)
            except OSError:
                pass

    def listen() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
    finally:
        over.set()
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(30)


def drip(connection: socket.socket, data: bytes) -> None:
    """Send byte by byte, for far longer than the deadline."""
    for place in range(len(data)):
        connection.sendall(data[place : place + 1])
        threading.Event().wait(0.05)


def reset(connection: socket.socket, after: int = 10) -> None:
    connection.recv(after)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    connection.close()


class Misbehaviour(NamedTuple):
    behave: Callable[[socket.socket], object]
    reasons: tuple[str, ...]
    """What the result may say; all of them are tried again."""


ENDS = ("other", "refused")
"""A side that closes before it has read everything resets the connection, or not, as the network has it."""

MISBEHAVIOURS = {
    "accepts and never answers": Misbehaviour(lambda c: c.recv(1), ("timeout",)),
    "drips its headers": Misbehaviour(lambda c: drip(c, OK + b"a: b\r\n" * 100), ("timeout",)),
    "drips its body": Misbehaviour(
        lambda c: (c.sendall(OK + b"content-length: 999\r\n\r\n"), drip(c, b"x" * 600)), ("timeout",)
    ),
    "never ends its body": Misbehaviour(lambda c: c.sendall(OK + b"content-length: 9\r\n\r\n1"), ("timeout",)),
    "floods with 1xx": Misbehaviour(
        lambda c: [c.sendall(b"HTTP/1.1 100 Continue\r\n\r\n") for _ in range(50)], ("timeout", "other")
    ),
    "resets at once": Misbehaviour(reset, ENDS),
    "closes at once": Misbehaviour(lambda c: c.close(), ENDS),
    "speaks nonsense": Misbehaviour(lambda c: (c.recv(65536), c.sendall(b"\x00\xff" * 500), c.close()), ENDS),
    "speaks another protocol": Misbehaviour(lambda c: (c.recv(65536), c.sendall(b"SSH-2.0-x\r\n"), c.close()), ENDS),
    "sends a wrong length": Misbehaviour(
        lambda c: (c.recv(65536), c.sendall(ERROR + b"content-length: -1\r\n\r\n"), c.close()),
        ("other", "refused", "server"),
    ),
    "sends endless headers": Misbehaviour(lambda c: c.sendall(OK + b"a: b\r\n" * 200_000), ("other", "refused")),
    "sends a huge error": Misbehaviour(
        lambda c: (c.sendall(ERROR + b"\r\n"), [c.sendall(b"x" * 65536) for _ in range(16384)]), ("server",)
    ),
}

BY_SMTP = {
    "resets at once": Misbehaviour(lambda c: reset(c, after=0), ENDS),
    "closes at once": MISBEHAVIOURS["closes at once"],
    "accepts and never answers": Misbehaviour(lambda _: None, ("timeout",)),
    "drips its greeting": Misbehaviour(lambda c: drip(c, b"220-a\r\n" * 100), ("timeout",)),
    "never ends its greeting": Misbehaviour(lambda c: c.sendall(b"220-mail.internal\r\n"), ("timeout",)),
    "never answers after its greeting": Misbehaviour(lambda c: c.sendall(b"220 mail.internal\r\n"), ("timeout",)),
    "speaks nonsense": Misbehaviour(lambda c: (c.sendall(b"\x00\xff" * 500), c.close()), ENDS),
    "speaks another protocol": Misbehaviour(lambda c: (c.sendall(b"SSH-2.0-x\r\n"), c.close()), ENDS),
    "sends an endless line": Misbehaviour(lambda c: c.sendall(b"220 " + b"x" * 1_000_000), ("server", *ENDS)),
    "closes after its greeting": Misbehaviour(lambda c: (c.sendall(b"220 a\r\n"), c.recv(99), c.close()), ENDS),
}
CASES = [
    pytest.param(kind, each, id=f"{kind}-{name}")
    for kind in KINDS
    for name, each in (BY_SMTP if kind in SMTP else MISBEHAVIOURS).items()
]


@contextmanager
def refusing(kind: str) -> Iterator[str]:
    """Listen as a far side that refuses everything for now."""
    if kind in SMTP:
        with smtp.listening(smtp.MailServer({"MAIL": "451 later"})) as server:
            yield f"http://{server.address}/"
    else:
        with far.listening(far.Receiver(lambda _: (500, {}, b""))) as side:
            yield side.url


@pytest.fixture(params=BY_HTTP)
def http_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def watched(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[Receiver | str, Any], None]]:
    """Return a check that neither a result nor a line of the log holds a secret or what the far side wrote."""
    caplog.set_level(logging.DEBUG)
    with capture_logs() as lines:

        def assert_discreet(kind: str, result: DeliveryResult) -> None:
            said = repr((result, lines, [record.getMessage() for record in caplog.records]))
            for secret in [*secrets_of(read_receiver(config_model(kind).example)), WRITTEN]:
                assert secret not in said

        yield assert_discreet  # type: ignore[misc]


def secrets_of(config: ReceiverConfig) -> list[str]:
    values = [getattr(config, name) for name in type(config).model_fields]
    return [value.get_secret_value() for value in values if isinstance(value, SecretStr)]


@pytest.mark.parametrize(("kind", "misbehaviour"), CASES)
def test_a_far_side_that_misbehaves_costs_one_bounded_attempt(
    kind: str, misbehaviour: Misbehaviour, watched: Any
) -> None:
    """The far side goes on until the test is over, so that an attempt that returns has ended by itself."""
    behave, reasons = misbehaviour
    with raw(behave) as url:
        result = attempt(receiver_at(kind, url), delivery_for(kind), 0.4)
    assert result.reason in reasons
    assert result.retry
    watched(kind, result)


@pytest.mark.parametrize(
    ("status", "reason", "retry"),
    [
        (302, "client", False),
        (400, "client", False),
        (401, "auth", False),
        (403, "auth", False),
        (404, "client", False),
        (408, "timeout", True),
        (410, "client", False),
        (425, "timeout", True),
        (429, "rate_limited", True),
        (500, "server", True),
        (502, "server", True),
        (503, "server", True),
        (504, "server", True),
    ],
)
def test_every_status_has_its_result(http_kind: str, status: int, reason: str, retry: bool, watched: Any) -> None:
    body = json.dumps({"ok": False, "error": WRITTEN}).encode()
    with far.listening(far.Receiver(lambda _: (status, {}, body))) as side:
        result = attempt(receiver_at(http_kind, side.url), delivery_for(http_kind))
        assert len(side.requests) == 1
    assert (result.reason, result.retry) == (reason, retry)
    watched(http_kind, result)


def test_a_redirect_is_not_followed_and_takes_no_secret_along(http_kind: str, watched: Any) -> None:
    for status in (301, 302, 303, 307, 308):
        with far.listening(far.Receiver()) as private:
            answer = (status, {"location": f"{private.url}/latest/meta-data"}, b"")
            with far.listening(far.Receiver(lambda _, answer=answer: answer)) as side:
                result = attempt(receiver_at(http_kind, side.url), delivery_for(http_kind))
            assert private.requests == []
        assert (result.delivered, result.retry) == (False, False)
        watched(http_kind, result)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("name", ["retry-after", "Retry-After", "RETRY-AFTER"])
def test_a_pause_that_is_asked_for_is_told(http_kind: str, status: int, name: str) -> None:
    with far.listening(far.Receiver(lambda _: (status, {name: "7"}, b""))) as side:
        assert attempt(receiver_at(http_kind, side.url), delivery_for(http_kind)).retry_after == timedelta(seconds=7)


def test_what_is_read_of_an_answer_is_bounded(kind: str) -> None:
    sent = 0

    def flood(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(ERROR + b"\r\n")
        while True:
            sent += connection.send(b"x" * 65536)

    with raw(flood) as url:
        attempt(receiver_at(kind, url), delivery_for(kind))
    assert sent < 32 * 1024 * 1024  # what is read, and what the buffers of two sockets hold


def test_nobody_listens(kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    result = attempt(receiver_at(kind, f"http://127.0.0.1:{port}/"), delivery_for(kind))
    assert (result.reason, result.retry) == ("refused", True)


@pytest.mark.parametrize("payload", [{}, {"data": None}, {"data": {"findings": None, "news": None, "actions": None}}])
@pytest.mark.parametrize("action", ["firing", "update", "resolved", "expired", "verdict", "breaker", "rollback"])
def test_no_payload_is_too_poor(kind: str, payload: dict[str, Any], action: Any) -> None:
    with refusing(kind) as url:
        result = attempt(receiver_at(kind, url), Delivery("id-1", action, payload, NOW))
    only_effects = read_receiver(config_model(kind).example).effect_settings is not None
    assert result.reason in (("client", "server") if only_effects else ("server",))


def test_an_attempt_whose_deadline_has_passed_is_none(kind: str) -> None:
    over = threading.Event()
    with raw(lambda _: over.wait(30)) as url:
        result = attempt(receiver_at(kind, url), delivery_for(kind), 0.0)
        over.set()
    assert (result.reason, result.retry) == ("timeout", True)


def test_a_preview_is_the_request_that_is_sent_without_its_secrets(http_kind: str, watched: Any) -> None:
    with far.listening(far.Receiver()) as side:
        receiver = receiver_at(http_kind, side.url)
        preview = receiver.describe_request(delivery_for(http_kind))
        assert side.requests == []
        attempt(receiver, delivery_for(http_kind))
        request = side.requests[-1]
    watched(http_kind, preview)
    if preview.note:  # of a request that depends on what is read before it
        return
    assert preview.method == request.method
    assert f"{side.url}{request.path}".startswith(preview.url.rstrip("…"))
    assert set(preview.headers) <= set(request.headers)
    body = request.body.decode()
    for secret in secrets_of(read_receiver(config_model(http_kind).example)):
        body = body.replace(secret, "…")
    assert preview.body == body
    assert delivery_for(http_kind).id in f"{body}{request.headers}"  # so that duplicates can be recognised


MARK = re.compile(
    r'''driftd\.test|Test of the receiver|dryRun=All|"test": ?"?true|variables\[TEST\]=true|"test-1"''', re.IGNORECASE
)
"""What tells a test from anything else: its type, its words, its key, a template, or a request that is not stored."""


def make_tests(kind: str) -> list[Delivery]:
    """Return the deliveries of a test of the example of a kind."""
    planned = plan_test("it", read_receiver(config_model(kind).example), "ann", NOW, "1")
    return [Delivery(one.id, one.kind, one.payload, NOW) for one in planned]


def test_a_test_is_marked_or_only_reads(http_kind: str, watched: Any) -> None:
    """A far side recognises it, and a preview is what is sent."""
    workload = {"spec": {"selector": {"matchLabels": {"app": "bot"}}}, "items": []}
    body = json.dumps({"ok": True, "access_token": "t", **workload}).encode()
    with far.listening(far.Receiver(lambda _: (200, {}, body))) as side:
        receiver = receiver_at(http_kind, side.url)
        for delivery in make_tests(http_kind):
            preview = receiver.describe_request(delivery)
            result = attempt(receiver, delivery)
            watched(http_kind, (preview, result))
            assert result.delivered
            last = side.requests[-1]
            assert preview.method == last.method
            assert f"{side.url}{last.path}".startswith(preview.url.rstrip("…"))
        changing = [one for one in side.requests if one.method != "GET" and one.path != "/auth/token"]
    for request in changing:
        assert MARK.search(unquote(request.path + request.body.decode()).replace("\\", "")), request


def test_a_mail_of_a_test_says_so_in_its_subject() -> None:
    with smtp.listening(server := smtp.MailServer()) as side:
        receiver = receiver_at("email", f"http://{side.address}/")
        assert all(attempt(receiver, delivery).delivered for delivery in make_tests("email"))
    assert [mail["Subject"] for mail in server.mails] == [
        "[info] Test of the receiver 'it' by ann",
        "[resolved] Test of the receiver 'it' by ann",
    ]


@pytest.mark.parametrize(
    ("kind", "unmarked"),
    [
        ("github", {"inputs": {"version": "{version}"}}),
        ("github", {"workflow": None, "inputs": {}, "event_type": "back", "client_payload": {"to": "{version}"}}),
        ("gitlab", {"variables": {"VERSION": "{version}"}}),
        ("airflow", {"conf": {"version": "{version}"}}),
        ("webhook", {"body": {"model": ["{version}"]}, "effect": {"kind": "rollback"}}),
    ],
)
def test_a_template_without_a_mark_sends_no_test(kind: str, unmarked: dict[str, Any]) -> None:
    with far.listening(far.Receiver()) as side:
        receiver = receiver_at(kind, side.url, **unmarked)
        (test, *_) = make_tests(kind)
        result, preview = attempt(receiver, test), receiver.describe_request(test)
        assert side.requests == []
        assert attempt(receiver, effect()).reason != "client"  # what is no test needs no mark
        assert side.requests != []
    assert (result.reason, result.retry) == ("client", False)
    assert "add `{test}`" in result.detail
    assert (preview.method, preview.note) == ("", result.detail)


def test_a_receiver_is_of_its_kind(kind: str) -> None:
    config = read_receiver(config_model(kind).example)
    receiver = make_receivers({"it": config})["it"]
    assert (receiver.kind, receiver.Config, config.kind) == (kind, type(config), kind)
    assert config.address_key in type(config).model_fields
    secret_fields = {name for name in type(config).model_fields if isinstance(getattr(config, name), SecretStr)}
    assert secret_fields <= SECRET_KEYS  # which no error shows, and which can stand in a file of their own
    with pytest.raises(ValidationError, match="nonsense"):
        read_receiver({**config.example, "nonsense": 1})
    assert not any(secret in repr(config) + config.model_dump_json() for secret in secrets_of(config))
