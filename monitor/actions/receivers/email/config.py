"""Configuration of e-mail receivers."""

from __future__ import annotations

from datetime import timedelta
from email.utils import parseaddr
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from monitor.config.receivers import ReceiverConfig
from monitor.config.sections import Duration


def check_address(text: str) -> str:
    """Return an address if it has a local part and a domain."""
    local, _, domain = parseaddr(text)[1].rpartition("@")
    if not local or not domain or not text.isprintable():
        raise PydanticCustomError("address", "expected an e-mail address, such as on-call@example.com")
    return text


Address = Annotated[str, AfterValidator(check_address)]


class EmailConfig(ReceiverConfig):
    """Sends e-mail by SMTP, with TLS."""

    example: ClassVar = {
        "kind": "email",
        "server": "smtp.example.com:587",
        "username": "driftd",
        "password": "correct-horse",
        "from": "driftd@example.com",
        "to": ["on-call@example.com"],
    }
    address_key: ClassVar = "server"
    permissions: ClassVar = "The mail server accepts messages of the sender to the recipients, after the login if any."

    kind: Literal["email"]
    """Kind of the receiver."""
    server: str = Field(pattern=r"^[^\s/@]+:\d{1,5}$")
    """Host and port of the mail server; 587 for `starttls`, 465 for `tls`."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """`starttls` and `tls` verify the server's certificate; `none` is for a server on the same host, without login."""
    username: str | None = None
    """User of the login."""
    password: SecretStr | None = None
    """Password of the login; `password_file` reads it from a file."""
    sender: Address = Field(alias="from")
    """Address of the sender."""
    to: list[Address] = Field(min_length=1)
    """Addresses of the recipients."""
    timeout: Duration = timedelta(seconds=20)
    """Timeout of one attempt in total."""

    @model_validator(mode="after")
    def _login_is_encrypted(self) -> EmailConfig:
        if (self.username is None) != (self.password is None):
            raise PydanticCustomError("login", "`username:` and `password:` are needed together")
        if self.username is not None and self.security == "none":
            raise PydanticCustomError("login", "a login needs `security: starttls` or `security: tls`")
        return self
