"""Argo Rollouts receiver: aborts an update in progress, or restores an earlier revision."""

from __future__ import annotations

from typing import ClassVar

from monitor.actions.receivers.argo_rollouts.config import ArgoRolloutsConfig
from monitor.actions.receivers.base import Deadline, Delivery, DeliveryResult, NotDelivered, RequestPreview
from monitor.actions.receivers.kubernetes.api import MERGE_PATCH, make_patch
from monitor.actions.receivers.kubernetes.revisions import Object, Owner, get_object
from monitor.actions.receivers.kubernetes.workload import Workload
from monitor.actions.receivers.requests import HttpRequest, preview_request

ROLLOUT = Owner("Rollout", "rollout.argoproj.io/revision", "rollouts-pod-template-hash")


class ArgoRollouts:
    """Patches a Rollout as `kubectl argo rollouts abort` and `undo` do."""

    kind: ClassVar = "argo_rollouts"
    Config: ClassVar = ArgoRolloutsConfig

    def __init__(self, config: ArgoRolloutsConfig) -> None:
        self._config = config
        self._rollout = Workload(config, ROLLOUT, "argoproj.io/v1alpha1", "rollouts")

    def deliver(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
        """Try to change the Rollout once."""
        try:
            if delivery.is_test and self._config.action == "undo":
                return self._rollout.test_undo(delivery, deadline)
            if delivery.is_test:
                return self._rollout.test(self._make_abort(is_test=True), deadline)
            self._rollout.read_images(delivery)
            target = self._rollout.read(deadline)
            done = self._rollout.check(target, delivery)
            if done is not None:
                return DeliveryResult("delivered", done)
            if self._config.action == "abort":
                return self._abort(target, deadline)
            if get_object(target, "spec", "workloadRef"):
                return DeliveryResult("refused", "the Rollout takes its template from another object: undo that one")
            return self._rollout.undo(target, delivery, deadline)
        except NotDelivered as failure:
            return failure.result

    def describe_request(self, delivery: Delivery) -> RequestPreview:
        """Return the patch."""
        try:
            if delivery.is_test:
                is_undo = self._config.action == "undo"
                return preview_request(
                    self._rollout.describe_test(delivery) if is_undo else self._make_abort(is_test=True)
                )
            if self._config.action == "undo":
                return self._rollout.describe_undo(delivery)
            self._rollout.read_images(delivery)
        except NotDelivered as failure:
            return RequestPreview("", "", note=failure.result.detail)
        return preview_request(self._make_abort(), note="sent only if an update is in progress")

    def _abort(self, target: Object, deadline: Deadline) -> DeliveryResult:
        status = get_object(target, "status")
        if status.get("abort") is True:
            return DeliveryResult("delivered", "the update was already aborted")
        if status.get("currentPodHash") is not None and status.get("currentPodHash") == status.get("stableRS"):
            return DeliveryResult("refused", "no update of the Rollout is in progress: it needs `action: undo`")
        self._rollout.patch(self._make_abort(), deadline)
        return DeliveryResult("delivered", "the update of the Rollout is aborted")

    def _make_abort(self, *, is_test: bool = False) -> HttpRequest:
        return make_patch(f"{self._rollout.url}/status", {"status": {"abort": True}}, MERGE_PATCH, is_test=is_test)
