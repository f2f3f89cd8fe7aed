"""E-mail receiver: one message per attempt; the messages of an incident are a thread."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from monitor.actions.receivers.base import Deadline, Delivery, DeliveryResult, NotDelivered, RequestPreview
from monitor.actions.receivers.email.config import EmailConfig


class Email:
    """Sends messages by SMTP; ``authority`` as in :class:`SmtpTransport`."""

    kind: ClassVar = "email"
    Config: ClassVar = EmailConfig

    def __init__(self, config: EmailConfig, authority: Path | None = None) -> None:
        from monitor.actions.receivers.email.layout import compose
        from monitor.actions.receivers.email.transport import SmtpTransport

        self._compose = compose
        self._config = config
        self._transport = SmtpTransport(config, authority)

    def deliver(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
        """Try to deliver once; the receipt of the first message of an incident has the id of its thread."""
        mail = self._compose(delivery, self._config, deadline.started_at)
        try:
            refused = self._transport.send(mail, deadline)
        except NotDelivered as failure:
            return failure.result
        detail = f"{refused} of {len(self._config.to)} recipients were refused" if refused else ""
        return DeliveryResult("delivered", detail, receipt={"message_id": mail["Message-ID"]})

    def describe_request(self, delivery: Delivery) -> RequestPreview:
        """Return headers and plain text of the e-mail."""
        mail = self._compose(delivery, self._config, delivery.created_at)
        plain = mail.get_body(("plain",))
        text = str(plain.get_content()) if plain is not None else ""
        return RequestPreview("SMTP", self._config.server, {name: str(value) for name, value in mail.items()}, text)
