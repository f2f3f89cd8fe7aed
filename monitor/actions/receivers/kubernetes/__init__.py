"""Kubernetes receiver: undoes the rollout of a Deployment, or scales it."""

from __future__ import annotations

from typing import ClassVar

from monitor.actions.receivers.base import Deadline, Delivery, DeliveryResult, NotDelivered, RequestPreview
from monitor.actions.receivers.kubernetes.api import MERGE_PATCH, make_patch
from monitor.actions.receivers.kubernetes.config import KubernetesConfig
from monitor.actions.receivers.kubernetes.revisions import Owner, get_object
from monitor.actions.receivers.kubernetes.workload import Workload
from monitor.actions.receivers.requests import HttpRequest, preview_request

DEPLOYMENT = Owner("Deployment", "deployment.kubernetes.io/revision", "pod-template-hash")


class Kubernetes:
    """Patches a Deployment as `kubectl rollout undo` and `kubectl scale` do."""

    kind: ClassVar = "kubernetes"
    Config: ClassVar = KubernetesConfig

    def __init__(self, config: KubernetesConfig) -> None:
        self._config = config
        self._deployment = Workload(config, DEPLOYMENT, "apps/v1", "deployments")

    def deliver(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
        """Try to change the Deployment once."""
        try:
            if delivery.is_test and self._config.action == "undo":
                return self._deployment.test_undo(delivery, deadline)
            if delivery.is_test:
                return self._deployment.test(self._make_scale(is_test=True), deadline)
            if self._config.action == "scale":
                self._deployment.patch(self._make_scale(), deadline)
                return DeliveryResult("delivered", f"the Deployment is scaled to {self._config.replicas}")
            self._deployment.read_images(delivery)
            target = self._deployment.read(deadline)
            done = self._deployment.check(target, delivery)
            if done is not None:
                return DeliveryResult("delivered", done)
            if get_object(target, "spec").get("paused") is True:
                return DeliveryResult("refused", "the Deployment is paused: resume it, then replay the action")
            return self._deployment.undo(target, delivery, deadline)
        except NotDelivered as failure:
            return failure.result

    def describe_request(self, delivery: Delivery) -> RequestPreview:
        """Return the patch."""
        try:
            if self._config.action == "scale":
                return preview_request(self._make_scale(is_test=delivery.is_test))
            if delivery.is_test:
                return preview_request(self._deployment.describe_test(delivery))
            return self._deployment.describe_undo(delivery)
        except NotDelivered as failure:
            return RequestPreview("", "", note=failure.result.detail)

    def _make_scale(self, *, is_test: bool = False) -> HttpRequest:
        replicas = {"spec": {"replicas": self._config.replicas}}
        return make_patch(f"{self._deployment.url}/scale", replicas, MERGE_PATCH, is_test=is_test)
