"""Configuration of webhook receivers."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import SecretStr

from monitor.config.receivers import EffectReceiverConfig, HttpReceiverConfig


class WebhookConfig(EffectReceiverConfig, HttpReceiverConfig):
    """Sends POST requests to a URL, signed as defined by Standard Webhooks."""

    audience: ClassVar = "software"
    example: ClassVar = {"kind": "webhook", "url": "https://deploy.internal/rollback", "secret": "whsec_c2VjcmV0"}
    address_key: ClassVar = "url"

    kind: Literal["webhook"]
    """Kind of the receiver."""
    url: SecretStr
    """Destination; `url_file` reads it from a file."""
    secret: SecretStr
    """Signing secret, `whsec_…`; several separated by spaces during rotation; `secret_file` reads it from a file."""
