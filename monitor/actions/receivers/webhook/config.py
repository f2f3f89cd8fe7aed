"""Configuration of webhook receivers."""

from __future__ import annotations

import re
from typing import ClassVar, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError

from monitor.config.receivers import EffectReceiverConfig, HttpReceiverConfig
from monitor.config.templates import Template

RESERVED_HEADERS = ("host", "content-length", "content-type", "transfer-encoding", "connection", "user-agent")
HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


class WebhookConfig(EffectReceiverConfig, HttpReceiverConfig):
    """Sends requests to a URL, signed as defined by Standard Webhooks."""

    audience: ClassVar = "software"
    example: ClassVar = {"kind": "webhook", "url": "https://deploy.internal/rollback", "secret": "whsec_c2VjcmV0"}
    address_key: ClassVar = "url"
    permissions: ClassVar = "The service verifies the signature with the same secret, see [webhooks.md](webhooks.md)."

    kind: Literal["webhook"]
    """Kind of the receiver."""
    url: SecretStr
    """Destination; `url_file` reads it from a file."""
    secret: SecretStr
    """Signing secret, `whsec_…`; several separated by spaces during rotation; `secret_file` reads it from a file."""
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    """Method of the request."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """Further headers, such as `authorization: Bearer ${TOKEN}`; their values are secret."""
    body: Template | None = None
    """Template of the JSON body, such as `{model: "{version}"}`; default: type, timestamp and data."""

    @field_validator("headers")
    @classmethod
    def _headers_are_valid(cls, headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, value in headers.items():
            if not HEADER_NAME.fullmatch(name):
                raise PydanticCustomError("header", "'{name}' is not a name of a header", {"name": name})
            if name.lower() in RESERVED_HEADERS or name.lower().startswith("webhook-"):
                raise PydanticCustomError("header", "driftd sets the header '{name}' itself", {"name": name})
            text = value.get_secret_value()
            if not text.isascii() or not text.isprintable():
                raise PydanticCustomError("header", "the value of '{name}' is not ASCII text", {"name": name})
        return {name.lower(): value for name, value in headers.items()}
