"""Rollouts of Deployments and of Argo Rollouts are undone as kubectl does it; objects fit the published schemas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from monitor.actions.receivers.base import Delivery, DeliveryResult
from monitor.actions.receivers.kubernetes.revisions import write_selector
from tests.support import receiver as far
from tests.support.cluster import Cluster, replica_set, template, validate
from tests.support.receivers import NOW, attempt, effect, receiver_at, settings_of

IMAGE = "registry.internal/support-bot:"
SWAP = effect("v8", "v6")
REVISION = {"kubernetes": "deployment.kubernetes.io/revision", "argo_rollouts": "rollout.argoproj.io/revision"}
HASH = {"kubernetes": "pod-template-hash", "argo_rollouts": "rollouts-pod-template-hash"}
PATHS = {
    "kubernetes": "/apis/apps/v1/namespaces/bots/deployments/support-bot",
    "argo_rollouts": "/apis/argoproj.io/v1alpha1/namespaces/bots/rollouts/support-bot",
}
KINDS = sorted(PATHS)


def cluster(kind: str, current: str = "v8", **changes: Any) -> Cluster:
    """Return a cluster whose object had revisions 8 (v6), 9 (v7) and 10 (v8), and a ReplicaSet of another owner."""
    names = {"kubernetes": ("apps/v1", "Deployment"), "argo_rollouts": ("argoproj.io/v1alpha1", "Rollout")}[kind]
    target: dict[str, Any] = {
        "apiVersion": names[0],
        "kind": names[1],
        "metadata": {
            "name": "support-bot",
            "uid": "uid-1",
            "resourceVersion": "41",
            "annotations": {REVISION[kind]: "10"},
        },
        "spec": {"selector": {"matchLabels": {"app": "bot"}}, "template": template(IMAGE + current)},
    }
    if kind == "argo_rollouts":
        target["spec"]["strategy"] = {"canary": {"steps": [{"setWeight": 20}, {"pause": {}}]}}
        target["status"] = {"currentPodHash": "h10", "stableRS": "h9"}
    validate(target)
    images = {8: "v6", 9: "v7", 10: current}
    sets = [replica_set(number, IMAGE + tag, REVISION[kind], HASH[kind]) for number, tag in images.items()]
    sets.append(replica_set(11, IMAGE + "v6", REVISION[kind], HASH[kind], uid="another"))
    return Cluster(PATHS[kind], target, sets, **changes)


def undo(kind: str, world: Cluster, **settings: Any) -> DeliveryResult:
    """Attempt an undo once."""
    with far.listening(far.Receiver(world.answer)) as side:
        return attempt(receiver_at(kind, side.url, **{"action": "undo", **settings}), SWAP)


def image_of(world: Cluster) -> str:
    """Return the tag of the image that the object has."""
    return str(world.target["spec"]["template"]["spec"]["containers"][0]["image"]).removeprefix(IMAGE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("target", "tag"), [(IMAGE + "{version}", "v6"), ("", "v7")])
def test_the_template_of_an_earlier_revision_is_restored_and_a_retry_does_nothing(
    kind: str, target: str, tag: str
) -> None:
    world = cluster(kind)
    result = undo(kind, world, target=target)
    assert result.reason == "delivered"
    assert image_of(world) == tag
    assert HASH[kind] not in world.target["spec"]["template"]["metadata"]["labels"]
    assert world.target["metadata"]["annotations"] == {REVISION[kind]: "10", "driftd/action": SWAP.id}
    again = undo(kind, world, target=target)
    assert (again.reason, again.detail.endswith("was already changed by this action")) == ("delivered", True)
    assert len(world.patches) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_that_runs_another_image_than_the_suspect_stays(kind: str) -> None:
    images = {"target": IMAGE + "{version}"}
    world = cluster(kind, current="v9")
    result = undo(kind, world, **images)
    assert (result.reason, result.retry) == ("refused", False)
    assert result.detail.endswith("does not have the image of the suspect")
    done = undo(kind, cluster(kind, current="v6"), **images)
    assert (done.reason, done.detail.endswith("already has the image to go back to")) == ("delivered", True)
    assert world.patches == []


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_revision_to_go_back_to_nothing_is_patched(kind: str) -> None:
    world = cluster(kind)
    world.replica_sets = world.replica_sets[2:]
    for target in ("", IMAGE + "{version}"):
        result = undo(kind, world, target=target)
        assert (result.reason, result.retry, "has no ReplicaSet of" in result.detail) == ("refused", False, True)
    assert world.patches == []


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_may_stand_in_the_map_of_versions_only(kind: str) -> None:
    world = cluster(kind)
    settings = {"target": "", "versions": {"v8": IMAGE + "v8"}}
    assert undo(kind, world, **settings).detail.startswith("a version of the action has no image")
    settings["versions"]["v6"] = IMAGE + "v6"  # type: ignore[index]
    assert undo(kind, world, **settings).delivered
    assert image_of(world) == "v6"


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_in_between_is_not_overwritten_and_tried_again(kind: str) -> None:
    world = cluster(kind, conflicts=1)
    result = undo(kind, world)
    assert result == DeliveryResult("server", "the object was changed meanwhile", retry=True)
    assert image_of(world) == "v8"
    assert undo(kind, world).delivered


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_service_account_may_not_do_is_for_good(kind: str) -> None:
    for forbidden in ("GET support-bot", "GET replicasets", "PATCH support-bot"):
        world = cluster(kind, forbidden=(forbidden,))
        assert undo(kind, world) == DeliveryResult("auth", "status 403")
    assert undo(kind, cluster(kind, token="another")) == DeliveryResult("auth", "status 401")  # noqa: S106
    assert undo(kind, Cluster("/apis/none", {})).detail == "status 404"


@pytest.mark.parametrize("kind", KINDS)
def test_the_token_of_the_service_account_is_read_for_each_attempt(kind: str, tmp_path: Path) -> None:
    world = cluster(kind, token="first")  # noqa: S106
    with far.listening(far.Receiver(world.answer)) as side:
        receiver = receiver_at(kind, side.url, action="undo", token=None, service_account=tmp_path)
        missing = attempt(receiver, SWAP)
        assert (missing.reason, side.requests) == ("auth", [])
        assert missing.detail.startswith("the token of the service account cannot be read")
        (tmp_path / "token").write_text("old\n")
        assert attempt(receiver, SWAP).reason == "auth"
        (tmp_path / "token").write_text("first\n")
        assert attempt(receiver, SWAP).delivered


@pytest.mark.parametrize("kind", KINDS)
def test_the_certificates_of_the_service_account_are_the_authority(kind: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("first")
    receiver = receiver_at(kind, "https://127.0.0.1:1", action="undo", token=None, service_account=tmp_path)
    assert attempt(receiver, SWAP) == DeliveryResult("tls", "the certificates of `ca_file:` cannot be read")


@pytest.mark.parametrize(
    ("kind", "settings", "sent"),
    [
        ("kubernetes", {"action": "undo"}, {"metadata": {"annotations": {"driftd/action": "test id-1"}}}),
        ("kubernetes", {"action": "scale", "replicas": 0}, {"spec": {"replicas": 0}}),
        ("argo_rollouts", {"action": "undo"}, {"metadata": {"annotations": {"driftd/action": "test id-1"}}}),
        ("argo_rollouts", {"action": "abort"}, {"status": {"abort": True}}),
    ],
)
def test_a_test_is_a_dry_run_of_the_api_server(kind: str, settings: dict[str, Any], sent: dict[str, Any]) -> None:
    world = cluster(kind)
    before = json.dumps(world.target)
    test = Delivery("id-1", "test", {"data": {"test": True}}, NOW)  # type: ignore[typeddict-item]
    with far.listening(far.Receiver(world.answer)) as side:
        result = attempt(receiver_at(kind, side.url, **settings), test)
        listed = [one for one in side.requests if "replicasets" in one.path]
    assert result.delivered
    assert "is unchanged" in result.detail
    assert world.dry_runs == [sent]
    assert (world.patches, json.dumps(world.target)) == ([], before)
    assert len(listed) == (settings["action"] == "undo")  # what an undo may read is read, too


def test_a_test_finds_out_what_the_service_account_may_not_do() -> None:
    world = cluster("kubernetes", forbidden=("GET replicasets",))
    test = Delivery("id-1", "test", {"data": {"test": True}}, NOW)  # type: ignore[typeddict-item]
    with far.listening(far.Receiver(world.answer)) as side:
        result = attempt(receiver_at("kubernetes", side.url), test)
    assert (result.reason, result.retry) == ("auth", False)


def test_a_deployment_is_scaled() -> None:
    world = cluster("kubernetes")
    with far.listening(far.Receiver(world.answer)) as side:
        receiver = receiver_at("kubernetes", side.url, action="scale", replicas=0)
        preview = receiver.describe_request(SWAP)
        assert attempt(receiver, SWAP) == DeliveryResult("delivered", "the Deployment is scaled to 0")
        (request,) = side.requests
    assert world.target["spec"]["replicas"] == 0
    assert (preview.method, preview.url, preview.body) == ("PATCH", side.url + request.path, request.body.decode())
    for settings in ({"action": "scale"}, {"replicas": 3}):
        with pytest.raises(ValidationError, match="`action: scale` and `replicas:` are needed together"):
            settings_of("kubernetes", **settings)


def test_a_paused_deployment_stays() -> None:
    world = cluster("kubernetes")
    world.target["spec"]["paused"] = True
    assert undo("kubernetes", world).detail == "the Deployment is paused: resume it, then replay the action"


def test_an_update_of_a_rollout_is_aborted_once() -> None:
    world = cluster("argo_rollouts")
    with far.listening(far.Receiver(world.answer)) as side:
        receiver = receiver_at("argo_rollouts", side.url)
        preview = receiver.describe_request(SWAP)
        assert attempt(receiver, SWAP) == DeliveryResult("delivered", "the update of the Rollout is aborted")
        assert attempt(receiver, SWAP) == DeliveryResult("delivered", "the update was already aborted")
        patch = side.requests[1]
    assert world.target["status"]["abort"] is True
    assert world.patches == [{"status": {"abort": True}}]
    assert (preview.url, preview.body) == (side.url + patch.path, patch.body.decode())
    assert preview.url.endswith("/rollouts/support-bot/status?fieldManager=driftd")


def test_a_promoted_rollout_is_not_aborted() -> None:
    world = cluster("argo_rollouts")
    world.target["status"]["stableRS"] = "h10"
    result = undo("argo_rollouts", world, action="abort")
    assert result == DeliveryResult("refused", "no update of the Rollout is in progress: it needs `action: undo`")


def test_a_rollout_of_another_workload_is_not_undone() -> None:
    world = cluster("argo_rollouts")
    world.target["spec"]["workloadRef"] = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "bot"}
    assert undo("argo_rollouts", world).detail.startswith("the Rollout takes its template from another object")


@pytest.mark.parametrize("kind", KINDS)
def test_the_preview_of_an_undo_is_the_patch_without_what_is_read(kind: str) -> None:
    world = cluster(kind)
    with far.listening(far.Receiver(world.answer)) as side:
        receiver = receiver_at(kind, side.url, action="undo", target=IMAGE + "{version}")
        preview = receiver.describe_request(SWAP)
        assert attempt(receiver, SWAP).delivered
        patch = side.requests[-1]
    assert (preview.method, preview.url) == ("PATCH", side.url + patch.path)
    assert preview.note == f"the template is that of the newest ReplicaSet with image {IMAGE}v6"
    assert "/spec/template" in preview.body
    assert SWAP.id in preview.body
    assert "authorization" not in preview.headers
    nothing = receiver.describe_request(effect(role="prompt_version"))
    assert (nothing.method, nothing.note) == ("", "the action names no model_version to go back to")


@pytest.mark.parametrize("body", [b"{}", b'{"items": 7}', b'{"spec": [], "metadata": {"annotations": 3}}'])
@pytest.mark.parametrize("kind", KINDS)
def test_objects_without_the_usual_fields_are_no_failure_of_driftd(kind: str, body: bytes) -> None:
    with far.listening(far.Receiver(lambda _: (200, {}, body))) as side:
        result = attempt(receiver_at(kind, side.url, action="undo", target=""), SWAP)
    assert (result.reason, result.retry) == ("client", False)


def test_a_selector_is_written_as_a_query() -> None:
    terms: list[dict[str, Any]] = [
        {"key": "tier", "operator": "In", "values": ["a", "b"]},
        {"key": "env", "operator": "NotIn", "values": ["dev"]},
        {"key": "live", "operator": "Exists"},
        {"key": "old", "operator": "DoesNotExist"},
    ]
    target = {"spec": {"selector": {"matchLabels": {"app": "bot"}, "matchExpressions": terms}}}
    assert write_selector(target) == "app=bot,tier in (a,b),env notin (dev),live,!old"


def test_the_schemas_refuse_what_kubernetes_refuses() -> None:
    for change in (
        {"spec": {"selector": {}, "template": template("a"), "replicaz": 1}},
        {"spec": {"selector": {}, "template": {"spec": {"containers": [{"image": "a"}]}}}},
    ):
        with pytest.raises(Exception, match=r"replicaz|'name' is a required property"):
            validate({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {}, **json.loads(json.dumps(change))})
