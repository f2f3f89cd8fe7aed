"""Find the revision to go back to among the ReplicaSets of an object, and write its patch. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from monitor.actions.receivers.base import DeliveryResult, NotDelivered

Object = Mapping[str, object]
ACTION = "driftd/action"
"""Annotation with the id of the action that changed an object, so that a retry does nothing."""


@dataclass(frozen=True)
class Owner:
    """How a kind of object marks its ReplicaSets: annotation of the revision, and label of the pod template's hash."""

    noun: str
    revision: str
    hash_label: str


def get_object(value: Object, *path: str) -> Object:
    """Return an object inside of another one, empty if it is missing."""
    for key in path:
        inner = value.get(key)
        value = cast("Object", inner) if isinstance(inner, dict) else {}
    return value


def get_objects(value: Object, key: str) -> Sequence[Object]:
    """Return a list of objects inside of an object."""
    items = value.get(key)
    return [cast("Object", item) for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def write_selector(target: Object) -> str:
    """Return the selector of an object's pods as a query parameter; raises :class:`NotDelivered`."""
    selector = get_object(target, "spec", "selector")
    parts = [f"{key}={value}" for key, value in get_object(selector, "matchLabels").items()]
    for term in get_objects(selector, "matchExpressions"):
        key, values = term.get("key"), term.get("values")
        listed = f"({','.join(map(str, values))})" if isinstance(values, list) else "()"
        texts = {"In": f"{key} in {listed}", "NotIn": f"{key} notin {listed}", "Exists": f"{key}"}
        parts.append(texts.get(str(term.get("operator")), f"!{key}"))
    if not parts:
        raise NotDelivered(DeliveryResult("client", "the object has no selector"))
    return ",".join(parts)


def list_images(template: Object) -> list[str]:
    """Return the images of the containers of a pod template."""
    return [str(container.get("image")) for container in get_objects(get_object(template, "spec"), "containers")]


def find_template(owner: Owner, target: Object, replica_sets: Sequence[Object], image: str | None) -> Object:
    """Return the pod template to go back to; raises :class:`NotDelivered` if there is none.

    It is that of the newest revision with an image, or of the second newest revision if no image is given.
    """
    uid = get_object(target, "metadata").get("uid")
    owned = [one for one in replica_sets if _is_controlled(one, uid)]
    ordered = sorted(owned, key=lambda one: _revision(owner, one), reverse=True)
    templates = [get_object(one, "spec", "template") for one in ordered]
    having = [template for template in templates if image in list_images(template)]
    fitting = templates[1:] if image is None else having
    if not fitting:
        what = "an earlier revision" if image is None else "a revision with the image to go back to"
        raise NotDelivered(DeliveryResult("refused", f"the {owner.noun} has no ReplicaSet of {what}"))
    return _without_hash(fitting[0], owner.hash_label)


def make_undo_patch(target: Object, template: Object, action: str) -> list[Object]:
    """Return a JSON patch that restores a pod template, if the object is still the one that was read."""
    metadata = get_object(target, "metadata")
    if isinstance(metadata.get("annotations"), dict):
        mark: Object = {"op": "add", "path": f"/metadata/annotations/{ACTION.replace('/', '~1')}", "value": action}
    else:
        mark = {"op": "add", "path": "/metadata/annotations", "value": {ACTION: action}}
    return [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": metadata.get("resourceVersion")},
        {"op": "replace", "path": "/spec/template", "value": template},
        mark,
    ]


def make_test_patch(action: str) -> Object:
    """Return a merge patch that names a test."""
    return {"metadata": {"annotations": {ACTION: f"test {action}"}}}


def is_done(target: Object, action: str) -> bool:
    """Return whether an action has already changed an object."""
    return get_object(target, "metadata", "annotations").get(ACTION) == action


def _is_controlled(replica_set: Object, uid: object) -> bool:
    owners = get_objects(get_object(replica_set, "metadata"), "ownerReferences")
    return any(one.get("controller") is True and one.get("uid") == uid for one in owners)


def _revision(owner: Owner, replica_set: Object) -> int:
    text = str(get_object(replica_set, "metadata", "annotations").get(owner.revision, "0"))
    return int(text) if text.isascii() and text.isdigit() else 0


def _without_hash(template: Object, label: str) -> Object:
    metadata = get_object(template, "metadata")
    labels = {key: value for key, value in get_object(metadata, "labels").items() if key != label}
    return {**template, "metadata": {**metadata, "labels": labels}}
