"""Configuration of Microsoft Teams receivers."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import SecretStr

from monitor.config.receivers import HttpReceiverConfig


class TeamsConfig(HttpReceiverConfig):
    """Posts Adaptive Cards to a channel or chat of Microsoft Teams, by a webhook of Workflows."""

    example: ClassVar = {
        "kind": "teams",
        "url": "https://prod-1.westeurope.logic.azure.com/workflows/1/invoke?sig=abcd",
    }
    address_key: ClassVar = "url"
    permissions: ClassVar = (
        "The workflow *Send webhook alerts to a channel* accepts requests of anyone who has its URL. Teams has no "
        "threads for webhooks: each message is a post of its own."
    )

    kind: Literal["teams"]
    """Kind of the receiver."""
    url: SecretStr
    """URL of the workflow, which is a secret; `url_file` reads it from a file."""
