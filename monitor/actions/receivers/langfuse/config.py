"""Configuration of Langfuse receivers."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import SecretStr, field_validator
from pydantic_core import PydanticCustomError

from monitor.config.effect_receivers import RollbackReceiverConfig


class LangfuseConfig(RollbackReceiverConfig):
    """Moves a label of a prompt of Langfuse back to the last known good version."""

    audience: ClassVar = "software"
    example: ClassVar = {
        "kind": "langfuse",
        "base_url": "https://cloud.langfuse.com",
        "public_key": "pk-lf-1234",
        "secret_key": "sk-lf-1234",
        "prompt": "support/answer",
        "label": "production",
        "effect": {"mode": "approve"},
    }
    address_key: ClassVar = "base_url"
    permissions: ClassVar = (
        "The keys belong to the project of the prompt; a protected label needs the right to change it. The label is "
        "moved only if the suspected version has it."
    )

    kind: Literal["langfuse"]
    """Kind of the receiver."""
    base_url: str = "https://cloud.langfuse.com"
    """Address of Langfuse."""
    public_key: str
    """Public key of the project."""
    secret_key: SecretStr
    """Secret key of the project; `secret_key_file` reads it from a file."""
    prompt: str
    """Name of the prompt, with its folder."""
    label: str = "production"
    """Label that the application loads; `latest` belongs to Langfuse."""
    role: Literal["model_version", "prompt_version"] = "prompt_version"
    """Role of the version that it rolls back."""

    @field_validator("label")
    @classmethod
    def _label_can_be_moved(cls, label: str) -> str:
        if not label or label == "latest":
            raise PydanticCustomError("label", "expected a label such as production; Langfuse moves `latest` itself")
        return label
