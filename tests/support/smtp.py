"""A mail server on loopback that keeps what it was sent, with STARTTLS and a login, written from the RFCs."""

from __future__ import annotations

import base64
import socketserver
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser


@dataclass
class MailServer:
    """``answers`` are replies by verb instead of the usual ones; ``logins`` are the users and passwords that came."""

    answers: Mapping[str, str] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    implicit: bool = False
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    verbs: list[str] = field(default_factory=list)
    address: str = ""


class Session:
    """One connection."""

    def __init__(self, server: MailServer, connection: socketserver.StreamRequestHandler) -> None:
        self.server, self.handler, self.encrypted, self.to = server, connection, server.implicit, []
        if server.implicit:
            self.encrypt()

    def encrypt(self) -> None:
        assert self.server.tls is not None
        self.handler.connection = self.server.tls.wrap_socket(self.handler.connection, server_side=True)
        self.handler.rfile = self.handler.connection.makefile("rb")
        self.encrypted = True

    def say(self, text: str) -> None:
        self.handler.connection.sendall(f"{text}\r\n".encode())

    def read(self) -> str:
        return self.handler.rfile.readline().decode().rstrip("\r\n")

    def run(self) -> None:
        self.say(self.server.answers.get("", "220 mail.internal"))
        while line := self.read():
            verb, _, rest = line.partition(" ")
            self.server.verbs.append(verb.upper())
            if answer := self.server.answers.get(verb.upper()):
                self.say(answer)
            elif verb.upper() == "QUIT":
                self.say("221 bye")
                return
            else:
                self.answer(verb.upper(), rest)

    def answer(self, verb: str, rest: str) -> None:
        if verb == "EHLO":
            offers = ["STARTTLS"] if self.server.tls and not self.encrypted else ["AUTH PLAIN"] * self.encrypted
            for line in ("250-mail.internal", *[f"250-{offer}" for offer in offers], "250 8BITMIME"):
                self.say(line)
        elif verb == "STARTTLS":
            self.say("220 go ahead")
            self.encrypt()
        elif verb == "AUTH":
            _, user, password = base64.b64decode(rest.partition(" ")[2]).decode().split("\0")
            self.server.logins.append((user, password))
            self.say("235 welcome")
        elif verb == "DATA":
            self.say("354 go on")
            lines = []
            while (line := self.handler.rfile.readline()) != b".\r\n":
                lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
            self.server.mails.append(BytesParser(policy=policy.default).parsebytes(b"".join(lines)))  # type: ignore[arg-type]
            self.server.recipients.append(self.to)
            self.to = []
            self.say("250 accepted")
        else:
            self.to += [rest.partition("<")[2].partition(">")[0]] if verb == "RCPT" else []
            self.say("250 fine")


@contextmanager
def listening(server: MailServer) -> Iterator[MailServer]:
    """Serve until the block ends."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with suppress(OSError, ssl.SSLError):
                Session(server, self).run()
            self.rfile.close()
            self.connection.close()

    class Listener(socketserver.ThreadingTCPServer):
        daemon_threads, allow_reuse_address = True, True

    with Listener(("127.0.0.1", 0), Handler) as listener:
        thread = threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        server.address = f"localhost:{listener.server_address[1]}"
        yield server
        listener.shutdown()
        thread.join(5)
