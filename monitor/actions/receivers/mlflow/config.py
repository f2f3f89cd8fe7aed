"""Configuration of MLflow receivers."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import SecretStr, model_validator
from pydantic_core import PydanticCustomError

from monitor.config.effect_receivers import RollbackReceiverConfig


class MlflowConfig(RollbackReceiverConfig):
    """Moves an alias of a registered model of MLflow back to the last known good version."""

    audience: ClassVar = "software"
    example: ClassVar = {
        "kind": "mlflow",
        "base_url": "https://mlflow.internal",
        "token": "token-of-mlflow",
        "model": "support-bot",
        "alias": "champion",
        "versions": {"small-7b": "6", "small-7b-2": "7"},
        "effect": {"mode": "approve"},
    }
    address_key: ClassVar = "base_url"
    permissions: ClassVar = (
        "With authentication in MLflow, the user needs the permission EDIT on the registered model. The alias is moved "
        "only if it points at the suspected version."
    )

    kind: Literal["mlflow"]
    """Kind of the receiver."""
    base_url: str
    """Address of the tracking server."""
    model: str
    """Name of the registered model."""
    alias: str = "champion"
    """Alias that the application loads."""
    token: SecretStr | None = None
    """Bearer token; `token_file` reads it from a file."""
    username: str | None = None
    """User of basic authentication."""
    password: SecretStr | None = None
    """Password of basic authentication; `password_file` reads it from a file."""

    @model_validator(mode="after")
    def _has_one_login(self) -> MlflowConfig:
        if (self.username is None) != (self.password is None) or (self.token and self.username):
            raise PydanticCustomError("login", "write `token:`, or `username:` and `password:`")
        return self
