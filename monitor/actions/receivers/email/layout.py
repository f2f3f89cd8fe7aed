"""Lay a message out as an e-mail: a subject, plain text, and HTML of the same content."""

from __future__ import annotations

from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from jinja2 import Environment, PackageLoader

from monitor.actions.receivers.base import THREADED, Delivery
from monitor.actions.receivers.email.config import EmailConfig
from monitor.actions.receivers.plain_message import render_lines
from monitor.actions.receivers.plain_text import one_line
from monitor.alerting.messages.headline import shorten_headline
from monitor.alerting.messages.message import Message

SUBJECT = 78
"""Maximum length of a subject, see RFC 5322."""
TEMPLATES = Environment(
    loader=PackageLoader("monitor.actions.receivers.email", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True
)
COLOURS = {"critical": "#c62828", "warning": "#e08600", "info": "#1565c0", "resolved": "#2e7d32"}


def compose(delivery: Delivery, config: EmailConfig, now: datetime) -> EmailMessage:
    """Return the e-mail of a delivery.

    The message id is that of the action, so that retries can be recognised as the same message. Later messages of an
    incident refer to the first one.
    """
    first = (delivery.thread or {}).get("message_id")
    message = render_lines(delivery, config.zone, follows=first is not None and delivery.kind in THREADED)
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = write_subject(message)
    mail["From"] = config.sender
    mail["To"] = ", ".join(config.to)
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{delivery.id}@{parseaddr(config.sender)[1].rpartition('@')[2]}>"
    if first:
        mail["In-Reply-To"] = mail["References"] = str(first)
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(TEMPLATES.get_template("message.txt").render(message=message))
    colour = COLOURS.get("resolved" if message.state == "resolved" else message.severity, "#555555")
    html = TEMPLATES.get_template("message.html").render(message=message, colour=colour)
    mail.add_alternative(html, subtype="html")
    mail.set_boundary(f"=-{delivery.id}")  # the same for every attempt
    return mail


def write_subject(message: Message) -> str:
    """Return state or severity, and as much of the title as fits, without intervals."""
    mark = "resolved" if message.state == "resolved" else message.severity
    title = message.title.replace(": resolved after", ": after", 1) if mark == "resolved" else message.title
    return one_line(shorten_headline(f"[{mark}] {title}" if mark else title), SUBJECT)
