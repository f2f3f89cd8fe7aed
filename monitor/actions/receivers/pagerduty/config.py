"""Configuration of PagerDuty receivers."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import SecretStr

from monitor.config.receivers import DigestSettings, HttpReceiverConfig


class PagerDutyConfig(HttpReceiverConfig):
    """Triggers, acknowledges and resolves alerts of PagerDuty, by Events API v2."""

    example: ClassVar = {"kind": "pagerduty", "routing_key": "e93facc04764012d7bfb002500d5d1a6"}
    address_key: ClassVar = "base_url"
    permissions: ClassVar = (
        "The service has an integration *Events API v2*, whose integration key is the routing key. An incident is one "
        "alert, whose `dedup_key` is its id; a verdict is a change event, which pages nobody."
    )

    kind: Literal["pagerduty"]
    """Kind of the receiver."""
    digest: DigestSettings | None = None
    """Digests of many incidents; off, since the service groups alerts and each is resolved by itself."""
    routing_key: SecretStr
    """Integration key; `routing_key_file` reads it from a file."""
    base_url: str = "https://events.pagerduty.com"
    """Address of the API; in the EU `https://events.eu.pagerduty.com`."""
