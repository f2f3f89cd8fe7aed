"""Configuration of receivers that change an object of Kubernetes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from monitor.config.effect_receivers import RollbackReceiverConfig, check_target

NAME = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"


class ClusterConfig(RollbackReceiverConfig):
    """Changes an object of a cluster."""

    audience: ClassVar = "software"
    address_key: ClassVar = "base_url"

    base_url: str = "https://kubernetes.default.svc"
    """Address of the API server; the default is that of the cluster that driftd runs in."""
    namespace: str = Field(pattern=NAME)
    """Namespace of the object."""
    name: str = Field(pattern=NAME)
    """Name of the object."""
    token: SecretStr | None = None
    """Bearer token, outside of the cluster; `token_file` reads it from a file. Default: that of the service account."""
    service_account: Path = Path("/var/run/secrets/kubernetes.io/serviceaccount")
    """Folder with `token` and `ca.crt` of the service account; both are read for each attempt."""
    target: Annotated[str, AfterValidator(check_target)] = ""
    """Image of a version, such as `registry/bot:{version}`, to find its revision. Default: the previous revision."""


class KubernetesConfig(ClusterConfig):
    """Undoes the rollout of a Deployment of Kubernetes, or scales it."""

    example: ClassVar = {
        "kind": "kubernetes",
        "namespace": "bots",
        "name": "support-bot",
        "token": "token-of-the-cluster",
        "target": "registry.internal/support-bot:{version}",
        "effect": {"mode": "approve"},
    }
    permissions: ClassVar = (
        "The service account needs, in the namespace, the verbs `get` and `patch` on `deployments` and `list` on "
        "`replicasets` (API group `apps`), or `patch` on `deployments/scale`."
    )

    kind: Literal["kubernetes"]
    """Kind of the receiver."""
    action: Literal["undo", "scale"] = "undo"
    """`undo` restores the pod template of an earlier revision, `scale` sets the number of replicas."""
    replicas: int | None = Field(None, ge=0)
    """Number of replicas for `action: scale`."""

    @model_validator(mode="after")
    def _scale_has_replicas(self) -> KubernetesConfig:
        if (self.action == "scale") != (self.replicas is not None):
            raise PydanticCustomError("scale", "`action: scale` and `replicas:` are needed together")
        return self
