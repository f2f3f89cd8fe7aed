"""The pages: what they say, and that nothing in a row can become markup."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from detectors.binning import learn_numeric
from detectors.calibrate import RarityLimit
from detectors.null_distribution import NullDistribution
from detectors.profile import Profile
from detectors.records import Column
from detectors.sensitivity import Sensitivity
from monitor.checks.baseline_review import BaselineProblem, Review, as_setting
from monitor.checks.calibration import Calibration
from monitor.web import templating
from tests.web.conftest import Serve
from tests.web.seed import HOSTILE, MINUTE, Seed, busy_store, configuration
from tests.web.story import STORY, write_story

FIRING = "11111111-aaaa-4000-8000-000000000001"
LISTS = ["/", "/incidents?state=all", "/actions", "/silences", "/audit"]
SCRIPT = r'<script defer src="/static/[\w./]+\?v=[0-9a-f]{16}">'
KNOWN = """
html head meta title link body a header svg path span main p h1 h2 h3 section article table caption thead tbody tr th
td small b code ul li ol div pre dl dt dd figure figcaption time nav footer i circle rect text line polyline g details
summary br wbr form input label button data select option script textarea
"""
ALLOWED = set(KNOWN.split())


class Reader(HTMLParser):
    """Collects elements, attributes and whether every element is closed."""

    VOID = ("meta", "link", "br", "input", "wbr")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attributes]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attributes]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def words(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def assert_harmless(text: str) -> None:
    read = Reader(text)
    assert read.open == []
    assert read.tags <= ALLOWED
    for name, value in read.attributes:
        assert not name.startswith("on")
        assert name != "style"
        if name == "src":
            assert value.startswith("/static/")
        if name in ("href", "src", "action"):
            assert value.startswith(("/", "?", "#", "data:image/svg+xml,"))


@pytest.fixture
def hostile(seed: Seed) -> Iterator[str]:
    """Fill a store whose every text is an attack."""
    seed.watch("bot", error=None)
    seed.baseline("bot")
    seed.buckets("bot", 12)
    seed.usage("bot", f"model_version={HOSTILE}")
    seed.findings("bot", HOSTILE, segment=f"model_version={HOSTILE}", level=0.5, count=12)
    seed.findings("bot", "score", check=HOSTILE, method=HOSTILE, level=0.4, count=12)
    seed.unmeasured("bot", HOSTILE, "error", HOSTILE)
    suspect = {"kind": "model_version", "column": HOSTILE, "value": HOSTILE, "first_seen": HOSTILE}
    evidence = [(HOSTILE, f"model_version={HOSTILE}", 0.5)]
    seed.incident(FIRING, "bot", evidence, rule=HOSTILE, reason=HOSTILE, suspect=suspect)
    seed.action("a1", FIRING, "bot", name=HOSTILE, reason=HOSTILE, payload={HOSTILE: HOSTILE}, receipt={HOSTILE: 1})
    seed.change("bot", "model_version", "model_version", HOSTILE, 20)
    yield "bot"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/incidents?state=all",
        "/actions",
        "/silences",
        "/audit",
        "/monitors/bot",
        f"/incidents/{FIRING}",
        f"/incidents/{HOSTILE}",
    ],
)
def test_rows_cannot_become_markup(path: str, hostile: str, serve: Serve) -> None:
    answer = serve().get(path)
    assert answer.status_code == (404 if HOSTILE in path else 200)
    assert re.findall("<script[^>]*>", answer.text) == re.findall(SCRIPT, answer.text)
    assert_harmless(answer.text)
    if HOSTILE not in path and path not in ("/silences", "/audit"):
        assert "&lt;script&gt;" in answer.text


def test_home_tells_what_is_wrong_first(seed: Seed, serve: Serve) -> None:
    page = serve(configuration("sqlite://", busy_store(seed))).get("/").text
    assert_harmless(page)
    said = words(page)
    assert "2 incidents are firing" in said
    assert "support-bot: Distance 0.58 reaches 0.1" in said
    assert "invoice-reader: No data" in said
    assert "Review: send traffic back to big-4 waits for approval" in said
    assert said.index("critical") < said.index("invoice-reader: No data") < said.index("last bucket")
    for state in ("firing", "source error", "no data", "learning", "healthy"):
        assert f'<span class="state {state.replace(" ", "-")}">' in page
    assert "Connection refused" in said


def test_a_long_sentence_is_cut_between_words(seed: Seed, serve: Serve) -> None:
    seed.watch("bot")
    reason = f"mean score 51.6 %, threshold 10; {'1 more finding; ' * 9}values rose from 19.5 % to 76 % of rows"
    place = reason.index("values") + len("values ro")
    reason = "x" * (200 - place) + reason
    seed.incident(FIRING, "bot", [("score", None, 0.5)], reason=reason)
    page = serve().get("/").text
    assert "1 more finding; values…</p>" in page[page.index('<p class="detail">') :]
    assert f"{reason[1:]}.</p>" in page


def test_home_of_a_quiet_morning(seed: Seed, serve: Serve) -> None:
    seed.watch("bot")
    seed.baseline("bot")
    seed.buckets("bot", 3)
    seed.findings("bot", "score", count=3)
    said = words(serve().get("/").text)
    assert "The monitor is healthy" in said
    assert "firing" not in said


def test_home_before_anything_happened(seed: Seed, serve: Serve) -> None:
    page = serve().get("/")
    assert page.status_code == 200
    assert "there was no pass yet; check that the daemon is running" in words(page.text).lower()
    empty = serve().get("/monitors/bot")
    assert empty.status_code == 200
    assert "no data in this range" in empty.text


def test_a_daemon_that_stands_still_is_not_called_healthy(seed: Seed, serve: Serve) -> None:
    seed.watch("bot", seen_at=seed.end - 60 * MINUTE)
    seed.baseline("bot")
    seed.buckets("bot", 3)
    said = words(serve().get("/").text)
    assert "stalled" in said
    assert "check that the daemon is running" in said
    assert "Nothing is firing" in said


def test_an_approval_that_came_too_late_is_not_offered(seed: Seed, serve: Serve) -> None:
    seed.watch("bot")
    seed.incident(FIRING, "bot", [("score", None, 0.5)])
    seed.action("late", FIRING, "bot", not_after=seed.end - MINUTE)
    for path in ("/", f"/incidents/{FIRING}"):
        page = serve().get(path).text
        assert "Review:" not in page
        assert "Approve:" not in page
    assert "awaiting approval" in page


def test_monitor_page_shows_findings_worst_first(seed: Seed, serve: Serve) -> None:
    page = serve(configuration("sqlite://", busy_store(seed))).get("/monitors/support-bot").text
    assert_harmless(page)
    table = words(page[page.index('id="findings"') :])
    assert table.index("drifted") < table.index("ok") < table.index("inconclusive")
    assert page.count('<svg class="chart time"') == 6
    assert page.count('<svg class="chart broad"') == 1
    assert 'class="span"' in page
    assert "first seen: model_version small-7b" in page
    assert "201,312 rows" in page
    longer = serve(configuration("sqlite://", ["support-bot"])).get("/monitors/support-bot?span=long")
    assert longer.status_code == 200
    assert len(longer.content) < 700_000


def test_monitor_page_says_what_its_baseline_holds(seed: Seed, serve: Serve) -> None:
    seed.watch("bot")
    end = seed.end - timedelta(days=3)
    shift = BaselineProblem(
        "shift", end - timedelta(days=3), None, f"since then the data differs: {HOSTILE}", ("x",), 0.5
    )
    clean = (end - timedelta(days=14), end - timedelta(days=3, hours=1))
    review = Review(end - timedelta(days=14), end, (shift,), clean=clean)
    seed.baseline("bot", facts={"review": review.to_json()})
    page = serve().get("/monitors/bot").text
    assert_harmless(page)
    said = words(page)
    assert "Problems of the baseline" in said
    assert "Since then the data differs" in said
    assert f"The longest clean range is `{as_setting(clean)}`" in said
    seed.baseline("bot")
    assert "Problems of the baseline" not in words(serve().get("/monitors/bot").text)


def test_monitor_page_says_what_would_be_found(seed: Seed, serve: Serve) -> None:
    seed.watch("bot")
    null = NullDistribution(0.0, 2.3, 0.1, 1.0, (0.1, 0.2, 0.3, 0.4), 100.0, limit=30.0)
    calibration = Calibration(
        RarityLimit(10.0, 1.0, 0.7, 0.4, 1.1, 2.0, 0.5),
        {"drift/cost/rank/": null},
        {"drift/cost/rank/": ("drift", "cost", "rank", None)},
        unusual={"plan": [("2026-11-01T00:00:00+00:00", "2026-11-01T03:00:00+00:00")]},
        sensitivity={
            HOSTILE: Sensitivity("sd", 0.0, 0.41, 0.2),
            "cost": Sensitivity("share", 0.01, None, 0.05),
        },
    )
    cost = np.append(np.zeros(990), np.ones(10))
    profile = Profile.of(Column.floats(cost), learn_numeric(cost, 0.0, 1.0))
    seed.baseline("bot", calibration=calibration.to_json(), profiles={"cost": profile})
    page = serve().get("/monitors/bot").text
    assert_harmless(page)
    said = words(page)
    assert "Smallest detectable changes" in said
    assert "a shift of 0.41 sd a shift of 0.2 sd" in said
    assert "cost rare flag no change a rise from 1 % to 5 % Rank was unusual on the baseline" in said
    assert "Thresholds are not learnt from an unusual period, 2026-11-01T00:00:00+00:00 to" in said


def test_monitor_page_says_that_a_baseline_without_thresholds_knows_no_smallest_change(
    seed: Seed, serve: Serve
) -> None:
    seed.watch("bot")
    cost = np.append(np.zeros(990), np.ones(10))
    profile = Profile.of(Column.floats(cost), learn_numeric(cost, 0.0, 1.0))
    seed.baseline("bot", calibration=Calibration().to_json(), profiles={"cost": profile})
    said = words(serve().get("/monitors/bot").text)
    assert "cost rare flag" in said
    assert "The smallest detectable changes are unknown" in said
    assert "within a window" not in said


def test_incident_page_tells_the_story(seed: Seed, serve: Serve) -> None:
    page = serve(configuration("sqlite://", write_story(seed))).get(f"/incidents/{STORY}").text
    assert_harmless(page)
    said = words(page)
    assert re.search(r"Mean hallucination score is 6\d.\d % on small-7b, 26.0 % in the baseline", said)
    assert "Estimated by a score, no labels yet. 95 % interval" in said
    assert "128 records in the window, 9,600 in the baseline" in said
    assert "Approve: send traffic back to big-4" in said
    assert "expires in 2 days" in said
    assert "POST https://deploy.example/" in said
    assert "&#34;target&#34;:{&#34;model_version&#34;:&#34;big-4&#34;" in page
    steps = ["support@4 first seen", "Pending", "Firing", "Slack: firing was sent", "Slack: update was sent"]
    places = [said.index(step, said.index("Timeline")) for step in steps]
    assert places == sorted(places)
    for label in ("alerts at 31 %", "baseline 26 %", "small-7b", "all rows"):
        assert f">{label}</text>" in page
    assert "96 %" in said
    assert f'href="/incidents/{FIRING}"' in page
    short = serve(configuration("sqlite://", ["support-bot"])).get(f"/incidents/{STORY[:8]}")
    assert short.status_code == 200


def test_what_is_not_configured_is_not_shown(seed: Seed, serve: Serve) -> None:
    busy_store(seed)
    client = serve(configuration("sqlite://", ["other"]))
    assert client.get("/monitors/support-bot").status_code == 404
    assert client.get(f"/incidents/{FIRING}").status_code == 404
    assert "support-bot" not in client.get("/").text


def test_a_page_is_updated_in_place(seed: Seed, serve: Serve) -> None:
    page = serve().get("/").text
    assert "http-equiv" not in page
    assert re.search(r'<main id="main"[^>]* hx-trigger="every 30s, refresh" [^>]*hx-swap="outerMorph"', page)


def test_charts_show_the_range_of_the_address(seed: Seed, serve: Serve) -> None:
    client = serve(configuration("sqlite://", write_story(seed)))
    start, end = seed.end - 30 * MINUTE, seed.end - 10 * MINUTE
    given = {"from": f"{start:%Y-%m-%dT%H:%M:%SZ}", "to": f"{end:%Y-%m-%dT%H:%M:%SZ}"}
    for path in (f"/incidents/{STORY}", "/monitors/support-bot"):
        page = client.get(path, params=given).text
        data = json.loads(re.findall(r'data-chart="([^"]+)"', page)[0].replace("&#34;", '"'))
        assert (data["start"], data["end"]) == (start.timestamp(), end.timestamp())
        assert all(start.timestamp() <= moment <= end.timestamp() for moment in data["times"])
        assert "show all" in page
        assert client.get(path, params={**given, "to": "tomorrow"}).status_code == 400


def test_times_tell_the_exact_moment(seed: Seed, serve: Serve) -> None:
    page = serve(configuration("sqlite://", busy_store(seed))).get("/").text
    assert re.search(r'<time datetime="[^"]+\+00:00" title="\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC">', page)


def test_no_template_lets_markup_through() -> None:
    for template in Path(templating.TEMPLATES).glob("*.html"):
        text = template.read_text(encoding="utf-8")
        pattern = r"\|\s*safe|autoescape|<script(?! defer src=)|style=|\son\w+=|hx-on|js:"
        assert not re.search(pattern, text), template.name


def test_findings_over_their_threshold_are_told_when_no_rule_fires(seed: Seed, serve: Serve) -> None:
    seed.watch("bot")
    seed.baseline("bot")
    seed.buckets("bot", 3)
    seed.findings("bot", "score", level=0.5, count=3)
    for number in range(15):
        seed.findings("bot", f"calm_{number}", count=3)
    seed.incident("p", "bot", [("score", None, 0.5)], state="pending", rule="slow")
    assert "pending, not firing yet: slow of bot." in words(serve().get("/").text)
    page = serve().get("/monitors/bot").text
    assert_harmless(page)
    assert "4 more findings" in words(page)


def test_a_healthy_monitor_owns_up_to_drifted_findings(seed: Seed, serve: Serve) -> None:
    seed.watch("bot")
    seed.baseline("bot")
    seed.buckets("bot", 3)
    seed.findings("bot", "score", level=0.5, count=3)
    assert "1 of 1 findings are over their threshold, but no rule on them fires" in words(serve().get("/").text)


def test_a_monitor_shows_what_its_windows_used(seed: Seed, serve: Serve) -> None:
    client = serve(configuration("sqlite://", busy_store(seed)))
    for span in ("", "?span=long"):
        page = client.get(f"/monitors/search-rank{span}").text
        assert_harmless(page)
        said = words(page)
        assert "Usage of the newest window" in said
        for title in (
            "Requests per second",
            "Output tokens per second",
            "Cost of the window",
            "Share of requests that failed",
        ):
            assert title in said
        assert '<data value="18.75">18.75</data>' in page
        assert "Savings" in said
        assert "7,000 of 9,000 requests would move to small-7b; quality not known" in said
        assert '<data value="4812.0">4,812</data>' in page
    assert "Usage of the newest window" not in words(client.get("/monitors/churn-model").text)
