"""Configuration of Opsgenie receivers."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, SecretStr

from monitor.config.receivers import DigestSettings, HttpReceiverConfig


class OpsgenieConfig(HttpReceiverConfig):
    """Creates, acknowledges and closes alerts of Opsgenie."""

    example: ClassVar = {"kind": "opsgenie", "api_key": "eb243592-faa2-4ba2-a551", "team": "ml-platform"}
    address_key: ClassVar = "base_url"
    permissions: ClassVar = (
        "The key is that of an integration *API* with the rights to create and update. An incident is one alert, whose "
        "alias is its id; a verdict is an alert that is closed at once."
    )

    kind: Literal["opsgenie"]
    """Kind of the receiver."""
    digest: DigestSettings | None = None
    """Digests of many incidents; off, since the service groups alerts and each is resolved by itself."""
    api_key: SecretStr
    """Key of the integration; `api_key_file` reads it from a file."""
    team: str | None = None
    """Team that responds; default: that of the integration."""
    tags: list[str] = Field(default_factory=list, max_length=17)
    """Further tags, besides monitor, rule and severity."""
    base_url: str = "https://api.opsgenie.com"
    """Address of the API; in the EU `https://api.eu.opsgenie.com`."""
