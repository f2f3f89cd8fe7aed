"""Every page in a real Chromium: widths, themes, console errors, policy reports, axe, hostile content, clicks.

``make browser`` prints the figures; each must be 0, and the clicks at most 2.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from monitor.core.clock import SystemClock
from monitor.store import reads
from monitor.store.database import Database
from monitor.web.app import create_app
from monitor.web.server import Server
from tests.support.tools import find
from tests.web.seed import Seed, configuration
from tests.web.story import ROLLBACK, STORY, write_story

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDTHS, THEMES = (360, 768, 1440), ("light", "dark")
SERIOUS = ("serious", "critical")
AXE = Path(__file__).parent / "vendor" / "axe.min.js"
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&",
    "\u202e\u05d0\u05d1\u05d2 \u0645\u0631\u062d\u0628\u0627",
    "w" * 10_000,
)
EVIL = "aaaaaaaa-0000-4000-8000-000000000001"
"""The incident whose every text is hostile."""
PAGES = [
    "/",
    "/incidents",
    "/incidents?state=all",
    "/incidents?q=nothing",
    f"/incidents/{STORY}",
    f"/incidents/{EVIL}",
    "/monitors/support-bot",
    "/monitors/search-rank",
    "/monitors/fraud-scores",
    "/monitors/search-rank/experiments/shorter%20prompt",
    "/monitors/search-rank/shadows/small",
    "/actions",
    "/silences",
    "/audit",
    "/login",
    "/nowhere",
]


@contextmanager
def serve_story() -> Iterator[tuple[str, Database]]:
    """Serve a store with monitors of every state, the story, and hostile content; lend its address."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/store.db"
        database = Database(url)
        seed = Seed(database)
        names = write_story(seed)
        write_hostile(seed)
        server = Server(create_app(database, configuration(url, names), SystemClock()), "127.0.0.1:0")
        server.start()
        try:
            yield f"http://127.0.0.1:{server.port}", database
        finally:
            server.stop()
            database.close()


def write_hostile(seed: Seed) -> None:
    """Write an incident with an attack, right-to-left text or a long word in every field."""
    script, rtl, long = HOSTILE
    bot = "support-bot"
    suspect = {"kind": "model_version", "column": rtl, "value": long[:256], "first_seen": script, "share": 0.5}
    evidence = [(long[:128], f"model_version={script}", 0.5), (rtl, f"{script}={long[:100]}", 0.4)]
    seed.incident(EVIL, bot, evidence, rule=script, reason=long[:500], severity="warning", suspect=suspect)
    payload = {"data": {"target": {"model_version": long}}, script: rtl}
    seed.action("evil-1", EVIL, bot, name=script[:60], reason=rtl + long[:200], payload=payload, receipt={rtl: long})
    seed.change(bot, "category", rtl, long[:250], 15)


def inspect_page(browser: Any, address: str, width: int, theme: str) -> Counter[str]:
    """Return the number of problems of a page by kind; each is printed."""
    problems: list[tuple[str, str]] = []
    context = browser.new_context(color_scheme=theme, viewport={"width": width, "height": 900})
    page = context.new_page()
    expected = 404 if address.endswith("/nowhere") else 200

    def note(message: Any) -> None:
        if "Content Security Policy" in message.text:
            problems.append(("policy", message.text))
        elif message.type in ("error", "warning") and not (expected == 404 and "404" in message.text):
            problems.append(("console", message.text))

    page.on("console", note)
    page.on("pageerror", lambda error: problems.append(("console", str(error))))
    page.on("dialog", lambda dialog: (problems.append(("script", dialog.message)), dialog.dismiss()))
    answer = page.goto(address)
    if answer is None or answer.status != expected:
        problems.append(("status", str(answer and answer.status)))
    wide = page.evaluate("document.documentElement.scrollWidth")
    if wide > width:
        problems.append(("overflow", f"{wide} > {width}"))
    page.evaluate(AXE.read_text(encoding="utf-8"))
    for one in page.evaluate("axe.run().then(result => result.violations)"):
        if one["impact"] in SERIOUS:
            problems.append(("axe", f"{one['id']}: {one['nodes'][0]['target']} of {len(one['nodes'])}"))
    context.close()
    for kind, text in problems:
        print(f"{address} {width} {theme}: {kind}: {text[:300]}", file=sys.stderr)
    return Counter(kind for kind, _ in problems)


def count_clicks(browser: Any, address: str, database: Database) -> int:
    """Approve the rollback from the link of an alert; return the clicks, the one on the link included."""
    page = browser.new_page()
    page.goto("about:blank")
    page.goto(f"{address}/incidents/{STORY}")  # the first click: on the link
    page.get_by_role("button", name="Approve: send traffic back to big-4").click()
    page.get_by_role("button", name="Approve: send traffic back to big-4").wait_for(state="detached")
    with database.read() as connection:
        (row,) = [row for row in reads.action_rows(connection, incident=STORY) if row.id == ROLLBACK]
    page.close()
    if row.state != "pending":
        raise AssertionError(f"the rollback is {row.state}, not pending")
    return 2


@contextmanager
def start_chromium() -> Iterator[Any]:
    """Lend a Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(find("chromium")), args=FLAGS)
        yield browser
        browser.close()


def main() -> int:
    """Inspect every page; print the figures."""
    total: Counter[str] = Counter()
    with serve_story() as (address, database), start_chromium() as browser:
        for path in PAGES:
            for width in WIDTHS:
                for theme in THEMES:
                    total += inspect_page(browser, f"{address}{path}", width, theme)
        clicks = count_clicks(browser, address, database)
    print(f"{len(PAGES)} pages, {len(WIDTHS)} widths, {len(THEMES)} themes: {len(PAGES) * 6} views")
    for kind in ("status", "console", "policy", "script", "overflow", "axe"):
        print(f"{kind:10} {total[kind]}")
    print(f"clicks from the link of an alert to an approved rollback: {clicks}")
    return 1 if total or clicks > 2 else 0


if __name__ == "__main__":
    sys.exit(main())
