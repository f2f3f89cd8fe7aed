"""A Deployment or Rollout in a cluster: read it, check that it runs the suspect, and restore an earlier revision."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from monitor.actions.receivers.base import Deadline, Delivery, DeliveryResult, NotDelivered, RequestPreview
from monitor.actions.receivers.kubernetes.api import JSON_PATCH, MERGE_PATCH, ClusterApi, make_patch
from monitor.actions.receivers.kubernetes.config import ClusterConfig
from monitor.actions.receivers.kubernetes.revisions import (
    Object,
    Owner,
    find_template,
    get_object,
    get_objects,
    is_done,
    list_images,
    make_test_patch,
    make_undo_patch,
    write_selector,
)
from monitor.actions.receivers.requests import HttpRequest, preview_request
from monitor.actions.receivers.rollback import VersionChange, read_change


class Workload:
    """The object that a receiver changes; all methods that read or write raise :class:`NotDelivered`."""

    def __init__(self, config: ClusterConfig, owner: Owner, group: str, resource: str) -> None:
        self._config = config
        self._owner = owner
        self._api = ClusterApi(config)
        self.url = self._api.url(group, resource, config.name)

    def read(self, deadline: Deadline) -> Object:
        """Return the object."""
        return self._api.read(self.url, deadline)

    def patch(self, request: HttpRequest, deadline: Deadline) -> None:
        """Send a patch."""
        self._api.patch(request, deadline)

    def read_images(self, delivery: Delivery) -> VersionChange | None:
        """Return the images of the two versions of an action, None if they are not configured."""
        change = read_change(self._config, delivery)
        if not self._config.target and not self._config.versions:
            return None
        if not change.good or not change.bad:
            detail = "a version of the action has no image: write it under `versions:`"
            raise NotDelivered(DeliveryResult("client", detail))
        return change

    def check(self, target: Object, delivery: Delivery) -> str | None:
        """Return why nothing is left to do, None if something is."""
        images, noun = self.read_images(delivery), self._owner.noun
        if is_done(target, delivery.id):
            return f"the {noun} was already changed by this action"
        running = list_images(get_object(target, "spec", "template"))
        if images is not None and images.good in running:
            return f"the {noun} already has the image to go back to"
        if images is not None and images.bad not in running:
            raise NotDelivered(DeliveryResult("refused", f"the {noun} does not have the image of the suspect"))
        return None

    def undo(self, target: Object, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
        """Restore the pod template of an earlier ReplicaSet."""
        images = self.read_images(delivery)
        image = images.good if images else None
        template = find_template(self._owner, target, self._read_replica_sets(target, deadline), image)
        self.patch(make_patch(self.url, make_undo_patch(target, template, delivery.id), JSON_PATCH), deadline)
        return DeliveryResult("delivered", f"the {self._owner.noun} has an earlier pod template again")

    def _read_replica_sets(self, target: Object, deadline: Deadline) -> Sequence[Object]:
        query = urlencode({"labelSelector": write_selector(target)})
        return get_objects(self._api.read(self._api.url("apps/v1", "replicasets", query=query), deadline), "items")

    def test_undo(self, delivery: Delivery, deadline: Deadline) -> DeliveryResult:
        """Read what an undo reads, and send a patch that the server does not store."""
        self._read_replica_sets(self.read(deadline), deadline)
        return self.test(self.describe_test(delivery), deadline)

    def test(self, request: HttpRequest, deadline: Deadline) -> DeliveryResult:
        """Send a patch that the server does not store."""
        self.patch(request, deadline)
        return DeliveryResult("delivered", f"the API server accepted a dry run; the {self._owner.noun} is unchanged")

    def describe_test(self, delivery: Delivery) -> HttpRequest:
        """Return the patch of a test, which the server does not store."""
        return make_patch(self.url, make_test_patch(delivery.id), MERGE_PATCH, is_test=True)

    def describe_undo(self, delivery: Delivery) -> RequestPreview:
        """Return the patch; the template is read from a ReplicaSet when it is sent."""
        images = self.read_images(delivery)
        which = f"newest ReplicaSet with image {images.good}" if images else "ReplicaSet of the previous revision"
        patch = make_patch(self.url, make_undo_patch({}, {}, delivery.id), JSON_PATCH)
        return preview_request(patch, note=f"the template is that of the {which}")
