"""The list of incidents: filters in the address, counts, order and pages; headlines in natural units."""

from __future__ import annotations

import re

import pytest

from detectors.sentence import Quantity
from monitor.store.database import Database
from monitor.web import incident_list
from monitor.web.natural_headline import parse_quantity
from tests.web.conftest import Serve
from tests.web.seed import HOSTILE, Seed, busy_store, configuration
from tests.web.test_pages import assert_harmless, words


def titles(page: str) -> list[str]:
    return re.findall(r'<th scope="row"><a href="[^"]+">([^<]+)</a>', page)


def test_the_open_and_worst_come_first_and_filters_are_in_the_address(seed: Seed, serve: Serve) -> None:
    client = serve(configuration("sqlite://", busy_store(seed)))
    assert titles(client.get("/incidents").text) == ["Distance 0.58 reaches 0.1", "No data"]
    everything = client.get("/incidents?state=all").text
    assert_harmless(everything)
    assert titles(everything) == ["Distance 0.58 reaches 0.1", "No data", "Distance 0.12 reaches 0.1"]
    assert "Open 2 Firing 2 Pending 0 Resolved 1 All 3" in words(everything)
    assert titles(client.get("/incidents?state=firing&severity=warning").text) == ["No data"]
    assert titles(client.get("/incidents?monitor=invoice-reader").text) == ["No data"]
    assert titles(client.get("/incidents?q=SMALL-7B").text) == ["Distance 0.58 reaches 0.1"]
    assert "No incident matches" in client.get("/incidents?q=%25").text


def test_other_monitors_and_unknown_filters_are_refused(seed: Seed, serve: Serve) -> None:
    busy_store(seed)
    client = serve(configuration("sqlite://", ["other"]))
    assert titles(client.get("/incidents?state=all").text) == []
    for query in ("state=loud", "severity=high", "offset=-1", "offset=x"):
        assert client.get(f"/incidents?{query}").status_code == 400
    assert HOSTILE not in client.get("/incidents", params={"q": HOSTILE}).text


def test_a_long_list_has_pages(seed: Seed, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incident_list, "PAGE_SIZE", 2)
    for number in range(5):
        seed.incident(f"{number}" * 8, "bot", [("score", None, 0.5)], opened=30 + number)
    client = serve()
    first = client.get("/incidents").text
    assert "1–2 of 5" in first
    assert "Previous" not in words(first)
    address = re.search(r'<a href="([^"]+)" rel="next">', first)
    assert address
    second = client.get(address[1].replace("&amp;", "&")).text
    assert "3–4 of 5" in second
    assert "/incidents/22222222" in second


def test_every_page_shows_how_many_incidents_fire(seed: Seed, serve: Serve, database: Database) -> None:
    client = serve(configuration("sqlite://", busy_store(seed)))
    for path in ("/", "/incidents", "/monitors/fraud-scores"):
        assert 'class="badge">2<' in client.get(path).text


@pytest.mark.parametrize("segment", [None, "model_version=small-7b", "country=IS, with a comma"])
@pytest.mark.parametrize("unit", ["share", "s", "1"])
def test_a_quantity_is_read_from_the_sentence_of_its_finding(segment: str | None, unit: str) -> None:
    quantity = Quantity("mean of x", 12345.6, 0.00012, 1.5, 20000.0, unit)  # type: ignore[arg-type]
    text = f"{quantity.describe(segment)}; rank shift 0.4, threshold 0.1"
    parsed = parse_quantity({"segment": segment}, text)
    assert parsed
    assert parsed.name == "mean of x"
    assert f" {parsed.value} (95 % interval {parsed.low}–{parsed.high}), baseline {parsed.before};" in text
    assert parsed.unit == {"share": "%", "s": "s", "1": ""}[unit]
