"""E-mail at the wire: what is sent, encrypted and to whom, what becomes of the server's answers, and threads."""

from __future__ import annotations

import ssl
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from monitor.actions.receivers.base import Delivery, DeliveryResult
from monitor.actions.receivers.email import Email
from monitor.actions.receivers.email.config import EmailConfig
from monitor.actions.receivers.email.layout import compose
from tests.support.receivers import NOW, attempt, make_certificate, settings_of
from tests.support.smtp import MailServer, listening

OPEN = {"security": "none", "username": None, "password": None}
DATA: dict[str, Any] = {
    "monitor": "bot",
    "severity": "critical",
    "headline": "bot: failure rate 31 % (95 % interval 28–34 %), baseline 5 %",
    "incident": {"id": "i-1", "rule": "errors", "opened_at": NOW.isoformat(), "reason": "failure rate 31 %"},
    "findings": [{"reason": "failure rate <b>31 %</b>", "n_window": 900}],
    "actions": [{"id": "a-1", "name": "back", "kind": "rollback", "state": "awaiting_approval", "target": None}],
    "link": "https://driftd.example.com/incidents/i-1",
}


def message(kind: Any = "firing", thread: dict[str, object] | None = None, key: str = "id-1", **data: Any) -> Delivery:
    payload: Any = {"type": "", "timestamp": NOW.isoformat(), "data": {**DATA, **data}}
    return Delivery(key, kind, payload, NOW, thread)


def config_of(**settings: Any) -> EmailConfig:
    config = settings_of("email", **settings)
    assert isinstance(config, EmailConfig)
    return config


def send(server: MailServer, delivery: Delivery, seconds: float = 10.0, **settings: Any) -> DeliveryResult:
    return attempt(Email(config_of(server=server.address, **{**OPEN, **settings})), delivery, seconds)


def part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def test_a_message_has_two_lines_that_matter_in_text_and_in_html() -> None:
    with listening(MailServer()) as server:
        result = send(server, message(), to=["on-call@example.com", "Ann <ann@example.com>"], timezone="Europe/Berlin")
        (mail,) = server.mails
    assert result == DeliveryResult("delivered", receipt={"message_id": "<id-1@example.com>"})
    assert server.recipients == [["on-call@example.com", "ann@example.com"]]
    assert mail["Subject"] == "[critical] bot: failure rate 31 %, baseline 5 %"
    assert (mail["Auto-Submitted"], mail["Date"]) == ("auto-generated", "Mon, 23 Nov 2026 12:00:00 +0000")
    first, second = part(mail, "plain").split("\n\n")[:2]
    assert first == DATA["headline"]
    assert second.startswith("Critical since 2026-11-23 12:00 UTC (13:00 CET). ")
    assert "Rollback (back) waits for approval:\n    driftd actions approve a-1" in second
    assert "Incident: https://driftd.example.com/incidents/i-1" in part(mail, "plain")
    html = part(mail, "html")
    assert "<b>" not in html
    assert "&lt;b&gt;31 %&lt;/b&gt;" in html
    assert '<a href="https://driftd.example.com/incidents/i-1">' in html


def test_later_messages_refer_to_the_first_one_and_say_what_is_new() -> None:
    first = compose(message(), config_of(), NOW)
    thread: dict[str, object] = {"message_id": first["Message-ID"]}
    over = compose(message("resolved", thread, "id-2", headline="bot: resolved after 2h; peak: 31 %"), config_of(), NOW)
    assert (first["In-Reply-To"], first["References"]) == (None, None)
    assert (over["In-Reply-To"], over["References"]) == (first["Message-ID"],) * 2
    assert over["Message-ID"] == "<id-2@example.com>"
    assert over["Subject"] == "[resolved] bot: after 2h; peak: 31 %"
    assert "Findings" not in part(over, "plain")
    alone = compose(message("resolved", None, "id-2", headline="bot: resolved after 2h"), config_of(), NOW)
    assert "Findings" in part(alone, "plain")  # nobody was told before


@pytest.mark.parametrize(
    "text",
    ["x" * 500, "a\r\nBcc: evil@example.com", "\u202eevil\x00" * 99, "\ud83e" * 99, "–" * 99],
    ids=["long", "lines", "controls", "halves", "dashes"],
)
def test_a_subject_is_one_line_of_at_most_78_characters(text: str) -> None:
    mail = compose(message(headline=text, summary=text), config_of(), NOW)
    assert len(mail["Subject"]) <= 78
    assert mail["Bcc"] is None
    assert b"\r\nBcc" not in mail.as_bytes()
    assert all(len(line) <= 998 for line in mail.as_bytes().splitlines())


@pytest.mark.parametrize(
    ("verb", "answer", "reason", "retry"),
    [
        ("", "421 too busy", "server", True),
        ("", "554 no", "client", False),
        ("MAIL", "451 later", "server", True),
        ("MAIL", "550 no such sender", "client", False),
        ("RCPT", "450 greylisted", "server", True),
        ("RCPT", "550 no such user", "client", False),
        ("DATA", "452 full", "server", True),
        ("DATA", "554 spam", "client", False),
        ("", "garbage", "other", True),
    ],
)
def test_every_answer_has_its_result(verb: str, answer: str, reason: str, retry: bool) -> None:
    with listening(MailServer({verb: f"{answer} with secret words" if answer != "garbage" else answer})) as server:
        result = send(server, message())
    assert (result.reason, result.retry, server.mails) == (reason, retry, [])
    assert "secret words" not in repr(result)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"), "localhost")


def context_of(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_login_is_sent_by_verified_tls_only(folder: Path, security: str) -> None:
    with listening(MailServer(tls=context_of(folder), implicit=security == "tls")) as server:
        config = config_of(server=server.address, security=security)
        assert attempt(Email(config, folder / "cert.pem"), message()).delivered
        assert attempt(Email(config), message()).reason == "tls"  # the system does not trust it
        assert server.logins == [("driftd", "correct-horse")]
        assert len(server.mails) == 1


def test_a_wrong_password_is_final_and_a_server_without_tls_gets_none(folder: Path) -> None:
    with listening(MailServer({"AUTH": "535 wrong"}, context_of(folder))) as server:
        result = attempt(Email(config_of(server=server.address), folder / "cert.pem"), message())
    assert (result.reason, result.retry) == ("auth", False)
    with listening(MailServer()) as server:
        result = attempt(Email(config_of(server=server.address)), message())
        assert (result.reason, result.retry, server.logins) == ("tls", False, [])
        assert "AUTH" not in server.verbs


def test_a_message_that_was_accepted_is_delivered_whatever_follows() -> None:
    with listening(MailServer({"QUIT": "500 never"})) as server:
        assert send(server, message()).delivered
        assert send(server, message(), timeout=timedelta(seconds=5)).delivered
    assert len(server.mails) == 2


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"security": "none"}, "a login needs"),
        ({"password": None}, "are needed together"),
        ({"to": []}, "at least 1 item"),
        ({"to": ["nobody"]}, "expected an e-mail address"),
        ({"from": "a@b.example\nBcc: c@d.example"}, "expected an e-mail address"),
        ({"server": "smtp://mail:25"}, "pattern"),
        ({"timezone": "Mars/Olympus"}, "IANA time zone"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        config_of(**settings)
