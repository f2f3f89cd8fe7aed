"""What is kept, replaced and refused when the configuration is loaded again."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from structlog.testing import capture_logs

from monitor.cli.options import load_config
from monitor.cli.reload import Reloader
from monitor.cli.replacement import make_whole_daemon, replace_running
from monitor.config.models import Config, ConfigError
from monitor.daemon import Daemon
from monitor.jobs.file_watch import FileWatch
from monitor.jobs.liveness import ReloadTally
from monitor.store import migrate
from monitor.store.database import Database
from monitor.web.site import Site
from tests.support.hand import Hand
from tests.support.world import START, World, rows_of

SECOND = timedelta(seconds=1)
HOOK = {"kind": "webhook", "url": "http://127.0.0.1:9/", "secret": "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3"}
BOLD = {"kind": "slack", "token": "xoxb-1", "channel": "#ml"}


class Running:
    """A daemon that does not run, its web application, and its file."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.path = folder / "driftd.yaml"
        self.written = yaml.safe_load(self.path.read_text())
        self.clock = Hand(START)
        config = load_config(self.path)
        self.daemon: Daemon = make_whole_daemon(database, config, self.clock)
        self.site = Site(database, config, self.clock, self.daemon.liveness)
        self.tally, self.requested = ReloadTally(), threading.Event()
        self.reloader = Reloader(self.path, config, self.apply, self.requested, self.tally, self.clock)

    def apply(self, config: Config) -> None:
        replace_running(self.daemon, self.site, config)

    def change(self, **keys: Any) -> None:
        self.written |= keys
        self.path.write_text(yaml.safe_dump(self.written))

    def names(self) -> list[str]:
        return [job.name for job in self.daemon.jobs()]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    world = World(tmp_path, f"sqlite:///{tmp_path / 'log.db'}")
    world.log(rows_of(START, timedelta(hours=1)))
    world.configure({"receivers": {"hook": HOOK, "slack": BOLD}})
    database = Database(world.store_url)
    migrate.upgrade(database)
    yield Running(tmp_path, database)
    database.close()
    world.close()


def test_what_is_the_same_is_kept_and_what_changed_is_replaced(running: Running) -> None:
    daemon = running.daemon
    (shop,) = daemon.monitors
    hook, slack = daemon.receivers["hook"], daemon.receivers["slack"]
    assert running.reloader.reload()
    assert daemon.monitors == [shop], "nothing has changed"
    running.change(receivers={"hook": {**HOOK, "timeout": "3s"}, "slack": BOLD})
    assert running.reloader.reload()
    assert daemon.receivers["slack"] is slack
    assert daemon.receivers["hook"] is not hook
    assert daemon.configs["hook"].timeout == 3 * SECOND  # type: ignore[attr-defined]
    assert daemon.monitors != [shop], "a monitor plans actions by the settings of receivers"
    running.change(receivers={}, heartbeat={"url": "https://hc.example/1", "interval": "30s"})
    assert running.reloader.reload()
    assert "dead-man service" in running.names()
    assert [name for name in running.names() if name.startswith("receiver ")] == []


def test_a_monitor_that_was_replaced_begins_no_other_bucket_and_is_forgotten(running: Running) -> None:
    daemon, progress = running.daemon, running.daemon.liveness.progress
    (shop,) = daemon.monitors
    progress.note_failure("shop", ValueError("a value"))
    running.change(monitors=[{**running.written["monitors"][0], "name": "other"}])
    assert running.reloader.reload()
    assert daemon._is_over(shop)
    assert not daemon._is_over(daemon.monitors[0])
    assert progress.failure("shop") is None


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"monitors": []}, "monitors: invalid value"),
        ({"server": {"listen": "127.0.0.1:9478", "trusted_proxies": ["10.0.0.0/8"]}}, "but no token is set"),
        ({"receivers": {"hook": {**HOOK, "kind": "pigeon"}}}, "pigeon"),
    ],
)
def test_a_bad_configuration_changes_nothing(running: Running, keys: dict[str, Any], sentence: str) -> None:
    before, application = running.daemon.monitors, running.site._current
    running.change(**keys)
    with capture_logs() as logs:
        assert not running.reloader.reload()
    (line,) = logs
    assert line["event"] == "reload_failed"
    assert sentence in line["detail"]
    assert (running.daemon.monitors, running.site._current) == (before, application)
    assert not running.tally.is_successful
    assert running.tally.succeeded_at == START


def test_what_was_replaced_is_freed(running: Running) -> None:
    replaced: list[weakref.ref[Any]] = []
    for timeout in range(1, 6):
        replaced += [weakref.ref(running.site._current.app), weakref.ref(running.daemon.monitors[0])]
        running.change(receivers={"hook": {**HOOK, "timeout": f"{timeout}s"}})
        assert running.reloader.reload()
    assert [one() for one in replaced] == [None] * 10


def test_every_source_being_impossible_is_a_bad_configuration(running: Running) -> None:
    monitor = running.written["monitors"][0]
    running.change(monitors=[{**monitor, "source": {**monitor["source"], "table": "nothing"}}])
    with capture_logs() as logs:
        assert not running.reloader.reload()
    assert "nothing" in logs[0]["detail"]


def test_a_defect_while_it_is_applied_changes_nothing(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_config: Config) -> Any:
        raise RuntimeError("a defect")

    monkeypatch.setattr(running.site, "prepare", fail)
    before = running.daemon.monitors
    with capture_logs() as logs:
        assert not running.reloader.reload()
    assert logs[0]["detail"] == "The previous configuration stays in use."
    assert running.daemon.monitors is before


def test_what_needs_a_restart_keeps_its_value_and_is_named(running: Running) -> None:
    before = running.reloader.config
    running.change(
        store="sqlite:///other.db",
        server={"listen": "127.0.0.1:1", "token": "t0ken-t0ken"},
        metrics={"listen": "127.0.0.1:2"},
    )
    running.clock.moment += SECOND
    with capture_logs() as logs:
        assert running.reloader.reload()
    assert [line["keys"] for line in logs if line["event"] == "restart_needed"] == [
        ["store", "server.listen", "metrics"]
    ]
    config = running.reloader.config
    assert (config.store, config.server.listen) == (before.store, before.server.listen)
    assert config.metrics is None
    assert config.server.token is not None, "what can change has changed"
    assert running.tally.succeeded_at == START + SECOND


def test_signals_and_changes_are_counted_once(running: Running) -> None:
    applied: list[Config] = []
    running.reloader.apply = applied.append
    for _ in range(100):
        running.requested.set()
    for _ in range(5):
        running.reloader.run()
    assert len(applied) == 1
    running.change(receivers={})
    running.requested.set()  # both a signal and a change
    for _ in range(5):
        running.reloader.run()
    assert len(applied) == 2
    running.change(receivers={"hook": HOOK})
    for _ in range(5):
        running.reloader.run()
    assert len(applied) == 3


def test_a_file_that_is_half_written_or_missing_has_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "driftd.yaml"
    path.write_text("one")
    watch = FileWatch([path])
    looks: list[tuple[Callable[[], object], bool]] = [
        (lambda: None, False),
        (lambda: path.write_text("tw"), False),
        (lambda: path.write_text("two"), False),
        (lambda: None, True),
        (lambda: None, False),
        (path.unlink, False),
        (lambda: None, False),
        (lambda: path.write_text("two"), False),
        (lambda: None, False),
        (lambda: path.write_text("one"), False),
        (lambda: None, True),
    ]
    for place, (act, expected) in enumerate(looks):
        act()
        assert watch.look() is expected, place


def test_a_renewed_certificate_is_a_reason_to_reload(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("driftd.yaml", "cert.pem", "key.pem")]
    for path in paths:
        path.write_text("one")
    watch = FileWatch(paths)
    paths[1].write_text("two")
    assert [watch.look() for _ in range(3)] == [False, True, False]


def test_a_link_to_another_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    (tmp_path / "b").write_text("two")
    link = tmp_path / "driftd.yaml"
    link.symlink_to("a")
    watch = FileWatch([link])
    link.unlink()
    link.symlink_to("b")
    assert [watch.look(), watch.look()] == [False, True]


def test_an_error_of_a_configuration_is_one_of_the_command(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        load_config(tmp_path / "none.yaml")
