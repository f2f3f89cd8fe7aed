"""Deprecated sections `slack:` and `actions:` of driftd.yaml, which `receivers:` replaces."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

import yaml
from pydantic import Field, PrivateAttr, SecretStr
from pydantic_core import PydanticCustomError

from monitor.config.receivers import AnyReceiver, EffectLimits, ReceiverConfig, read_receiver
from monitor.config.sections import Duration, Section


class OldSlack(Section):
    """Deprecated: a receiver of kind `slack`."""

    token: SecretStr
    """Bot token with chat:write."""
    channel: str
    """Channel name or id."""
    base_url: str = "https://slack.com/api/"
    """Address of the Slack API."""


class OldWebhook(Section):
    """Deprecated: where an action is sent."""

    url: SecretStr
    """Destination."""
    secret: SecretStr
    """Signing secret."""
    timeout: Duration = timedelta(seconds=10)
    """Deadline of one attempt."""


class OldAction(EffectLimits):
    """Deprecated: a receiver of kind `webhook`."""

    webhook: OldWebhook
    """Where it is sent."""
    kind: Literal["rollback", "retrain", "notify"] = "rollback"
    """The receiver's effect; notify is a receiver without one."""
    dry_run: bool = False
    """Do everything except sending."""


class WithReceivers(Section):
    """The receivers. Deprecated keys are converted to receivers when the file is read, and are then empty."""

    receivers: dict[str, AnyReceiver] = {}
    """Destinations of messages and effects, by name; rules refer to these names in `do:`."""
    slack: OldSlack | None = Field(None, json_schema_extra={"deprecated": True})
    """Deprecated: the receiver `slack` of kind slack."""
    actions: dict[str, OldAction] = Field({}, json_schema_extra={"deprecated": True})
    """Deprecated: receivers of kind webhook."""
    _deprecations: list[str] = PrivateAttr(default_factory=list)

    @property
    def deprecations(self) -> list[str]:
        """Return a warning for each deprecated form in the file, with its replacement."""
        return self._deprecations

    def convert_old_receivers(self) -> None:
        """Add the receivers of the deprecated keys, and clear these keys."""
        old = {name: _webhook(action, message=name == "slack") for name, action in self.actions.items()}
        if self.slack is not None:
            old["slack"] = read_receiver({"kind": "slack", **_set_fields(self.slack)})
        if twice := sorted(set(old) & set(self.receivers)):
            reason = "the receiver '{name}' is defined in the old form and under `receivers:`; keep the latter"
            raise PydanticCustomError("receivers", reason, {"name": twice[0]})
        if old:
            self._deprecations.append(_deprecation(old))
        object.__setattr__(self, "slack", None)
        object.__setattr__(self, "actions", {})
        object.__setattr__(self, "receivers", {**self.receivers, **old})


def _webhook(action: OldAction, *, message: bool) -> ReceiverConfig:
    """Convert an action to a receiver. An action named `slack` receives messages, whatever its kind."""
    settings: dict[str, object] = {"kind": "webhook", **_set_fields(action.webhook)}
    if action.dry_run:
        settings["dry_run"] = True
    if action.kind != "notify" and not message:
        limits = {name: value for name, value in _set_fields(action).items() if name in EffectLimits.model_fields}
        settings["effect"] = {"kind": action.kind, **limits}
    return read_receiver(settings)


def _set_fields(section: Section) -> dict[str, object]:
    """Return the settings that are set in the file, `kind` first."""
    names = [name for name in type(section).model_fields if name in section.model_fields_set]
    return {name: getattr(section, name) for name in sorted(names, key=lambda name: name != "kind")}


def _deprecation(receivers: Mapping[str, ReceiverConfig]) -> str:
    """Return the warning about deprecated keys, with the equivalent `receivers:`."""
    new = {"receivers": {name: _plain_value(receiver) for name, receiver in receivers.items()}}
    return (
        "`slack:` and `actions:` are deprecated, and still work. Replace them by this; for … write the present value, "
        "or name its file by `token_file`, `secret_file` or `url_file` as before:\n"
        + yaml.safe_dump(new, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120).rstrip()
    )


def _plain_value(value: object) -> object:
    if isinstance(value, Section):
        return {name: _plain_value(one) for name, one in _set_fields(value).items()}
    if isinstance(value, timedelta):
        return f"{value.total_seconds():.12g}s"
    return "…" if isinstance(value, SecretStr) else value
