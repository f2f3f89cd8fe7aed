"""The manifests that scale on driftd's figures: well formed, and every query answered by a real Prometheus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.xdist_group("dashboards")  # one worker starts Prometheus, not each

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
MANIFESTS = {path.name: yaml.safe_load(path.read_text()) for path in sorted(FOLDER.glob("*.yaml"))}
RULES = {rule["name"]["as"]: rule for rule in MANIFESTS["prometheus-adapter.yaml"]["rules"]["external"]}
WATCHED = "search-rank"


def written_out(rule: dict[str, Any]) -> str:
    """Return a rule's query as prometheus-adapter writes it out for the selector of an HPA."""
    series = rule["seriesQuery"].split('__name__="')[1].split('"')[0]
    matchers = f'monitor="{WATCHED}"'
    return str(rule["metricsQuery"]).replace("<<.Series>>", series).replace("<<.LabelMatchers>>", matchers)


QUERIES = [
    *(pytest.param(rule["seriesQuery"], id=f"{name} exists") for name, rule in RULES.items()),
    *(pytest.param(written_out(rule), id=name) for name, rule in RULES.items()),
    *(
        pytest.param(trigger["metadata"]["query"], id=f"keda {trigger['metadata']['query'].split('{')[0]}")
        for trigger in MANIFESTS["keda.yaml"]["spec"]["triggers"]
    ),
]


@pytest.mark.parametrize("expression", QUERIES)
def test_every_query_is_answered_with_one_series_of_the_monitor(query: Any, expression: str) -> None:
    found = query(expression)
    assert len(found) == 1, expression
    assert float(found[0]["value"][1]) > 0


@pytest.mark.parametrize("name", RULES)
def test_a_daemon_that_has_stopped_scales_nothing(query: Any, name: str) -> None:
    """The bound on the age of the newest bucket is tightened until the bucket is too old for it."""
    stale = written_out(RULES[name]).replace("< 900", "< 1")
    assert stale != written_out(RULES[name])
    assert query(stale) == []


def test_the_autoscaler_asks_for_metrics_that_the_adapter_serves() -> None:
    hpa = MANIFESTS["hpa.yaml"]
    assert (hpa["apiVersion"], hpa["kind"]) == ("autoscaling/v2", "HorizontalPodAutoscaler")
    assert 1 <= hpa["spec"]["minReplicas"] <= hpa["spec"]["maxReplicas"]
    for metric in hpa["spec"]["metrics"]:
        assert metric["type"] == "External"
        assert metric["external"]["metric"]["name"] in RULES
        assert metric["external"]["metric"]["selector"]["matchLabels"] == {"monitor": WATCHED}
        assert metric["external"]["target"]["type"] == "AverageValue"
        assert float(metric["external"]["target"]["averageValue"]) > 0


def test_keda_does_not_take_silence_for_an_idle_model() -> None:
    scaled = MANIFESTS["keda.yaml"]
    assert (scaled["apiVersion"], scaled["kind"]) == ("keda.sh/v1alpha1", "ScaledObject")
    assert scaled["spec"]["fallback"]["replicas"] >= scaled["spec"]["minReplicaCount"]
    for trigger in scaled["spec"]["triggers"]:
        assert trigger["type"] == "prometheus"
        assert set(trigger["metadata"]) >= {"serverAddress", "query", "threshold"}
        assert all(isinstance(value, str) for value in trigger["metadata"].values())
        assert trigger["metadata"]["ignoreNullValues"] == "false"
