"""Configuration of GitHub receivers."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from monitor.config.effect_receivers import TriggerReceiverConfig
from monitor.config.templates import Template, TextTemplate

PAYLOAD: dict[str, Template] = {
    name: f"{{{name}}}"
    for name in ("id", "monitor", "incident", "role", "version", "bad_version", "headline", "link", "test")
}


class GithubConfig(TriggerReceiverConfig):
    """Starts a workflow of GitHub Actions, by `workflow_dispatch` or `repository_dispatch`."""

    audience: ClassVar = "software"
    example: ClassVar = {
        "kind": "github",
        "token": "github_pat_1234",
        "repository": "acme/support-bot",
        "workflow": "rollback.yml",
        "inputs": {"action_id": "{id}", "version": "{version}", "test": "{test}"},
        "effect": {"kind": "rollback"},
    }
    address_key: ClassVar = "base_url"
    permissions: ClassVar = (
        "The fine-grained token needs, in the repository, *Actions: write* for `workflow`, or *Contents: write* for "
        "`event_type`. GitHub does not recognise duplicates: pass `{id}`, and use it as a concurrency group."
    )

    kind: Literal["github"]
    """Kind of the receiver."""
    base_url: str = "https://api.github.com"
    """Address of the API; that of GitHub Enterprise Server ends with `/api/v3`."""
    token: SecretStr
    """Token; `token_file` reads it from a file."""
    repository: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    """Owner and name."""
    workflow: str | None = Field(None, pattern=r"^[\w.-]+$")
    """File or id of the workflow, for `workflow_dispatch`."""
    ref: str = "main"
    """Branch or tag of the workflow."""
    inputs: dict[str, TextTemplate] = Field(default_factory=dict, max_length=25)
    """Inputs of the workflow, as templates of texts; GitHub refuses inputs that it does not declare."""
    event_type: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    """Type of the event, for `repository_dispatch`."""
    client_payload: dict[str, Template] = Field(default=PAYLOAD, max_length=10)
    """Payload of the event, as templates."""

    @model_validator(mode="after")
    def _starts_one(self) -> GithubConfig:
        if (self.workflow is None) == (self.event_type is None):
            raise PydanticCustomError("dispatch", "write either `workflow:` or `event_type:`")
        return self
