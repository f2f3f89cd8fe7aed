"""Configuration of Airflow receivers."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from monitor.config.effect_receivers import TriggerReceiverConfig
from monitor.config.templates import Template

CONF: dict[str, Template] = {
    name: f"{{{name}}}"
    for name in ("id", "monitor", "incident", "role", "version", "bad_version", "retraining", "test")
}


class AirflowConfig(TriggerReceiverConfig):
    """Starts a run of a DAG of Airflow 2 or 3."""

    audience: ClassVar = "software"
    example: ClassVar = {
        "kind": "airflow",
        "base_url": "https://airflow.internal",
        "username": "driftd",
        "password": "password-of-airflow",
        "dag": "retrain_support_bot",
        "effect": {"kind": "retrain"},
    }
    address_key: ClassVar = "base_url"
    permissions: ClassVar = (
        "The user may create runs of the DAG (*can create on DAG Runs*, *can edit on DAG*), which must not be paused. "
        "The id of the run is that of the action, so that a retry starts no second run."
    )

    kind: Literal["airflow"]
    """Kind of the receiver."""
    base_url: str
    """Address of the webserver (Airflow 2) or API server (Airflow 3)."""
    version: Literal[2, 3] = 3
    """Version of Airflow: 2 has the API `/api/v1`, 3 has `/api/v2`."""
    dag: str = Field(pattern=r"^[\w.-]+$")
    """Id of the DAG."""
    username: str | None = None
    """User. Airflow 3 exchanges user and password for a token, for each attempt."""
    password: SecretStr | None = None
    """Password of the user; `password_file` reads it from a file."""
    token: SecretStr | None = None
    """Bearer token instead of user and password; `token_file` reads it from a file."""
    conf: dict[str, Template] = Field(default=CONF)
    """Configuration of the run, as templates."""

    @model_validator(mode="after")
    def _has_one_login(self) -> AirflowConfig:
        if (self.username is None) != (self.password is None) or (self.token is None) == (self.username is None):
            raise PydanticCustomError("login", "write `token:`, or `username:` and `password:`")
        return self
