"""Configuration of Argo Rollouts receivers."""

from __future__ import annotations

from typing import ClassVar, Literal

from monitor.actions.receivers.kubernetes.config import ClusterConfig


class ArgoRolloutsConfig(ClusterConfig):
    """Aborts a Rollout of Argo Rollouts, or undoes it."""

    example: ClassVar = {
        "kind": "argo_rollouts",
        "namespace": "bots",
        "name": "support-bot",
        "token": "token-of-the-cluster",
        "action": "abort",
        "effect": {"mode": "approve"},
    }
    permissions: ClassVar = (
        "The service account needs, in the namespace, `get` on `rollouts` and `patch` on `rollouts/status` to abort; "
        "`get` and `patch` on `rollouts` (API group `argoproj.io`) and `list` on `replicasets` (`apps`) to undo."
    )

    kind: Literal["argo_rollouts"]
    """Kind of the receiver."""
    action: Literal["abort", "undo"] = "abort"
    """`abort` ends an update in progress, `undo` restores the pod template of an earlier revision."""
