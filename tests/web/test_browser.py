"""A real Chromium: no console error, nothing wider than the window, dark and light, and the login form."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import oidc_provider_mock
import pytest

from monitor.store.database import Database
from tests.support.nightly import nightly
from tests.support.process import free_port
from tests.web.browser_check import EVIL, FLAGS, THEMES, WIDTHS, count_clicks, inspect_page, serve_story
from tests.web.browser_check import PAGES as ALL_PAGES
from tests.web.conftest import Serve, with_token
from tests.web.seed import Seed, busy_store, configuration
from tests.web.story import STORY

PAGES = ["/", "/monitors/support-bot", "/monitors/summaries", "/incidents/11111111-aaaa-4000-8000-000000000001"]

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Any]:
    """Lend one Chromium to all tests of this file."""
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(chromium), args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def story() -> Iterator[tuple[str, Database]]:
    """Lend the address of one server with the story to all tests of this file."""
    with serve_story() as served:
        yield served


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), ("dark", 400), nightly(("light", 400)), nightly(("dark", 1280))]
)
def test_pages_look_right(scheme: str, width: int, browser: Any, seed: Seed, serve: Serve, tmp_path: Path) -> None:
    client = serve(configuration("sqlite://", busy_store(seed)))
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(request.url))
    grounds = set()
    for number, path in enumerate(PAGES):
        page.goto(f"http://127.0.0.1:{client.base_url.port}{path}")
        shot = page.screenshot(path=tmp_path / f"{number}.png", full_page=True)
        assert len(shot) > 10_000
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    context.close()
    assert complaints == []
    assert grounds == {"rgb(247, 247, 245)" if scheme == "light" else "rgb(18, 21, 24)"}


@pytest.mark.parametrize(
    ("path", "width", "theme"),
    [
        (path, width, theme)
        if (path, width, theme) in ((f"/incidents/{STORY}", 1440, "dark"), (f"/incidents/{EVIL}", 360, "light"))
        else nightly((path, width, theme))
        for path in ALL_PAGES
        for width in WIDTHS
        for theme in THEMES
    ],
)
def test_pages_have_no_problem(path: str, width: int, theme: str, browser: Any, story: tuple[str, Database]) -> None:
    assert inspect_page(browser, f"{story[0]}{path}", width, theme) == {}


def test_a_rollback_is_approved_with_two_clicks(browser: Any) -> None:
    with serve_story() as (address, database):
        assert count_clicks(browser, address, database) <= 2


def test_an_update_keeps_open_details_and_charts_zoom(browser: Any, story: tuple[str, Database]) -> None:
    page = browser.new_page()
    page.goto(f"{story[0]}/incidents/{STORY}")
    page.get_by_text("Exact request").click()
    page.get_by_text("Assign, comment").click()
    page.get_by_label("Comment").fill("half a sentence")
    page.keyboard.press("Tab")
    with page.expect_response(lambda response: response.url.endswith(STORY)):
        page.evaluate("document.getElementById('main').dispatchEvent(new Event('refresh'))")
    assert page.get_by_text("By command:").first.is_visible()
    assert page.get_by_label("Comment").input_value() == "half a sentence"
    chart = page.locator("[data-chart]").first
    chart.focus()
    page.keyboard.press("ArrowLeft")
    assert "small-7b" in page.locator(".readout").first.inner_text()
    box = page.locator(".u-over").first.bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 300, box["y"] + 50, steps=5)
    page.mouse.up()
    page.get_by_text("show all").wait_for()
    assert "from=" in page.url
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.close()


def test_text_has_enough_contrast(browser: Any, seed: Seed, serve: Serve) -> None:
    client = serve(configuration("sqlite://", busy_store(seed)))
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme)
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{client.base_url.port}/monitors/support-bot")
        assert page.evaluate(CONTRAST) == []
        context.close()


def test_the_login_form_works_in_a_browser(browser: Any, seed: Seed, serve: Serve) -> None:
    busy_store(seed)
    client = serve(with_token("sqlite://", names=["support-bot"]))
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{client.base_url.port}/monitors/support-bot")
    assert "/login" in page.url
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button").click()
    assert "The token is wrong" in page.content()
    page.get_by_label("Token").fill("correct horse")
    page.get_by_role("button").click()
    assert page.url.endswith("/monitors/support-bot")
    assert page.evaluate("document.cookie") == ""
    assert page.get_by_role("heading", level=1).inner_text() == "support-bot"
    context.close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the provider, which is not ours
def test_a_browser_returns_from_a_provider_of_another_site_signed_in(browser: Any, seed: Seed, serve: Serve) -> None:
    busy_store(seed)
    address = f"127.0.0.1:{free_port()}"
    ann = oidc_provider_mock.User(sub="ann", claims={"email": "ann@example.com"})
    with oidc_provider_mock.run_server_in_thread(user_claims=[ann], require_nonce=True) as server:
        oidc = {
            "issuer": f"http://localhost:{server.server_port}",
            "client_id": "driftd",
            "client_secret": "s3cret",
            "users": {"ann@example.com": "viewer"},
        }
        own = {"external_url": f"http://{address}", "listen": address, "auth": {"oidc": oidc}}
        serve(configuration("sqlite://", ["support-bot"], **own))
        context = browser.new_context()
        page = context.new_page()
        errors: list[str] = []
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("requestfailed", lambda request: errors.append(request.url))
        page.goto(f"http://{address}/monitors/support-bot")
        page.get_by_role("link", name="Sign in with localhost").click()
        page.get_by_role("button", name="ann").click()
        page.wait_for_url(f"http://{address}/monitors/support-bot")
        assert page.get_by_role("heading", level=1).inner_text() == "support-bot"
        context.close()
        assert [error for error in errors if address in error or "Content Security Policy" in error] == []


CONTRAST = """() => {
  const channel = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const light = c => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] === 1) return c;
    }
    return [255, 255, 255];
  };
  const weak = [];
  for (const element of document.querySelectorAll("main *, header *, footer *, svg text")) {
    const own = [...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || element.closest("svg title")) continue;
    const style = getComputedStyle(element);
    const a = light(parse(element.namespaceURI.endsWith("svg") ? style.fill : style.color));
    const b = light(ground(element));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) weak.push(`${element.tagName} ${element.className} ${ratio.toFixed(2)}`);
  }
  return weak;
}"""
