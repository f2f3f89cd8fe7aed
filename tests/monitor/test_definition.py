"""What a baseline is of: which settings enter its fingerprint, and what becomes of the baselines of a store."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command

from monitor.baselines import definition_v1
from monitor.baselines.definition import MEASURED, definition
from monitor.checks import calibration_settings
from monitor.checks.registry import config_models
from monitor.cli.connections import open_store
from monitor.cli.factory import make_daemon
from monitor.config.checks import CheckConfig
from monitor.config.load import load
from monitor.config.models import Config, Monitor
from monitor.config.sections import Section
from monitor.jobs.monitor_job import MonitorJob
from monitor.store import migrate
from monitor.store.database import Database
from monitor.store.tables import baselines
from tests.support.hand import Hand
from tests.support.nightly import ON_POSTGRESQL_NIGHTLY, nightly_except
from tests.support.world import START, World, rows_of

HOUR = timedelta(hours=1)

PLAIN = {
    "name": "shop",
    "source": {"url": "sqlite:///x.db", "table": "t", "columns": {"timestamp": "ts"}},
    "baseline": {"from": "2026-11-01", "to": "2026-11-02"},
}
PRESET = {
    "name": "chat",
    "source": {
        "url": "postgresql://u:p@h/d",
        "preset": "langfuse-v3",
        "where": "environment = 'production'",
        "timeout": "10s",
    },
    "baseline": {"rolling": "14d"},
    "segments": ["tenant", "model_version"],
    "signals": ["refusal", {"matches": {"pattern": "^ID", "name": "has_ticket"}}, "hallucinated"],
    "checks": ["drift", {"rate": {"signal": "hallucinated", "labels_from": "judge"}}],
}
CLASSIFIER = {
    "name": "risk",
    "source": {
        "url": "sqlite:///x.db",
        "query": "SELECT * FROM scores",
        "key": ["id"],
        "columns": {
            "timestamp": {"column": "at", "unit": "ms"},
            "score": "p",
            "label": "paid",
            "question": {"column": "messages", "chat": True},
        },
        "text_limit": 5000,
        "page_size": 1000,
        "arrow": False,
    },
    "bucket": "1h",
    "window": "1d",
    "baseline": {"file": "/data/before.parquet", "min_rows": 50},
    "features": {"include": ["a", "b"], "exclude": ["c"], "types": {"b": "categorical"}, "limit": 10},
    "checks": [{"performance": {"positive": "paid", "decision": 0.3}}],
    "start": "2026-11-05T01:00:00+01:00",
    "min_samples": 30,
    "max_segments": 7,
}
GOLDEN = [
    (PLAIN, "2:c07be759b0549eb6", "1e09faac4fdab73a"),
    (PRESET, "2:f95197551e66a2a1", "09a3a648fe5a8b8b"),
    (CLASSIFIER, "2:dc511b64a004288b", "b8682e46161481de"),
]
"""Configurations, their fingerprints, and those of version 1, which driftd 0.1.0 computed. A change loses baselines."""

OF_VERSION_1 = "a9e3feaad8ea0a91"
"""What driftd 0.1.0 computed for the monitor that `take_up` configures, with the default timeout."""
OF_THREE_SECONDS = "0c1e4a0a452bda7f"
"""The same with `source.timeout: 3s`."""

NOT_MEASURED = {
    *("name", "window", "settle", "start", "catch_up", "max_segments", "min_samples", "success", "alert_budget"),
    *("source.url", "source.key", "source.page_size", "source.timeout", "source.arrow", "baseline.min_rows"),
    "baseline.previous",
    *(
        "rules",
        "no_data",
        "mute_times",
        "escalate",
        "group_by",
        "better",
        "outputs",
        "checks.traffic",
        "breakers",
        "savings",
        "experiments",
        "shadows",
    ),
    *("checks.name", "checks.columns", "checks.method", "checks.threshold", "checks.max_increase", "checks.objective"),
    *("checks.period", "checks.burn", "checks.max", "checks.max_age", "checks.labels_after", "checks.min_samples"),
    *("checks.p50", "checks.p90", "checks.p95", "checks.p99", "checks.daily", "checks.monthly", "checks.by"),
    *("checks.limits", "checks.max_values", "checks.per_request_tokens", "checks.zone", "checks.currency"),
    *("checks.segments", "checks.labels_chosen"),
}
"""Settings that leave the baseline as it is; whole sections where none of their keys can measure anything."""
OF_CHECKS = {"checks.kind", "checks.signal", "checks.positive", "checks.decision", "checks.labels_from"}
"""Settings of checks that may add a column to the baseline."""


def monitor(settings: dict[str, Any], **changes: Any) -> Monitor:
    """Return a monitor; a change of a section is of its keys."""
    merged = dict(settings)
    for key, value in changes.items():
        merged[key] = {**merged.get(key, {}), **value} if isinstance(value, dict) else value
    return Config.model_validate({"monitors": [merged]}).monitors[0]


@pytest.mark.parametrize(("settings", "wanted", "before"), GOLDEN, ids=["plain", "preset", "classifier"])
def test_the_fingerprint_of_a_configuration_never_changes(settings: dict[str, Any], wanted: str, before: str) -> None:
    assert definition(monitor(settings)) == wanted
    assert definition_v1.fingerprint(monitor(settings)) == before


CALIBRATED = {
    **PLAIN,
    "signals": ["refusal", "failed"],
    "checks": [
        "drift",
        {"quality": {"threshold": 0.2, "name": "q"}},
        {"missing": {"max_increase": 0.1, "columns": ["a"]}},
        {"latency": {"p95": "2s", "segments": False}},
        {"performance": {"labels_after": "1d", "min_samples": 7}},
        {"rate": {"signal": "refusal", "max": 0.2, "labels_after": "2d", "labels_from": "judge", "positive": "bad"}},
        {"slo": {"signal": "failed", "objective": 0.99, "min_samples": 5}},
        {"spend": {"daily": 5, "columns": ["usd"], "threshold": 0.1}},
        {"freshness": {"max_age": "1h"}},
        {"volume": {"threshold": 0.5}},
    ],
}
"""A check of every kind."""


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        (PLAIN, "3d2da6fa6afbd386"),
        (PRESET, "d22aaef7232b3a33"),
        (CLASSIFIER, "2229a5b9ce71a7a5"),
        (CALIBRATED, "cfcfc16f486a6071"),
    ],
    ids=["plain", "preset", "classifier", "every kind"],
)
def test_the_fingerprint_of_a_calibration_never_changes(settings: dict[str, Any], wanted: str) -> None:
    assert calibration_settings.definition(monitor(settings)) == wanted


KEPT = {
    "source.timeout": {"source": {"timeout": "5s"}},
    "source.page_size": {"source": {"page_size": 10_000}},
    "source.arrow": {"source": {"arrow": False}},
    "source.key": {"source": {"key": ["id"]}},
    "source.url": {"source": {"url": "sqlite:///moved.db"}},
    "baseline.min_rows": {"baseline": {"min_rows": 10}},
    "min_samples": {"min_samples": 50},
    "max_segments": {"max_segments": 30},
    "start": {"start": "2026-11-05"},
    "settle": {"settle": "60s"},
    "catch_up": {"catch_up": "1d"},
    "window": {"window": "2h"},
    "success": {"success": "refusal"},
    "alert_budget": {"alert_budget": "2/week"},
    "no_data": {"no_data": {"after": 5}},
    "breakers": {"breakers": [{"name": "b", "rate": "failed", "above": 0.5}]},
    "experiments": {
        "experiments": [
            {"name": "e", "control": "a", "treatments": ["b"], "from": "2026-11-03", "metrics": {"failed": {}}}
        ]
    },
    "savings": {"savings": {"days": 7}},
    "rules": {"rules": [{"when": ["drift"]}]},
    "checks": {"checks": [{"drift": {"threshold": 0.2}}]},
}
LOST = {
    "source.table": {"source": {"table": "u"}},
    "source.query": {"source": {"table": None, "query": "SELECT * FROM t"}},
    "source.preset": {"source": {"preset": "otel"}},
    "source.where": {"source": {"preset": "otel", "where": "a = 1"}},
    "source.columns": {"source": {"columns": {"timestamp": "ts", "amount": "value"}}},
    "source.columns.column": {"source": {"columns": {"timestamp": "at"}}},
    "source.columns.unit": {"source": {"columns": {"timestamp": {"column": "ts", "unit": "s"}}}},
    "source.columns.zone": {"source": {"columns": {"timestamp": {"column": "ts", "zone": "Europe/Berlin"}}}},
    "source.columns.format": {"source": {"columns": {"timestamp": {"column": "ts", "format": "%Y"}}}},
    "source.columns.chat": {"source": {"columns": {"timestamp": "ts", "response": {"column": "a", "chat": True}}}},
    "source.text_limit": {"source": {"text_limit": 100}},
    "bucket": {"bucket": "1m"},
    "baseline.start": {"baseline": {"from": "2026-10-31"}},
    "baseline.end": {"baseline": {"to": "2026-11-03"}},
    "baseline.file": {"baseline": {"from": None, "to": None, "file": "/a.csv"}},
    "baseline.rolling": {"baseline": {"from": None, "to": None, "rolling": "7d"}},
    "features.include": {"features": {"include": ["a"]}},
    "features.exclude": {"features": {"exclude": ["a"]}},
    "features.types": {"features": {"types": {"a": "numeric"}}},
    "features.limit": {"features": {"limit": 5}},
    "segments": {"segments": ["plan"]},
    "signals": {"signals": ["refusal"]},
    "performance": {"checks": ["performance"]},
    "performance.decision": {"checks": [{"performance": {"decision": 0.4}}]},
    "performance.positive": {"checks": [{"performance": {"positive": "good"}}]},
    "judged": {"signals": [], "checks": [{"rate": {"signal": "refusal", "labels_from": "judge"}}]},
}


@pytest.mark.parametrize("changes", KEPT.values(), ids=KEPT)
def test_a_setting_that_measures_nothing_keeps_the_baseline(changes: dict[str, Any]) -> None:
    assert definition(monitor(PLAIN, **changes)) == definition(monitor(PLAIN))


def test_each_setting_that_measures_makes_another_baseline() -> None:
    fingerprints = [definition(monitor(PLAIN)), *(definition(monitor(PLAIN, **changes)) for changes in LOST.values())]
    assert len(set(fingerprints)) == 1 + len(LOST)
    with_pattern, other = ({"matches": {"pattern": pattern, "name": "m"}} for pattern in ("^A", "^B"))
    assert definition(monitor(PLAIN, signals=[with_pattern])) != definition(monitor(PLAIN, signals=[other]))


def test_the_order_of_segments_is_no_matter() -> None:
    first, second = (monitor(PLAIN, segments=order) for order in (["a", "b"], ["b", "a"]))
    assert definition(first) == definition(second)


def fields(model: type[Section], path: str = "") -> Iterator[str]:
    """Yield every setting below a section by its path, sections within sections too."""
    for name, field in model.model_fields.items():
        nested = list(sections(field.annotation))
        yield from (f"{path}{name}",) if not nested else (p for one in nested for p in fields(one, f"{path}{name}."))


def sections(annotation: Any) -> Iterator[type[Section]]:
    if annotation is CheckConfig:
        yield from {*config_models().values()}
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from sections(argument)


def leaves(listed: Any, path: str = "") -> Iterator[str]:
    """Yield the settings that an include list names, by path."""
    if isinstance(listed, set):
        yield from (f"{path}{name}" for name in listed)
        return
    for name, below in listed.items():
        here = path if name == "__all__" else f"{path}{name}"
        yield from [here] if below is True else leaves(below, here if name == "__all__" else f"{here}.")


def test_every_setting_is_listed_as_measured_or_as_not() -> None:
    """A new key needs a decision: into MEASURED (with the default None), or into NOT_MEASURED of this file."""
    measured = set(leaves(MEASURED)) | OF_CHECKS
    assert not measured & NOT_MEASURED
    known = set(fields(Monitor))
    whole = {path for path in NOT_MEASURED if path not in known}
    unlisted = {
        path for path in known - measured - NOT_MEASURED if not any(path.startswith(f"{section}.") for section in whole)
    }
    assert unlisted == set()
    assert {path for path in measured if path not in known} == set()
    assert {section for section in whole if not any(path.startswith(f"{section}.") for path in known)} == set()


def test_a_new_key_changes_no_fingerprint() -> None:
    class Later(Monitor):
        priority: int = 3

    later = Later.model_validate({**PLAIN, "priority": 5})
    assert definition(later) == definition(monitor(PLAIN))
    assert calibration_settings.definition(later) == calibration_settings.definition(monitor(PLAIN))
    assert definition_v1.fingerprint(later) == definition_v1.fingerprint(monitor(PLAIN))


def test_thresholds_are_set_again_for_what_they_depend_on_only() -> None:
    now = calibration_settings.definition(monitor(PLAIN))
    for same in ({"source": {"timeout": "5s"}}, {"rules": [{"severity": "critical", "repeat_interval": "1h"}]}):
        assert calibration_settings.definition(monitor(PLAIN, **same)) == now
    for other in ({"rules": [{"for": 2}]}, {"alert_budget": "2/week"}, {"window": "2h"}, {"min_samples": 5}):
        assert calibration_settings.definition(monitor(PLAIN, **other)) != now


# ------------------------------------------------------------------ in the daemon


COLUMNS = {"timestamp": "Zeit", "id": "id", "model_version": "model", "response": "answer"}
HOOK = {"webhook": {"url": "http://127.0.0.1:9/", "secret": "whsec_c2VjcmV0"}, "mode": "auto"}
UNMEASURED: list[dict[str, Any]] = [
    {"source": {"timeout": "7s", "page_size": 500, "arrow": False}},
    {"min_samples": 37, "max_segments": 3, "window": "30m", "settle": "5s", "alert_budget": "1/day"},
    {"extra": {"actions": {"undo": HOOK}, "slack": {"token": "xoxb-1", "channel": "#alerts"}}},
    {"rules": [{"when": ["drift"], "for": 3, "do": ["slack", "undo"]}], "no_data": {"after": 9}},
    {"checks": [{"drift": {"threshold": 0.4}}, "quality"], "breakers": [{"name": "b", "rule": "drift"}]},
]
"""Settings that measure nothing, each changed besides those before it."""
MEASURED_ANEW: list[dict[str, Any]] = [
    {"source": {"columns": {**COLUMNS, "total": "amount"}}},
    {"source": {"table": "other log"}},
    {"features": {"include": ["amount", "plan"]}},
    {"features": {"include": ["amount", "plan"], "types": {"amount": "categorical"}}},  # other bins
    {"segments": ["plan"]},
    {"signals": ["refusal"]},
]
"""Settings that measure something else, each instead of those before it."""


@pytest.fixture
def world(tmp_path: Path, sqlite_url: str) -> Iterator[World]:
    with logged(tmp_path, sqlite_url) as made:
        yield made


@pytest.fixture
def world_on_both(tmp_path: Path, migrated_url: str) -> Iterator[World]:
    """Lend it with each kind of store."""
    with logged(tmp_path, migrated_url) as made:
        yield made


@contextmanager
def logged(folder: Path, store_url: str) -> Iterator[World]:
    made = World(folder, f"sqlite:///{folder / 'log.db'}", store_url)
    made.log(rows_of(START, 8 * HOUR))
    yield made
    made.close()


def take_up(
    world: World, hours: float, *, source: dict[str, Any] | None = None, extra: Any = None, to: int = 6, **settings: Any
) -> MonitorJob:
    """Start the daemon at a moment, work off what is due, and stop it; the baseline is of the first hours up to one."""
    source = {"url": world.source_url, "table": "inference log", "columns": COLUMNS, **(source or {})}
    baseline = {"from": START.isoformat(), "to": (START + to * HOUR).isoformat()}
    settings = {"bucket": "15m", "catch_up": "3650d", "source": source, "baseline": baseline, **settings}
    config = load(world.configure(extra, **settings))
    with open_store(config, upgrade=True) as database:
        daemon = make_daemon(database, config, Hand(START + hours * HOUR))
        daemon.tick_all()
        daemon.monitors[0].close()
        return daemon.monitors[0]


@ON_POSTGRESQL_NIGHTLY
def test_the_daemon_keeps_its_baseline_when_settings_change_that_measure_nothing(world_on_both: World) -> None:
    learnt = take_up(world_on_both, 1.25, to=1).lifecycle.baseline
    assert learnt is not None
    settings: dict[str, Any] = {}
    for changed in UNMEASURED:
        settings |= changed
        kept = take_up(world_on_both, 1.5, to=1, **settings).lifecycle.baseline
        assert kept is not None, changed
        assert (kept.id, kept.state, kept.rows, kept.profiles) == (learnt.id, "active", 600, learnt.profiles), changed


def test_the_daemon_learns_again_what_is_measured_otherwise(world: World) -> None:
    world.execute('CREATE TABLE "other log" AS SELECT * FROM "inference log"')
    before = take_up(world, 1.25, to=1).lifecycle.baseline
    assert before is not None
    for changes in MEASURED_ANEW:
        again = take_up(world, 1.5, to=1, **changes).lifecycle.baseline
        assert again is not None, changes
        assert again.id > before.id, changes
        assert (again.state, again.rows) == ("active", 600), changes
        before = again


# ------------------------------------------------------------------ baselines of version 1


RECOGNISED = {
    "nothing": {},
    "timeout": {"source": {"timeout": "7s"}},
    "four at once": {"source": {"timeout": "90s", "page_size": 123, "arrow": False}, "min_samples": 17},
    "start": {"start": "2026-11-05"},
    "rules": {"rules": [{"when": ["drift"]}]},
}


@pytest.mark.parametrize("changes", RECOGNISED.values(), ids=RECOGNISED)
def test_a_fingerprint_of_version_1_is_recognised_under_other_timeouts_and_the_like(changes: dict[str, Any]) -> None:
    assert definition_v1.recognises(monitor(PLAIN, **changes), "1e09faac4fdab73a")


def test_a_setting_of_then_that_was_not_the_default_is_found_among_the_usual_ones() -> None:
    before = definition_v1.fingerprint(monitor(PLAIN, source={"timeout": "3s"}, min_samples=50, window="2h"))
    assert definition_v1.recognises(monitor(PLAIN, source={"timeout": "10s"}, min_samples=50, window="2h"), before)


@pytest.mark.parametrize("changes", LOST.values(), ids=LOST)
def test_a_fingerprint_of_version_1_of_something_else_is_never_recognised(changes: dict[str, Any]) -> None:
    assert not definition_v1.recognises(monitor(PLAIN, **changes), "1e09faac4fdab73a")


def make_old(world: World, fingerprint: str = OF_VERSION_1) -> None:
    """Turn the store into one of driftd 0.1.0, whose application has deleted what it logged long ago."""
    database = Database(world.store_url)
    with database.write() as connection:
        settings = migrate._settings()
        settings.attributes["connection"] = connection
        command.downgrade(settings, "0016")
        connection.execute(sa.update(baselines).values(definition=fingerprint, calibrated="0" * 16))
    database.close()
    world.execute(f"DELETE FROM \"inference log\" WHERE Zeit < '{(START + 6.5 * HOUR).replace(tzinfo=None)}'")


@pytest.mark.parametrize(
    ("source", "fingerprint"),
    nightly_except(
        [(source, one) for source in ({}, {"timeout": "5s"}) for one in (OF_VERSION_1, OF_THREE_SECONDS)],
        ({}, OF_VERSION_1),
        ({"timeout": "5s"}, OF_THREE_SECONDS),
    ),
)
def test_an_upgrade_keeps_the_baseline(world: World, fingerprint: str, source: dict[str, Any]) -> None:
    learnt = take_up(world, 7).lifecycle.baseline
    assert learnt is not None
    make_old(world, fingerprint)
    kept = take_up(world, 7.5, source=source).lifecycle.baseline
    assert kept is not None
    assert (kept.id, kept.state, kept.rows, kept.profiles) == (learnt.id, "active", 3600, learnt.profiles)
    again = take_up(world, 8, source={"timeout": "9s"}).lifecycle.baseline
    assert again is not None
    assert (again.id, again.calibration) == (learnt.id, learnt.calibration)


def test_an_upgrade_never_takes_over_the_baseline_of_another_table(world: World) -> None:
    take_up(world, 7)
    make_old(world)
    world.execute('CREATE TABLE "other log" AS SELECT * FROM "inference log"')
    watch = take_up(world, 7.5, source={"table": "other log"})
    assert watch.lifecycle.baseline is None
    assert "0 rows" in watch.lifecycle.reason
    assert take_up(world, 8).lifecycle.baseline is not None


@ON_POSTGRESQL_NIGHTLY
def test_the_migration_marks_what_it_finds_once(world_on_both: World) -> None:
    take_up(world_on_both, 7)
    make_old(world_on_both)
    database = Database(world_on_both.store_url)
    for _ in range(2):
        migrate.upgrade(database)
        with database.read() as connection:
            assert connection.execute(sa.select(baselines.c.definition)).scalars().all() == [f"1:{OF_VERSION_1}"]
    database.close()
