"""Send a message by SMTP with smtplib, with verified TLS and a limit on the whole attempt."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
from email.message import EmailMessage
from functools import partial
from pathlib import Path

from monitor.actions.receivers.base import Deadline, DeliveryResult, NotDelivered
from monitor.actions.receivers.email.config import EmailConfig
from monitor.core.bounded import Bounded

TRANSIENT = range(400, 500)


class SmtpTransport:
    """Sends messages to a mail server.

    Parameters
    ----------
    authority
        Certificates of a private authority, trusted instead of the system's.
    """

    def __init__(self, config: EmailConfig, authority: Path | None) -> None:
        host, _, port = config.server.rpartition(":")
        self._config, self._host, self._port = config, host.strip("[]"), int(port)
        self._trust = ssl.create_default_context(cafile=str(authority)) if authority else ssl.create_default_context()
        self._calls = Bounded()  # the timeout of the library applies to each read only

    def send(self, mail: EmailMessage, deadline: Deadline) -> int:
        """Send a message; return the number of recipients that were refused. Raises :class:`NotDelivered`."""
        seconds = deadline.within(self._config.timeout).seconds
        if not seconds:
            raise NotDelivered(DeliveryResult("timeout", "no time is left", retry=True))
        client = self._make_client(seconds + 1)  # so that it is this deadline that ends it
        try:
            return self._calls.call(partial(self._send, client, mail), seconds)
        except TimeoutError:
            _abort(client)
            result = DeliveryResult("timeout", f"the mail server did not answer within {seconds:.3g} s", retry=True)
        except smtplib.SMTPException as error:
            result = _describe_failure(error)
        except socket.gaierror:
            result = DeliveryResult("dns", "the host's name cannot be resolved", retry=True)
        except ssl.SSLError:
            result = DeliveryResult("tls", "the certificate or the handshake was rejected")
        except ConnectionRefusedError:
            result = DeliveryResult("refused", "the connection failed", retry=True)
        except (OSError, ValueError) as error:
            result = DeliveryResult("other", type(error).__name__, retry=True)
        raise NotDelivered(result)

    def _make_client(self, seconds: float) -> smtplib.SMTP:
        """Return a client that is not connected; it greets with the domain of the sender."""
        name = self._config.sender.rpartition("@")[2].strip("> ")
        if self._config.security == "tls":
            return smtplib.SMTP_SSL(local_hostname=name, timeout=seconds, context=self._trust)
        return smtplib.SMTP(local_hostname=name, timeout=seconds)

    def _send(self, client: smtplib.SMTP, mail: EmailMessage) -> int:
        client._host = self._host  # type: ignore[attr-defined]  # noqa: SLF001  the name that TLS verifies
        try:
            code, answer = client.connect(self._host, self._port)
            if code != 220:
                raise smtplib.SMTPConnectError(code, answer)
            if self._config.security == "starttls":
                client.starttls(context=self._trust)
            if self._config.username is not None and self._config.password is not None:
                client.login(self._config.username, self._config.password.get_secret_value())
            refused = client.send_message(mail)
            with contextlib.suppress(smtplib.SMTPException, OSError):  # the message was accepted
                client.quit()
            return len(refused)
        finally:
            client.close()


def _abort(client: smtplib.SMTP) -> None:
    """Close the connection, which ends the call that waits for it."""
    connected = getattr(client, "sock", None)
    if connected is not None:
        with contextlib.suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)


def _is_local(error: smtplib.SMTPResponseException) -> bool:
    """Return whether the library has given up on an endless line, for which it makes up a status."""
    return error.smtp_error == "Line too long."


def _describe_failure(error: smtplib.SMTPException) -> DeliveryResult:
    """Return the result of an attempt that the server refused, without what the server wrote."""
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return DeliveryResult("tls", "the mail server does not offer what `security:` or the login needs")
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return DeliveryResult("other", "the mail server closed the connection", retry=True)
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _ in error.recipients.values()]
        transient = any(code in TRANSIENT for code in codes)
        return DeliveryResult("server" if transient else "client", "all recipients were refused", retry=transient)
    code = error.smtp_code if isinstance(error, smtplib.SMTPResponseException) and not _is_local(error) else -1
    detail = f"status {code}"
    if isinstance(error, smtplib.SMTPAuthenticationError) and code not in TRANSIENT:
        return DeliveryResult("auth", detail)
    if code in TRANSIENT:
        return DeliveryResult("server", detail, retry=True)
    if code >= 500:
        return DeliveryResult("client", detail)
    return DeliveryResult("other", "the server does not speak SMTP", retry=True)
