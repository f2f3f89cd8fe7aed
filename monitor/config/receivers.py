"""Receivers in driftd.yaml: where messages and effects are sent. Each kind brings its own model.

To add a kind: one folder of `monitor/actions/receivers/`, and one line in `RECEIVERS`.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from datetime import timedelta
from functools import reduce
from operator import or_
from typing import Annotated, ClassVar, Literal, Protocol

from pydantic import Field, GetJsonSchemaHandler, PlainValidator, SerializeAsAny, TypeAdapter, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError

from monitor.config.sections import Duration, Section

RECEIVERS: dict[str, str] = {
    "slack": "monitor.actions.receivers.slack:Slack",
    "webhook": "monitor.actions.receivers.webhook:Webhook",
}
"""Class of each kind as `module:attribute`, so that a kind is imported when a configuration uses it."""


class EffectLimits(Section):
    """When an effect may happen."""

    mode: Literal["notify", "approve", "auto"] = "approve"
    """`approve` waits for the approval of a person, `auto` sends at once, `notify` only announces it."""
    cooldown: Duration = timedelta(minutes=30)
    """Minimum time between two effects of this receiver about the same version."""
    not_after: Duration = timedelta(minutes=15)
    """Time after which an effect that was not sent is dropped."""
    max_per_day: int = Field(10, ge=1)
    """Maximum number of effects in 24 hours."""


class EffectSettings(EffectLimits):
    """An effect: rollback and retrain change a system and need a finding about the model's behaviour."""

    kind: Literal["rollback", "retrain"]
    """Kind of the effect: rollback, retrain or notify."""


class ReceiverConfig(Section):
    """A receiver of messages.

    ``audience`` says who reads them: software is told of a breaker by kind `breaker`, and never of the baseline unless
    a rule asks for it. ``example`` are settings as the documentation shows them, and ``address_key`` is the one among
    them, or beside them, that says where the receiver listens.
    """

    audience: ClassVar[Literal["people", "software"]] = "people"
    example: ClassVar[Mapping[str, str]]
    address_key: ClassVar[str]

    kind: str
    """Kind of the receiver."""
    dry_run: bool = False
    """Do everything except sending."""

    @property
    def effect_settings(self) -> EffectSettings | None:
        """Return what it changes; None for a receiver that gets messages."""
        return None


class EffectReceiverConfig(ReceiverConfig):
    """A receiver of messages or, with ``effect``, of effects. One of effects only makes ``effect`` a needed key."""

    effect: EffectSettings | None = None
    """What the receiver changes. A receiver with `effect:` gets effects; one without gets messages."""

    @property
    def effect_settings(self) -> EffectSettings | None:
        """Return what it changes; None for a receiver that gets messages."""
        return self.effect


class ReceiverKind(Protocol):
    """What the configuration needs of a receiver's class."""

    kind: ClassVar[str]
    Config: ClassVar[type[ReceiverConfig]]


def config_model(kind: str) -> type[ReceiverConfig]:
    """Return the configuration model of a kind of receiver."""
    receiver: type[ReceiverKind] = pkgutil.resolve_name(RECEIVERS[kind])
    return receiver.Config


def read_receiver(value: object) -> ReceiverConfig:
    """Read the settings of a receiver by the model of its kind."""
    if isinstance(value, ReceiverConfig):
        return value
    if not isinstance(value, Mapping):
        raise PydanticCustomError("receiver", "a mapping is wanted, such as {example}", {"example": _example()})
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in RECEIVERS:
        context = {"key": str(kind), "allowed": sorted(RECEIVERS)}
        error = PydanticCustomError("word", "{key}", context) if "kind" in value else "missing"
        details = InitErrorDetails(type=error, loc=("kind",), input=kind)
        raise ValidationError.from_exception_data("receiver", [details])
    return config_model(kind).model_validate(value)


def _example() -> str:
    return f"{{kind: {sorted(RECEIVERS)[0]}, …}}"


class _SchemaOfKinds:
    """The JSON schema of any receiver: that of each kind, told apart by `kind`."""

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        models = [config_model(kind) for kind in RECEIVERS]
        union: object = Annotated[reduce(or_, models), Field(discriminator="kind")]
        kinds: TypeAdapter[ReceiverConfig] = TypeAdapter(union)  # type: ignore[arg-type]
        return handler(kinds.core_schema)


AnyReceiver = Annotated[SerializeAsAny[ReceiverConfig], PlainValidator(read_receiver), _SchemaOfKinds()]
"""A receiver of any kind."""
