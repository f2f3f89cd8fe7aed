"""Configuration shared by receivers that only get effects: what they change, and how a version is named there."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from monitor.config.receivers import EffectSettings, HttpReceiverConfig
from monitor.config.templates import check_text


def check_target(text: str) -> str:
    """Return a template whose only field is the version."""
    return check_text(text, {"version": ""})


class TriggerReceiverConfig(HttpReceiverConfig):
    """A receiver that starts a job for an effect."""

    effect: EffectSettings
    """What the job does, and when it is started."""

    @property
    def effect_settings(self) -> EffectSettings | None:
        """Return the settings of its effect."""
        return self.effect


class RollbackSettings(EffectSettings):
    """Settings of an effect of a receiver that only rolls back."""

    kind: Literal["rollback"] = "rollback"
    """Kind of the effect; this receiver only rolls back."""


class RollbackReceiverConfig(HttpReceiverConfig):
    """A receiver that goes back to the last known good version."""

    effect: RollbackSettings
    """When it rolls back, such as `{mode: approve}`."""
    role: Literal["model_version", "prompt_version"] = "model_version"
    """Role of the version that it rolls back."""
    target: Annotated[str, AfterValidator(check_target)] = "{version}"
    """What the service calls a version of the log: a text with `{version}`."""
    versions: dict[str, str] = Field(default_factory=dict)
    """What the service calls a version, by version of the log; takes precedence over `target:`."""

    @property
    def effect_settings(self) -> EffectSettings | None:
        """Return the settings of its effect."""
        return self.effect
