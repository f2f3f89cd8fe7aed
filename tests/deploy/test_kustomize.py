"""The manifests of Kubernetes: what kustomize makes of them is valid, hardened, and fits together."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from monitor.config.load import load
from tests.support.cluster import validate
from tests.support.tools import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
KUBECTL = shutil.which("kubectl")
NAME = {"app.kubernetes.io/name": "driftd"}
Objects = Mapping[str, dict[str, Any]]


def read_base() -> dict[str, dict[str, Any]]:
    """Return the objects of the base by kind, as kustomize makes them; its ConfigMap needs no tool either."""
    kustomization = yaml.safe_load((FOLDER / "base/kustomization.yaml").read_text())
    objects = [yaml.safe_load((FOLDER / "base" / name).read_text()) for name in kustomization["resources"]]
    (generated,) = kustomization["configMapGenerator"]
    data = {name: (FOLDER / "base" / name).read_text() for name in generated["files"]}
    labels = kustomization["generatorOptions"]["labels"]
    metadata = {"name": generated["name"], "labels": labels}
    objects.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    return {one["kind"]: one for one in objects}


def render(name: str) -> dict[str, dict[str, Any]]:
    """Return what `kubectl kustomize` makes, by kind."""
    if KUBECTL is None:
        if name == "base":
            return read_base()
        pytest.skip("NO KUBECTL HERE: install it to check what kustomize makes of the overlay")
    done = subprocess.run(
        [KUBECTL, "kustomize", FOLDER / name], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    objects = list(yaml.safe_load_all(done.stdout))
    assert len({one["kind"] for one in objects}) == len(objects)
    return {one["kind"]: one for one in objects}


@pytest.fixture(params=["base", "replicas"])
def objects(request: pytest.FixtureRequest) -> Objects:
    return render(request.param)


def pod_of(objects: Objects) -> dict[str, Any]:
    return dict(objects["Deployment"]["spec"]["template"]["spec"])


def test_every_object_meets_the_schema_of_kubernetes(objects: Objects) -> None:
    for kind, one in objects.items():
        assert one["metadata"]["name"] == "driftd"
        assert one["metadata"]["labels"] == NAME
        if kind != "ServiceMonitor":
            validate(one)
    broken = {**objects["Deployment"], "spec": {**objects["Deployment"]["spec"], "replica": 1}}
    with pytest.raises(jsonschema.ValidationError):
        validate(broken)


def test_the_pod_meets_the_restricted_standard(objects: Objects) -> None:
    pod = pod_of(objects)
    (container,) = pod["containers"]
    everyone = pod["securityContext"]
    assert everyone["runAsNonRoot"]
    assert everyone["runAsUser"] == everyone["runAsGroup"] == everyone["fsGroup"] == 65532
    assert everyone["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not pod["automountServiceAccountToken"]
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert all({"persistentVolumeClaim", "emptyDir", "configMap", "secret"} & set(one) for one in pod["volumes"])
    assert pod["terminationGracePeriodSeconds"] >= 10
    assert container["resources"]["limits"]["memory"]
    assert not container["image"].endswith(":latest")


def test_the_parts_fit_together(objects: Objects) -> None:
    pod = pod_of(objects)
    (container,) = pod["containers"]
    assert {one["name"] for one in container["volumeMounts"]} == {one["name"] for one in pod["volumes"]}
    ports = {one["name"] for one in container["ports"]}
    assert {
        container[probe]["httpGet"]["port"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    } <= ports
    template = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]
    service, policy = objects["Service"]["spec"], objects["NetworkPolicy"]["spec"]
    selectors = [
        objects["Deployment"]["spec"]["selector"]["matchLabels"],
        service["selector"],
        policy["podSelector"]["matchLabels"],
        objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
    ]
    assert all(selector.items() <= template.items() for selector in selectors)
    assert {one["targetPort"] for one in service["ports"]} == ports
    assert {port["port"] for rule in policy["ingress"] for port in rule["ports"]} <= ports
    scraped = objects["ServiceMonitor"]["spec"]
    assert scraped["selector"]["matchLabels"].items() <= objects["Service"]["metadata"]["labels"].items()
    assert {one["port"] for one in scraped["endpoints"]} <= {one["name"] for one in service["ports"]}
    assert scraped["jobLabel"] in objects["Service"]["metadata"]["labels"], "alerts.yml selects job=driftd"


def test_the_configuration_is_valid_and_listens_on_the_ports(objects: Objects, tmp_path: Path) -> None:
    for name in ("token", "source_url", "store_url"):
        (tmp_path / name).write_text("postgresql+psycopg://driftd@db/app\n")
    (text,) = objects["ConfigMap"]["data"].values()
    (tmp_path / "driftd.yaml").write_text(text.replace("/run/secrets/driftd", str(tmp_path)))
    config = load(tmp_path / "driftd.yaml")
    (container,) = pod_of(objects)["containers"]
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    assert config.server.listen == f"0.0.0.0:{ports['http']}"
    assert config.metrics is not None
    assert config.metrics.listen == f"0.0.0.0:{ports['metrics']}"
    assert config.server.requires_login


def test_the_base_has_a_volume_and_one_replica() -> None:
    base = render("base")
    assert base["Deployment"]["spec"]["replicas"] == 1
    assert base["Deployment"]["spec"]["strategy"] == {"type": "Recreate"}
    claims = [
        one["persistentVolumeClaim"]["claimName"] for one in pod_of(base)["volumes"] if "persistentVolumeClaim" in one
    ]
    assert claims == [base["PersistentVolumeClaim"]["metadata"]["name"]]
    assert "store: sqlite:////var/lib/driftd/" in base["ConfigMap"]["data"]["driftd.yaml"]


def test_the_replicas_share_a_store_in_postgresql_and_have_no_volume() -> None:
    several = render("replicas")
    assert "PersistentVolumeClaim" not in several
    assert several["Deployment"]["spec"]["replicas"] == 3
    assert several["Deployment"]["spec"]["strategy"]["type"] == "RollingUpdate"
    assert [one for one in pod_of(several)["volumes"] if "persistentVolumeClaim" in one] == []
    assert "store_file: /run/secrets/driftd/store_url" in several["ConfigMap"]["data"]["driftd.yaml"]


@pytest.mark.skipif(KUBECTL is None, reason="NO KUBECTL HERE: install it to compare")
def test_what_is_read_without_kubectl_is_what_kubectl_makes() -> None:
    assert read_base() == render("base")
