"""Section `receivers:` of driftd.yaml: destinations of messages and effects. Each kind has its own model.

To add a kind, add a folder to `monitor/actions/receivers/` and a line to `RECEIVERS`.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from datetime import timedelta
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Protocol, Self
from zoneinfo import ZoneInfo

from pydantic import (
    Field,
    GetJsonSchemaHandler,
    PlainValidator,
    SerializeAsAny,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError

from monitor.config.sections import Duration, Section, Zone

RECEIVERS: dict[str, str] = {
    "slack": "monitor.actions.receivers.slack:Slack",
    "webhook": "monitor.actions.receivers.webhook:Webhook",
    "email": "monitor.actions.receivers.email:Email",
    "pagerduty": "monitor.actions.receivers.pagerduty:PagerDuty",
    "opsgenie": "monitor.actions.receivers.opsgenie:Opsgenie",
    "teams": "monitor.actions.receivers.teams:Teams",
    "alertmanager": "monitor.actions.receivers.alertmanager:Alertmanager",
    "mlflow": "monitor.actions.receivers.mlflow:Mlflow",
    "langfuse": "monitor.actions.receivers.langfuse:Langfuse",
    "kubernetes": "monitor.actions.receivers.kubernetes:Kubernetes",
    "argo_rollouts": "monitor.actions.receivers.argo_rollouts:ArgoRollouts",
    "github": "monitor.actions.receivers.github:Github",
    "gitlab": "monitor.actions.receivers.gitlab:Gitlab",
    "airflow": "monitor.actions.receivers.airflow:Airflow",
}
"""Class of each kind as `module:attribute`, imported when a configuration uses the kind."""


VERIFY_WITHIN = timedelta(minutes=30)


class EffectLimits(Section):
    """Approval mode, rate limits and expiry of effects."""

    mode: Literal["notify", "approve", "auto"] = "approve"
    """`approve` waits for the approval of a person, `auto` sends at once, `notify` only announces it."""
    cooldown: Duration = timedelta(minutes=30)
    """Minimum time between two effects of this receiver about the same version."""
    not_after: Duration = timedelta(minutes=15)
    """Time after which an effect that was not sent is dropped."""
    approvals: int = Field(1, ge=1, le=5)
    """Number of different people who must approve it."""
    freeze: list[str] = []
    """Names of `mute_time_intervals:` during which it is held, whatever its mode."""
    max_per_day: int = Field(10, ge=1)
    """Maximum number of effects in 24 hours."""


class EffectSettings(EffectLimits):
    """Settings of an effect. Rollback and retrain are triggered only by findings about the model's behaviour."""

    kind: Literal["rollback", "retrain"]
    """Kind of the effect: rollback, retrain or notify."""
    verify_within: Duration | None = None
    """Time in which the findings of the incident must be clean on the traffic after the effect; otherwise the incident
    escalates. Default: 30m for a rollback; a retraining, which takes longer, is not verified."""

    @property
    def verification_time(self) -> timedelta | None:
        """Return the time in which the effect is verified; None if it is not."""
        default = VERIFY_WITHIN if self.kind == "rollback" else None
        return default if self.verify_within is None else self.verify_within


class DigestSettings(Section):
    """When many incidents are one message, like `group_wait` and `group_interval` of Alertmanager."""

    incidents: int = Field(5, ge=2)
    """Number of incidents from which on they are one digest; fewer are announced one by one, at once."""
    within: Duration = timedelta(minutes=10)
    """Time within which so many incidents must fire."""
    wait: Duration = timedelta(seconds=30)
    """Time that a digest waits for further incidents."""
    interval: Duration = timedelta(minutes=5)
    """Minimum time between two digests about the same storm, except the one that says that all is over."""


class ReceiverConfig(Section):
    """A receiver of messages.

    ``audience`` is who reads the messages: software gets breaker messages of kind `breaker`, and messages about the
    baseline only if a rule names it. ``example`` are the settings shown in the documentation; ``address_key`` is the
    setting with the address of the receiver; ``permissions`` is what the service must allow.
    """

    audience: ClassVar[Literal["people", "software"]] = "people"
    example: ClassVar[Mapping[str, object]]
    address_key: ClassVar[str]
    permissions: ClassVar[str]

    kind: str
    """Kind of the receiver."""
    dry_run: bool = False
    """Do everything except sending."""
    timezone: Zone = "UTC"
    """IANA time zone in which messages show times besides UTC."""
    external_url: str | None = None
    """Address of the web interface for links; default: `server.external_url`."""
    digest: DigestSettings | None = DigestSettings()
    """When many incidents are one message: `{incidents: 5, within: 10m, wait: 30s, interval: 5m}`, `null` for never.
    Not of a webhook or an effect: software gets one message per incident."""

    @model_validator(mode="after")
    def _check_digest(self) -> Self:
        """Refuse `digest:` of a receiver that never gets one."""
        if self.digest not in (None, DigestSettings()) and not self._may_digest:
            raise PydanticCustomError("digest", "only messages to people are merged; remove `digest:`")
        return self

    @property
    def _may_digest(self) -> bool:
        return self.audience == "people" and self.effect_settings is None

    @property
    def digest_settings(self) -> DigestSettings | None:
        """Return when many incidents are one message; None if they never are, as for software and for effects."""
        return self.digest if self._may_digest else None

    @property
    def effect_settings(self) -> EffectSettings | None:
        """Return the settings of its effect; None for a receiver of messages."""
        return None

    @property
    def zone(self) -> ZoneInfo:
        """Return its time zone."""
        return ZoneInfo(self.timezone)

    def with_external_url(self, address: str | None) -> Self:
        """Return the receiver with an address for links, if it has none of its own."""
        return self if self.external_url or address is None else self.model_copy(update={"external_url": address})


class HttpReceiverConfig(ReceiverConfig):
    """A receiver that sends HTTP requests."""

    timeout: Duration = timedelta(seconds=10)
    """Timeout of one request, including resolution, connection and response."""
    ca_file: Path | None = None
    """Certificates (PEM) of a private authority, trusted instead of the system's; read for each request."""


class EffectReceiverConfig(ReceiverConfig):
    """A receiver of messages or, with ``effect``, of effects. Kinds for effects only make ``effect`` required."""

    effect: EffectSettings | None = None
    """What the receiver changes. A receiver with `effect:` gets effects; one without gets messages."""

    @property
    def effect_settings(self) -> EffectSettings | None:
        """Return the settings of its effect; None for a receiver of messages."""
        return self.effect


class ReceiverKind(Protocol):
    """The attributes of a receiver class that the configuration uses."""

    kind: ClassVar[str]
    Config: ClassVar[type[ReceiverConfig]]


def config_model(kind: str) -> type[ReceiverConfig]:
    """Return the configuration model of a kind of receiver."""
    receiver: type[ReceiverKind] = pkgutil.resolve_name(RECEIVERS[kind])
    return receiver.Config


def read_receiver(value: object) -> ReceiverConfig:
    """Validate the settings of a receiver with the model of its kind."""
    if isinstance(value, ReceiverConfig):
        return value
    if not isinstance(value, Mapping):
        raise PydanticCustomError("receiver", "expected a mapping, such as {example}", {"example": _example()})
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in RECEIVERS:
        context = {"key": str(kind), "allowed": sorted(RECEIVERS)}
        error = PydanticCustomError("word", "{key}", context) if "kind" in value else "missing"
        details = InitErrorDetails(type=error, loc=("kind",), input=kind)
        raise ValidationError.from_exception_data("receiver", [details])
    return config_model(kind).model_validate(value)


def _example() -> str:
    return f"{{kind: {next(iter(RECEIVERS))}, …}}"


class _SchemaOfKinds:
    """The JSON schema of a receiver: a union of the models of all kinds, discriminated by `kind`."""

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        models = [config_model(kind) for kind in RECEIVERS]
        union: object = Annotated[reduce(or_, models), Field(discriminator="kind")]
        kinds: TypeAdapter[ReceiverConfig] = TypeAdapter(union)  # type: ignore[arg-type]
        return handler(kinds.core_schema)


AnyReceiver = Annotated[SerializeAsAny[ReceiverConfig], PlainValidator(read_receiver), _SchemaOfKinds()]
"""A receiver of any kind."""
