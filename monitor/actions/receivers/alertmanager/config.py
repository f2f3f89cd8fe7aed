"""Configuration of Alertmanager receivers."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from monitor.config.receivers import DigestSettings, HttpReceiverConfig
from monitor.config.sections import Duration

LabelName = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]
OWN_LABELS = ("alertname", "monitor", "rule", "severity", "incident")


class AlertmanagerConfig(HttpReceiverConfig):
    """Pushes alerts to an Alertmanager of Prometheus, by API v2."""

    example: ClassVar = {"kind": "alertmanager", "base_url": "http://alertmanager.internal:9093"}
    address_key: ClassVar = "base_url"
    permissions: ClassVar = (
        "Alertmanager has no login of its own; a proxy before it may want one. An alert has the labels `alertname`, "
        "`monitor`, `rule`, `severity` and `incident`. It ends when the incident does, or `expires` after the last "
        "message: let that be longer than `repeat_interval` of the rules. Write one receiver per replica of a cluster."
    )

    kind: Literal["alertmanager"]
    """Kind of the receiver."""
    digest: DigestSettings | None = None
    """Digests of many incidents; off, since the service groups alerts and each is resolved by itself."""
    base_url: str
    """Address of Alertmanager."""
    expires: Duration = timedelta(hours=24)
    """Time after the last message at which Alertmanager ends the alert; its `resolve_timeout` does not apply."""
    labels: dict[LabelName, str] = Field(default_factory=dict)
    """Further labels."""
    token: SecretStr | None = None
    """Bearer token of a proxy; `token_file` reads it from a file."""
    username: str | None = None
    """User of basic authentication."""
    password: SecretStr | None = None
    """Password of basic authentication; `password_file` reads it from a file."""

    @model_validator(mode="after")
    def _is_consistent(self) -> AlertmanagerConfig:
        if (self.username is None) != (self.password is None) or (self.token and self.username):
            raise PydanticCustomError("login", "write `token:`, or `username:` and `password:`")
        for name in self.labels:
            if name in OWN_LABELS:
                raise PydanticCustomError("label", "driftd sets the label '{name}' itself", {"name": name})
        return self
