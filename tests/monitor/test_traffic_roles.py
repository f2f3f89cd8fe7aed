"""Records that no user was answered with are measured nowhere but in their own comparison."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
import yaml

from detectors import Column, Finding, Status
from detectors.joint import JOINT
from monitor.actions.retraining import TrainingLog, retraining
from monitor.alerting.attribution import choose_findings
from monitor.baselines.definition import definition as baseline_definition
from monitor.checks.baseline import Baseline
from monitor.cli.connections import open_reader
from monitor.config.load import load
from monitor.config.models import Monitor
from monitor.config.money import RetrainingSpec, Savings
from monitor.config.traffic import TRAFFIC_ROLES
from monitor.core.incident import Incident
from monitor.core.record_batch import RecordBatch
from monitor.core.yamlfile import ConfigError
from monitor.jobs.count_savings import count
from monitor.jobs.evals.suite import Suite
from monitor.jobs.evals.traffic import sample as sample_traffic
from monitor.jobs.learn_layouts import learn_layouts
from monitor.jobs.report import sample as sample_report
from monitor.jobs.savings_plans import definition, make_plans
from monitor.jobs.savings_report import paying_since
from monitor.jobs.source_baseline import baseline_from_source
from monitor.profiling.ab_counts import Arms
from monitor.profiling.comparison_reads import read_pages
from monitor.profiling.profiler import Profiler
from monitor.sources.base import SourceError
from monitor.sources.traffic_roles import decide_roles, keep_monitored
from monitor.store import comparisons, ledger, tables
from tests.support import prefork
from tests.support.calls import HOUR, MINUTE, SECRET, Watching
from tests.support.world import START

Start = Callable[[Path], Watching]
EVERY = timedelta(seconds=2)
FROM, END = START + HOUR, START + 110 * MINUTE
LIVE = int((END - FROM) / EVERY)
"""Requests from the start of the shadow to the end of the log."""
SHADOW = {
    "name": "candidate",
    "champion": "m1",
    "challenger": "m2",
    "join": "request",
    "from": FROM.isoformat(),
    "metrics": {"latency": {"better": "lower", "minimum": 0.1}},
}
EVALUATION = {"evaluation": {"column": "tenant", "values": ["driftd-evaluation"]}}


class Log:
    """The log of an application whose requests a second model may answer, too."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"sqlite:///{folder / 'log.db'}"
        rng = np.random.default_rng(0)
        count = int((END - START) / EVERY)
        self.champion = pd.DataFrame(
            {
                "request": np.arange(count),
                "at": pd.date_range(START, END, count + 1, inclusive="left"),
                "model": "m1",
                "tenant": "acme",
                "response": "yes",
                "latency": rng.lognormal(0, 0.3, count),
                "topic": rng.choice(["refund", "delivery"], count),
                "input_tokens": rng.poisson(100, count),
                "output_tokens": rng.poisson(50, count),
                "cost": rng.uniform(0.01, 0.02, count),
            }
        )

    def write(self, *parts: pd.DataFrame) -> None:
        """Write the champion's records and others, each record with an id of its own."""
        frame = pd.concat([self.champion, *parts]).sort_values("at", kind="stable").reset_index(drop=True)
        frame["id"] = frame.index
        frame["at"] = frame["at"].dt.tz_localize(None)
        engine = sa.create_engine(self.url)
        frame.to_sql("calls", engine, index=False)
        engine.dispose()

    def challenger(self, first: datetime = FROM, last: datetime = END, **columns: Any) -> pd.DataFrame:
        """Return the same requests answered once more: by m2, three times slower, in other words and for more."""
        asked = self.champion[(self.champion["at"] >= first) & (self.champion["at"] < last)]
        at, slower, dearer = asked["at"] + timedelta(milliseconds=300), asked["latency"] * 3, asked["cost"] * 5
        made = asked.assign(at=at, model="m2", response="no", topic="other", latency=slower, cost=dearer)
        return made.assign(**columns)

    def configure(self, **monitor: Any) -> Path:
        webhook = {"url": "http://127.0.0.1:1/rollback", "secret": SECRET}
        columns = {"timestamp": "at", "id": "id", "model_version": "model", "tenant": "tenant", "response": "response"}
        columns |= {role: role for role in ("label", "score") if role in self.champion}
        config = {
            "store": f"sqlite:///{self.folder / 'driftd.db'}",
            "actions": {"back": {"webhook": webhook, "mode": "auto", "not_after": "3650d"}},
            "monitors": [
                {
                    "name": "bot",
                    "source": {"url": self.url, "table": "calls", "columns": columns},
                    "bucket": "2m",
                    "window": "10m",
                    "settle": "0s",
                    "catch_up": "3650d",
                    "baseline": {"from": START.isoformat(), "to": FROM.isoformat()},
                    "features": {"exclude": ["request"]},
                    "segments": ["model_version"],
                    "checks": ["drift", "quality", "latency", {"spend": {"daily": 1000}}],
                    "rules": [{"do": ["back"]}],
                    **monitor,
                }
            ],
        }
        path = self.folder / "driftd.yaml"
        path.write_text(yaml.safe_dump(config))
        return path

    def monitor(self, **settings: Any) -> Monitor:
        return load(self.configure(**settings)).monitors[0]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    yield Log(tmp_path)


def check(path: Path, at: datetime = END) -> tuple[int, dict[str, Any]]:
    ran = prefork.run(["check", "--config", path, "--at", at.isoformat(), "--json"])
    assert "Traceback" not in ran.stderr
    return ran.returncode, json.loads(ran.stdout)


def test_a_declared_shadow_three_times_slower_drifts_nothing_and_an_undeclared_model_does(log: Log) -> None:
    log.write(log.challenger())
    code, told = check(log.configure(shadows=[SHADOW]))
    assert (code, told["status"]) == (0, "ok")
    served = [one for one in told["findings"] if one["check"] != "shadow"]
    assert not [one for one in served if one["status"] == "drifted" or one["segment"] == "model_version=m2"]
    assert [one["column"] for one in told["findings"] if one["check"] == "shadow" and one["status"] == "drifted"] == [
        "candidate.latency"  # what the shadow itself says of its challenger
    ]
    code, told = check(log.configure())
    assert (code, told["status"]) == (1, "firing")
    drifted = {(one["check"], one["column"]) for one in told["findings"] if one["status"] == "drifted"}
    assert {("drift", "latency"), ("drift", "cost"), ("latency", "latency")} <= drifted


def test_outside_of_its_time_a_challenger_is_served_traffic(log: Log) -> None:
    log.write(log.challenger())
    over = START + 80 * MINUTE
    path = log.configure(shadows=[{**SHADOW, "to": over.isoformat()}])
    assert check(path, over)[0] == 0
    code, told = check(path, over + 10 * MINUTE)
    assert code == 1
    assert told["suspected_change"]["value"] == "m2"


def test_a_shadow_opens_no_incident_and_spends_nothing_and_its_comparison_sees_both(log: Log, watching: Start) -> None:
    log.write(log.challenger())
    life = watching(log.configure(shadows=[SHADOW]))
    life.until(FROM + 2 * MINUTE, step=HOUR)
    life.until(END, step=2 * MINUTE)
    assert life.rows() == ([], [])
    with life.database.read() as connection:
        spent = ledger.since(connection, "bot", [FROM], END)[FROM]
        told = comparisons.load_report(connection, "bot", "shadow", "candidate").told
        seen = connection.execute(sa.select(tables.versions.c.value)).scalars().all()
    assert (spent.requests, spent.amount) == (LIVE, pytest.approx(log.champion["cost"].tail(LIVE).sum()))
    assert set(seen) == {"m1"}
    assert told["pairs"] > 0.8 * LIVE
    assert told["metrics"]["latency"]["relative"]["value"] == pytest.approx(2.0)
    assert told["verdict"] == "lose"


def test_an_undeclared_second_model_is_an_incident_with_a_rollback(log: Log, watching: Start) -> None:
    log.write(log.challenger())
    life = watching(log.configure())
    life.until(FROM + 2 * MINUTE, step=HOUR)
    life.until(END, step=2 * MINUTE)
    incidents, actions = life.rows()
    assert "m2" in {row.suspected_change["value"] for row in incidents if row.suspected_change}
    assert actions


def test_savings_count_the_champion_only_and_are_counted_again_when_a_shadow_is_declared(log: Log) -> None:
    log.write(log.challenger())
    counted, fingerprints = [], []
    for shadows in ([], [SHADOW]):
        monitor = log.monitor(shadows=shadows)
        (plan,) = make_plans(Savings.model_validate({"plans": [{"name": "all", "model": "gpt-4o"}]}), [])
        with open_reader(monitor) as reader:
            cells = count(reader, monitor, [plan], START, END)["all"]
        counted.append(sum(cell.requests for cell in cells.values()))
        fingerprints.append(definition(monitor, plan))
    assert counted == [len(log.champion) + LIVE, len(log.champion)]
    assert fingerprints[0] != fingerprints[1]


def test_what_a_drift_costs_is_of_served_requests(log: Log, watching: Start) -> None:
    """The model of users answers wrongly from the start of the shadow on; its challenger is never right."""
    rng = np.random.default_rng(1)
    size = len(log.champion)
    truth, right = rng.random(size) < 0.5, rng.random(size) < np.where(log.champion["at"] < FROM, 0.9, 0.7)
    log.champion = log.champion.assign(label=truth.astype(int), score=np.where(right == truth, 0.9, 0.1))
    log.write(log.challenger(score=0.0))
    told = []
    for settings in ({"shadows": [SHADOW]}, {}):
        (log.folder / "driftd.db").unlink(missing_ok=True)
        checks = [{"performance": {"positive": "1"}}]
        life = watching(log.configure(checks=checks, features=[], segments=[], **settings))
        life.until(END + 10 * MINUTE, step=HOUR)
        spec = RetrainingSpec(price=500, error_cost=2)
        with life.database.read() as connection:
            told.append(paying_since(connection, life.config.monitors[0], spec, FROM + 10 * MINUTE))
        life.close()
    wrong = 0.2 * LIVE * 2
    assert told[0]["cost"]["value"] == pytest.approx(wrong, rel=0.15)
    assert told[1]["cost"]["value"] > 2 * wrong


def test_a_retraining_is_told_what_to_leave_out(log: Log) -> None:
    log.write()
    monitor = log.monitor(shadows=[SHADOW], traffic=EVALUATION)
    at = FROM + HOUR
    incident = Incident("i", "bot", "r", "critical", "firing", at, at, "worse")
    log = TrainingLog(lambda *_: (1000, 0), lambda *_: ("t >= 1", True), {"a": "numeric"}, "sqlite")
    baseline = Baseline(1, "l", {}, {}, None, 10)  # type: ignore[arg-type]
    told = retraining(monitor, incident, [], baseline, at, 500, log)["snapshot"]["not_served"]
    assert [(one["column"], one["values"], one["end"]) for one in told] == [
        ("model", ["m2"], None),
        ("tenant", ["driftd-evaluation"], None),
    ]
    assert datetime.fromisoformat(told[0]["start"]) == FROM


def test_a_challenger_in_the_stretch_of_the_baseline_is_not_learnt(log: Log) -> None:
    log.write(log.challenger(START))
    monitor = log.monitor(shadows=[{**SHADOW, "from": START.isoformat()}])
    with open_reader(monitor) as reader:
        baseline = baseline_from_source(reader, monitor, START, FROM)
        frame = sample_report(reader, monitor, baseline.layouts, START, FROM, rows=10**6)
    assert baseline.rows == len(frame) == int(HOUR / EVERY)
    assert set(baseline.layouts["topic"].vocabulary) == {"refund", "delivery"}
    assert set(baseline.facts["versions"]["model_version"]) == {"m1"}
    assert frame["latency"].max() < 3.5


def test_silence_of_served_traffic_is_not_hidden_by_calls_of_an_evaluation(log: Log) -> None:
    stop = START + 80 * MINUTE
    asked = log.challenger(tenant="driftd-evaluation")
    log.champion = log.champion[log.champion["at"] < stop]
    log.write(asked)
    _, told = check(log.configure(traffic=EVALUATION, checks=["quality", "freshness"]), stop + 20 * MINUTE)
    found = {one["check"]: one for one in told["findings"] if one["column"] is None}
    assert (found["freshness"]["status"], found["freshness"]["statistic"]) == ("drifted", 1202.0)


def test_an_id_that_a_challenger_shares_with_a_served_record_hides_neither(log: Log) -> None:
    monitor = log.monitor(shadows=[SHADOW], traffic=EVALUATION, experiments=[{**EXPERIMENT, "unserved": ["m2"]}])
    seconds = FROM.timestamp() + np.arange(6.0)
    models, tenants = ["m2", "m1", "m1", "m1", "m2", "m1"], [*["acme"] * 3, "driftd-evaluation", *["acme"] * 2]
    texts = {"id": ["a", "a", "b", "c", "b", "b"], "model_version": models, "tenant": tenants}
    batch = RecordBatch(
        {"timestamp": Column.floats(seconds), **{name: Column.of(each) for name, each in texts.items()}}
    )
    arms = Arms(monitor.experiments[0])
    profiler = Profiler(monitor, {}, [arms])
    profiler.add(batch.with_columns({"latency": Column.floats(np.ones(6))}))
    assert (profiler.facts.rows, profiler.facts.duplicates) == (2, 1)
    assert [arms.tallies[arm]["latency"].n for arm in ("m1", "m2")] == [2, 2]


def test_calls_of_an_evaluation_enter_nothing(log: Log) -> None:
    log.write(log.challenger(model="m1", tenant="driftd-evaluation"))
    code, told = check(log.configure(traffic=EVALUATION))
    assert (code, told["status"]) == (0, "ok")
    assert check(log.configure())[0] == 1
    monitor = log.monitor(traffic=EVALUATION)
    suite = Suite.model_validate(
        {"name": "live", "traffic": {"share": 1}, "expect": [{"signal": "valid_json", "min": 1}]}
    )
    with open_reader(monitor) as reader:
        assert sample_traffic(reader, suite, START, END, monitor).row_count == len(log.champion)


def test_a_column_that_marks_evaluations_must_be_logged(log: Log) -> None:
    log.write()
    code, told = check(log.configure(traffic={"probe": {"column": "purpose", "values": ["probe"]}}))
    assert code == 2
    assert "traffic.probe: 'purpose' is not a column of bot" in told["reason"]
    monitor = log.monitor(traffic={"probe": {"column": "purpose", "values": ["probe"]}})
    with open_reader(monitor) as reader, pytest.raises(SourceError, match="map it under `columns:`"):
        learn_layouts(reader, monitor, START, FROM)


EXPERIMENT = {
    "name": "offline",
    "arm": "model_version",
    "control": "m1",
    "treatments": ["m2"],
    "from": FROM.isoformat(),
    "metrics": {"latency": {"better": "lower", "minimum": 0.1}},
}


def test_an_arm_that_serves_no_users_enters_its_experiment_and_nothing_else(log: Log, watching: Start) -> None:
    log.write(log.challenger())
    life = watching(log.configure(experiments=[{**EXPERIMENT, "unserved": ["m2"]}]))
    life.until(FROM + 2 * MINUTE, step=HOUR)
    life.until(END, step=2 * MINUTE)
    assert life.rows() == ([], [])
    with life.database.read() as connection:
        told = comparisons.load_report(connection, "bot", "experiment", "offline").told["m2"]
    assert told["rows"] == {"m1": LIVE, "m2": LIVE}
    assert told["verdict"] == "lose"


def test_a_challenger_enters_no_experiment_of_others(log: Log) -> None:
    """The arm of the experiment is another column, which the challenger's records have as well."""
    half = np.where(log.champion["request"] % 2 == 0, "acme", "zeta")
    log.champion = log.champion.assign(tenant=half)
    log.write(log.challenger())
    other = {**EXPERIMENT, "arm": "tenant", "control": "acme", "treatments": ["zeta"]}
    counted = []
    for settings in ({"shadows": [SHADOW]}, {"traffic": {"probe": {"column": "model_version", "values": ["m2"]}}}, {}):
        monitor = log.monitor(experiments=[other], **settings)
        arms = Arms(monitor.experiments[0])
        with open_reader(monitor) as reader:
            for page in read_pages(reader, monitor, arms.spec, FROM, END):
                arms.add(page)
        counted.append(sum(held["latency"].n for held in arms.tallies.values()))
    assert counted == [LIVE, LIVE, 2 * LIVE]


PROBES = {"probe": {"column": "tenant", "values": ["ping"]}}


def test_slow_probes_are_an_incident_of_their_own_and_never_roll_back(log: Log, watching: Start) -> None:
    slow = START + 90 * MINUTE
    usual = log.challenger(START, slow, model="m1", tenant="ping", latency=1.0 + np.arange(2700) % 7 / 10)
    log.write(usual, log.challenger(slow, END, model="m1", tenant="ping", latency=20.0))
    checks = ["latency", {"latency": {"name": "probes", "traffic": ["probe"], "p95": "5s"}}]
    path = log.configure(traffic=PROBES, checks=checks, segments=[], bucket="5m", rules=[{"do": ["back"]}])
    life = watching(path)
    life.until(FROM + 5 * MINUTE, step=HOUR)
    life.until(END, step=5 * MINUTE)
    incidents, actions = life.rows()
    assert ([row.monitor for row in incidents], actions) == (["bot.probe"], [])
    assert incidents[0].reason.startswith("p95 latency")
    assert life.config.monitor(None).name == "bot"


def test_checks_of_other_traffic_are_a_monitor_that_tells_people_only(log: Log) -> None:
    checks = [
        "drift",
        {"latency": {"traffic": ["probe", "evaluation"]}},
        {"spend": {"daily": 9, "traffic": ["served", "evaluation"]}},
        {"drift": {"traffic": ["evaluation", "probe"]}},
    ]
    traffic = {**EVALUATION, **PROBES}
    receivers = {"chat": {"kind": "slack", "token": "xoxb-none", "channel": "#alerts"}}
    path = log.configure(traffic=traffic, checks=checks, shadows=[SHADOW], rules=[{"do": ["back", "chat"]}])
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "receivers": receivers}))
    bot, both, billed = load(path).monitors
    assert [[one.name, [check.kind for check in one.checks]] for one in (bot, both, billed)] == [
        ["bot", ["drift"]],
        ["bot.evaluation-probe", ["latency", "drift"]],
        ["bot.served-evaluation", ["spend"]],
    ]
    assert (bot.rules[0].do, both.rules[0].do, both.shadows, bot.part_of, both.part_of) == (
        ["back", "chat"],
        ["chat"],
        [],
        None,
        "bot",
    )
    assert bot.role_rules == both.role_rules  # the challenger is still no evaluation
    batch = RecordBatch(
        {
            "timestamp": Column.floats(FROM.timestamp() + np.arange(4.0)),
            "tenant": Column.of(["acme", "ping", "driftd-evaluation", "acme"]),
            "model_version": Column.of(["m1", "m1", "m2", "m2"]),
        }
    )
    kept = [keep_monitored(batch, one)["tenant"].values.tolist() for one in (bot, both, billed)]
    assert kept == [["acme"], ["ping", "driftd-evaluation"], ["acme", "driftd-evaluation"]]


def test_a_role_without_records_and_a_taken_name_are_errors(log: Log) -> None:
    with pytest.raises(ConfigError, match="no record of this monitor has the role 'probe'; set `traffic: {probe"):
        load(log.configure(checks=[{"latency": {"traffic": ["probe"]}}]))
    path = log.configure(traffic=PROBES, checks=[{"latency": {"traffic": ["probe"]}}])
    config = yaml.safe_load(path.read_text())
    config["monitors"].append({**config["monitors"][0], "name": "bot.probe", "checks": ["drift"]})
    path.write_text(yaml.safe_dump(config))
    with pytest.raises(ConfigError, match=r"the monitor of this traffic is named 'bot\.probe', which is taken"):
        load(path)
    signal = {**EXPERIMENT, "arm": "failed", "unserved": ["m2"]}
    with pytest.raises(ConfigError, match="'failed' is a signal; name a logged column"):
        load(log.configure(signals=["failed"], experiments=[signal]))


def test_a_column_has_the_role_of_each_record(log: Log) -> None:
    monitor = log.monitor()
    columns = {**monitor.source.columns, "traffic": monitor.source.columns["tenant"]}
    monitor = monitor.model_copy(update={"source": monitor.source.model_copy(update={"columns": columns})})
    roles = ["served", "shadow", "experiment", "evaluation", "probe", None, "Probe", "canary"]
    batch = RecordBatch({"timestamp": Column.floats(np.arange(8.0)), "traffic": Column.of(roles)})
    decided = decide_roles(batch, monitor.role_rules)
    assert [TRAFFIC_ROLES[role] for role in decided] == [*roles[:5], "served", "served", "served"]
    assert decide_roles(batch, log.monitor().role_rules).tolist() == [0] * 8  # a column of that name that is not mapped


def test_an_arm_that_serves_no_users_must_be_a_treatment(log: Log) -> None:
    with pytest.raises(ConfigError, match="`unserved:` names 'm3', which is not among `treatments:`"):
        load(log.configure(experiments=[{**EXPERIMENT, "unserved": ["m3"]}]))


def test_a_champion_is_not_at_once_the_challenger_of_another_shadow(log: Log) -> None:
    second = {**SHADOW, "name": "second", "champion": "m2", "challenger": "m3"}
    with pytest.raises(ConfigError, match="'m2' is the challenger of the shadow 'candidate'"):
        load(log.configure(shadows=[SHADOW, second]))
    before = {**SHADOW, "to": (FROM + HOUR).isoformat()}
    load(log.configure(shadows=[before, {**second, "from": (FROM + HOUR).isoformat()}]))


def test_declaring_a_shadow_keeps_the_baseline_and_declaring_evaluation_traffic_does_not(log: Log) -> None:
    kept = [
        baseline_definition(log.monitor(**settings))
        for settings in ({}, {"shadows": [SHADOW]}, {"experiments": [{**EXPERIMENT, "unserved": ["m2"]}]})
    ]
    assert len(set(kept)) == 1
    changed = baseline_definition(log.monitor(traffic=EVALUATION))
    assert changed != kept[0]


def test_what_a_comparison_finds_takes_no_place_in_the_attribution_of_served_traffic() -> None:
    joint = Finding("drift", JOINT, "mmd", None, Status.DRIFTED, "", statistic=2.0, threshold=1.0)
    lost = Finding("shadow", "candidate.latency", "latency", None, Status.DRIFTED, "", statistic=9.0, threshold=1.0)
    assert choose_findings([joint, lost]) == choose_findings([joint]) == {joint.key}
