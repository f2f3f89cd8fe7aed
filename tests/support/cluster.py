"""The part of the API of Kubernetes that receivers use; objects are validated by the published schemas."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonschema

from tests.support.receiver import Request
from tests.support.tools import ROOT

SCHEMAS = ROOT / "tests" / "receivers" / "schemas"
KINDS = {
    "Deployment": "io.k8s.api.apps.v1.Deployment",
    "ReplicaSetList": "io.k8s.api.apps.v1.ReplicaSetList",
    "Scale": "io.k8s.api.autoscaling.v1.Scale",
    "Service": "io.k8s.api.core.v1.Service",
    "ServiceAccount": "io.k8s.api.core.v1.ServiceAccount",
    "ConfigMap": "io.k8s.api.core.v1.ConfigMap",
    "PersistentVolumeClaim": "io.k8s.api.core.v1.PersistentVolumeClaim",
    "NetworkPolicy": "io.k8s.api.networking.v1.NetworkPolicy",
    "PodDisruptionBudget": "io.k8s.api.policy.v1.PodDisruptionBudget",
    "Rollout": "Rollout",
}
MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"
Answer = tuple[int, dict[str, str], bytes]


def definitions() -> dict[str, Any]:
    """Return the schemas of Kubernetes and Argo Rollouts."""
    argo = (SCHEMAS / "argo_rollouts.json").read_text().replace("kubernetes.json#", "#")
    kubernetes = json.loads((SCHEMAS / "kubernetes.json").read_text())["definitions"]
    return {**kubernetes, **json.loads(argo)["definitions"]}


DEFINITIONS = definitions()
VALIDATORS = {
    kind: jsonschema.Draft202012Validator({"$ref": f"#/definitions/{name}", "definitions": DEFINITIONS})
    for kind, name in KINDS.items()
}


def validate(value: Mapping[str, Any]) -> None:
    """Raise for an object that its schema does not allow."""
    VALIDATORS[value["kind"]].validate(value)


def template(image: str, hash_label: str = "", code: str = "") -> dict[str, Any]:
    """Return a pod template."""
    labels = {"app": "bot"} | ({hash_label: code} if hash_label else {})
    return {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "bot", "image": image}], "restartPolicy": "Always"},
    }


def replica_set(number: int, image: str, revision: str, hash_label: str, uid: str = "uid-1") -> dict[str, Any]:
    """Return a ReplicaSet of a revision."""
    labels = {"app": "bot", hash_label: f"h{number}"}
    owner = {"apiVersion": "apps/v1", "kind": "Any", "name": "support-bot", "uid": uid, "controller": True}
    return {
        "metadata": {
            "name": f"bot-{number}",
            "labels": labels,
            "annotations": {revision: str(number)},
            "ownerReferences": [owner],
        },
        "spec": {"selector": {"matchLabels": labels}, "template": template(image, hash_label, f"h{number}")},
    }


@dataclass
class Cluster:
    """One object, its ReplicaSets, and what the token may do."""

    path: str
    target: dict[str, Any]
    replica_sets: list[dict[str, Any]] = field(default_factory=list)
    token: str = "token-of-the-cluster"  # noqa: S105
    forbidden: tuple[str, ...] = ()
    conflicts: int = 0
    patches: list[Any] = field(default_factory=list)
    dry_runs: list[Any] = field(default_factory=list)

    def answer(self, request: Request) -> Answer:
        """Answer a request as the API server does."""
        parts = urlsplit(request.path)
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return _status(401, "Unauthorized")
        if f"{request.method} {parts.path.rpartition('/')[2]}" in self.forbidden:
            return _status(403, "Forbidden")
        if request.method == "GET" and parts.path == "/apis/apps/v1/namespaces/bots/replicasets":
            return self._list(parse_qs(parts.query).get("labelSelector", [""])[0])
        base, _, subresource = parts.path.partition(self.path)[2].partition("/")
        if base or not parts.path.startswith(self.path):
            return _status(404, "NotFound")
        if request.method == "GET":
            return 200, {}, json.dumps(self.target).encode()
        query = parse_qs(parts.query)
        is_dry = query.pop("dryRun", []) == ["All"]
        if request.method != "PATCH" or query != {"fieldManager": ["driftd"]}:
            return _status(405, "MethodNotAllowed")
        return self._patch(subresource, request.headers["content-type"], json.loads(request.body), is_dry=is_dry)

    def _list(self, selector: str) -> Answer:
        wanted = dict(term.split("=") for term in selector.split(","))
        items = [one for one in self.replica_sets if wanted.items() <= one["metadata"]["labels"].items()]
        body = {"apiVersion": "apps/v1", "kind": "ReplicaSetList", "metadata": {}, "items": items}
        validate(body)
        return 200, {}, json.dumps(body).encode()

    def _patch(self, subresource: str, kind: str, patch: Any, *, is_dry: bool) -> Answer:
        changed = copy.deepcopy(self.target)
        if self.conflicts:
            self.conflicts -= 1
            changed["metadata"]["resourceVersion"] = self.target["metadata"]["resourceVersion"] = "conflict"
        if kind == MERGE and subresource == "scale":
            validate({"apiVersion": "autoscaling/v1", "kind": "Scale", **patch})
            changed["spec"]["replicas"] = patch["spec"]["replicas"]
        elif kind == MERGE and subresource == "status" and set(patch) == {"status"}:
            changed["status"] = {**changed.get("status", {}), **patch["status"]}
        elif kind == MERGE and not subresource and set(patch) == {"metadata"}:
            changed["metadata"].setdefault("annotations", {}).update(patch["metadata"]["annotations"])
        elif kind == JSON_PATCH and not subresource:
            for step in patch:
                _apply(changed, step)
        else:
            return _status(415, "UnsupportedMediaType")
        if changed["metadata"]["resourceVersion"] != self.target["metadata"]["resourceVersion"]:
            return _status(409, "Conflict")
        try:
            validate(changed)
        except jsonschema.ValidationError as error:
            return _status(422, f"Invalid: {error.message}")
        if is_dry:
            self.dry_runs.append(patch)
            return 200, {}, json.dumps(changed).encode()
        changed["metadata"]["resourceVersion"] = str(len(self.patches) + 1000)
        self.target = changed
        self.patches.append(patch)
        return 200, {}, json.dumps(changed).encode()


def _status(code: int, reason: str) -> Answer:
    body = {"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": reason, "code": code}
    return code, {"content-type": "application/json"}, json.dumps(body).encode()


def _apply(value: Any, step: Mapping[str, Any]) -> None:
    """Apply a step of a JSON patch; `replace` needs something to replace."""
    *path, last = [part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:]]
    for part in path:
        value = value[part]
    assert step["op"] == "add" or last in value
    value[last] = step["value"]
