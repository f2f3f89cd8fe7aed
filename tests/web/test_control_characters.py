"""Control characters of logged values in what is served: none in labels, none on a page."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families as parse_text

from monitor.metrics.base import LONGEST_LABEL
from tests.monitor.test_control_characters import HOSTILE, NAMED, RAW
from tests.web.conftest import Serve
from tests.web.seed import Seed, configuration


def test_labels_carry_no_control_character_and_stay_apart(seed: Seed, serve: Serve) -> None:
    seed.watch("bot")
    seed.baseline("bot")
    seed.buckets("bot", 1)
    for number, segment in enumerate((HOSTILE, NAMED, HOSTILE * 30, "a\nb")):
        seed.findings("bot", f"c{number}", segment=f"model_version={segment}")
    text = serve(configuration("sqlite://")).get("/metrics").text
    assert RAW.findall(text) == []
    found = {s.labels["segment"] for f in parse_text(text) for s in f.samples if "segment" in s.labels}
    named = [one for one in found if "owned" in one]
    assert len(named) == 3
    assert all(len(one) <= LONGEST_LABEL and "\n" not in one for one in found)


def test_a_page_carries_no_control_character(seed: Seed, serve: Serve) -> None:
    seed.watch("bot", error=f"there is no column {HOSTILE}")
    seed.baseline("bot")
    seed.buckets("bot", 1)
    seed.findings("bot", "score", segment=f"model_version={HOSTILE}", level=0.5)
    client = serve(configuration("sqlite://"))
    for path in ("/", "/monitors/bot"):
        page = client.get(path).text
        assert NAMED in page
        assert RAW.findall(page) == []
