"""Configuration of GitLab receivers."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, SecretStr

from monitor.config.effect_receivers import TriggerReceiverConfig
from monitor.config.templates import TextTemplate

VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class GitlabConfig(TriggerReceiverConfig):
    """Starts a pipeline of GitLab with a pipeline trigger token."""

    audience: ClassVar = "software"
    example: ClassVar = {
        "kind": "gitlab",
        "token": "glptt-1234",
        "project": "acme/support-bot",
        "variables": {"ACTION_ID": "{id}", "VERSION": "{version}", "TEST": "{test}"},
        "effect": {"kind": "rollback"},
    }
    address_key: ClassVar = "base_url"
    permissions: ClassVar = (
        "The trigger token belongs to the project, and its owner may run pipelines on the branch. GitLab does not "
        "recognise duplicates: pass `{id}`, and use it as a resource group."
    )

    kind: Literal["gitlab"]
    """Kind of the receiver."""
    base_url: str = "https://gitlab.com"
    """Address of GitLab."""
    token: SecretStr
    """Pipeline trigger token; `token_file` reads it from a file."""
    project: str
    """Path or id of the project."""
    ref: str = "main"
    """Branch or tag."""
    variables: dict[VariableName, TextTemplate] = Field(default_factory=dict)
    """Variables of the pipeline, as templates of texts."""
