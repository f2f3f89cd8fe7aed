"""Settings of a webhook."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Literal

from pydantic import SecretStr

from monitor.config.receivers import EffectReceiverConfig
from monitor.config.sections import Duration


class WebhookConfig(EffectReceiverConfig):
    """A URL that gets POST requests, signed after Standard Webhooks."""

    audience: ClassVar = "software"
    example: ClassVar = {"kind": "webhook", "url": "https://deploy.internal/rollback", "secret": "whsec_c2VjcmV0"}
    address_key: ClassVar = "url"

    kind: Literal["webhook"]
    """Kind of the receiver."""
    url: SecretStr
    """Destination; `url_file` reads it from a file."""
    secret: SecretStr
    """Signing secret, `whsec_…`; several, separated by spaces, while it is rotated."""
    timeout: Duration = timedelta(seconds=10)
    """Deadline of one attempt, from the first byte to the last."""
