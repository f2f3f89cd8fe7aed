"""`driftd eval` from end to end: a real endpoint on loopback, a real store, exit codes and files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner, Result

from monitor.cli import app
from monitor.core.clock import SystemClock
from monitor.core.suite_run import CaseResult, Run
from monitor.jobs.evals.ask import SuiteSamples
from monitor.jobs.evals.compare import as_one, compare, pool, unchanged_runs
from monitor.jobs.evals.conclude import conclude
from monitor.jobs.evals.run import evaluate, requests
from monitor.jobs.evals.suite import Suite
from monitor.store import evaluations, migrate
from monitor.store.database import Database
from tests.support.llm import Model, Reply, completion, question, serving, unsure
from tests.support.nightly import ON_POSTGRESQL_NIGHTLY, nightly

CASES = 40


def suite(url: str, **changes: Any) -> dict[str, Any]:
    cases = [
        {"id": f"c{n}", "prompt": f"question {n}", "expected": "right", "tags": ["odd" if n % 2 else "even"]}
        for n in range(CASES)
    ]
    endpoint = {"url": url, "model": "m", "timeout": 5, "backoff": 0.01, "retries": 1}
    return {"name": "s", "endpoint": endpoint, "cases": cases, "expect": ["exact"], "repeat": 3, **changes}


def rate(high: float, low: float | None = None) -> Callable[[str], float]:
    """Return how often a question is answered right; with ``low`` that of the odd ones."""
    return lambda text: low if low is not None and int(text.split()[-1]) % 2 else high


@pytest.fixture
def database(migrated_url: str) -> Iterator[Database]:
    opened = Database(migrated_url)
    migrate.upgrade(opened)
    yield opened
    opened.close()


@pytest.fixture
def plain_database(sqlite_url: str) -> Iterator[Database]:
    opened = Database(sqlite_url)
    migrate.upgrade(opened)
    yield opened
    opened.close()


def run(database: Database, answer: Callable[[dict[str, Any], int], Reply], **changes: Any) -> Run:
    with serving(Model(answer)) as model:
        return evaluate(Suite.model_validate(suite(model.url, **changes)), database, SystemClock())


@ON_POSTGRESQL_NIGHTLY
def test_a_model_that_got_worse_is_a_regression_and_the_same_model_is_not(database: Database) -> None:
    first = run(database, unsure(rate(0.9), 1))
    same = run(database, unsure(rate(0.9), 2))
    worse = run(database, unsure(rate(0.6), 3))
    back = run(database, unsure(rate(0.9), 4))
    assert [r.result for r in (first, same, worse, back)] == ["good", "good", "regressed", "good"]
    assert first.compared_with == []
    assert same.compared_with == [first.id]
    assert worse.compared_with == [same.id, first.id]
    assert back.compared_with == [same.id, first.id], "a regressed run is nothing to compare with"
    assert "overall fell from" in worse.reason
    with database.read() as connection:
        rows = evaluations.rows(connection, "s")
        stored = evaluations.case_results(connection, first.id)
    assert [row.id for row in rows] == [back.id, worse.id, same.id, first.id]
    assert [case.id for case in stored] == [f"c{n}" for n in range(CASES)]
    assert [case.scores["overall"].tolist() for case in stored] == [
        case.scores["overall"].tolist() for case in first.cases
    ]


def test_a_drop_of_one_group_is_named(plain_database: Database) -> None:
    run(plain_database, unsure(rate(0.9), 1))
    worse = run(plain_database, unsure(rate(0.9, 0.5), 2))
    assert {one.measure for one in worse.comparisons if one.regressed} >= {"tag:odd"}
    assert "tag:even" not in {one.measure for one in worse.comparisons if one.regressed}
    assert sum(int(case[1:]) % 2 for case, _, _ in worse.fallen) > 0.6 * len(worse.fallen)


def test_several_good_runs_can_be_taken_together(plain_database: Database) -> None:
    for seed in range(3):
        run(plain_database, unsure(rate(0.9), seed), compare_with=3)
    found = run(plain_database, unsure(rate(0.65), 9), compare_with=3)
    assert len(found.compared_with) == 3
    assert found.result == "regressed"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(500), "server"),
        (Reply(429, headers={"retry-after": "0"}), "rate_limited"),
        (Reply(hang=True), "timeout"),
        (Reply(body=b"not json"), "malformed"),
        (Reply(401), "auth"),
    ],
)
def test_an_endpoint_that_fails_is_inconclusive_and_never_a_regression(
    plain_database: Database, reply: Reply, reason: str
) -> None:
    run(plain_database, unsure(rate(0.9), 1))
    endpoint = {"url": "", "model": "m", "timeout": 0.2, "backoff": 0.01, "retries": 1}
    model = Model(lambda _body, _before: reply)
    with serving(model):
        asked = Suite.model_validate(suite(model.url, endpoint={**endpoint, "url": model.url}))
        found = evaluate(asked, plain_database, SystemClock())
        assert found.result == "inconclusive"
        assert reason in found.failures
        assert len(model.requests) <= 20, "it must not go on asking what cannot answer"
    again = run(plain_database, unsure(rate(0.9), 2))
    assert again.result == "good"
    assert again.compared_with != [found.id]


def test_half_the_answers_missing_and_the_rest_wrong_is_still_inconclusive(plain_database: Database) -> None:
    run(plain_database, unsure(rate(1.0)))
    found = run(plain_database, lambda _body, before: Reply(400) if before % 2 else completion("wrong"))
    assert found.result == "inconclusive"


def test_a_passing_fault_is_survived(plain_database: Database) -> None:
    def answer(_body: dict[str, Any], before: int) -> Reply:
        return Reply(429, headers={"retry-after": "0.01"}) if before % 5 == 0 else completion("right")

    with serving(Model(answer)) as model:
        data = suite(model.url)
        data["endpoint"]["retries"] = 8
        found = evaluate(Suite.model_validate(data), plain_database, SystemClock())
    assert found.result == "good"
    assert found.failures == {}
    assert found.spent["endpoint"].requests > 3 * CASES


def test_a_used_up_budget_is_inconclusive(plain_database: Database) -> None:
    model = Model(unsure(rate(0.9)))
    with serving(model):
        data = suite(model.url)
        data["endpoint"]["budget"] = {"requests": 30}
        found = evaluate(Suite.model_validate(data), plain_database, SystemClock())
        assert len(model.requests) == 30
    assert found.result == "inconclusive"
    assert found.failures["budget"] > 0


def test_no_more_requests_at_a_time_than_allowed(plain_database: Database) -> None:
    model = Model(unsure(rate(0.9)))
    with serving(model):
        data = suite(model.url)
        data["endpoint"]["concurrency"] = 3
        evaluate(Suite.model_validate(data), plain_database, SystemClock())
    assert 1 <= model.most_at_once <= 3


def test_a_case_that_was_changed_is_not_compared(plain_database: Database) -> None:
    run(plain_database, unsure(rate(1.0)))
    cases = suite("x")["cases"]
    changed = [{**case, "prompt": case["prompt"].replace("question", "other")} for case in cases[:10]] + cases[10:]
    found = run(
        plain_database, lambda body, _: completion("wrong" if "other" in question(body) else "right"), cases=changed
    )
    assert found.result == "good"
    assert found.comparisons[0].paired.cases == CASES - 10


def test_repeats_that_are_copies_count_once(plain_database: Database) -> None:
    """Four of forty cases of a deterministic model flip: a coin could do that, however often each is asked."""

    def fixed(wrong: int) -> Callable[[dict[str, Any], int], Reply]:
        return lambda body, _: completion("wrong" if int(question(body).split()[-1]) < wrong else "right")

    first = run(plain_database, fixed(0))
    assert first.copies
    assert run(plain_database, fixed(4)).result == "good"
    run(plain_database, fixed(0))
    assert run(plain_database, fixed(12)).result == "regressed"


def test_a_minimum_holds_without_a_run_before(plain_database: Database) -> None:
    assert run(plain_database, unsure(rate(0.5)), min_score=0.8).result == "below"
    assert run(plain_database, unsure(rate(0.95)), min_score=0.8).result == "good"


def test_old_runs_are_forgotten_but_not_the_last_good_one(
    plain_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluations, "MOST_RUNS", 2)
    good = run(plain_database, lambda _body, _before: completion("right"), repeat=1)
    bad = [run(plain_database, lambda _body, _before: completion("wrong"), repeat=1) for _ in range(3)]
    with plain_database.read() as connection:
        kept = [row.id for row in evaluations.rows(connection)]
        assert evaluations.case_results(connection, bad[0].id) == []
    assert kept == [bad[2].id, bad[1].id, good.id]


# ---- the judge -----------------------------------------------------------------------------------


def judged(model: Model, judge: Model, **changes: Any) -> Suite:
    said = {"endpoint": {"url": judge.url, "model": "j", "timeout": 5, "backoff": 0.01, "retries": 0}, "rubric": "ok"}
    return Suite.model_validate(suite(model.url, expect=["exact", "judge"], judge={**said, **changes}))


def test_a_judge_scores_its_share_of_the_cases_the_same_ones_every_time(plain_database: Database) -> None:
    judge = Model(lambda _body, _before: completion('{"score": 0.5}'))
    with serving(Model(unsure(rate(0.9)))) as model, serving(judge):
        asked = judged(model, judge, sample=0.5)
        runs = [evaluate(asked, plain_database, SystemClock()) for _ in range(2)]
        assert requests(asked) == 3 * CASES + len(judge.requests) // 2
    shares = [{case.id for case in one.cases if case.scores["judge"].tolist() == [0.5] * 3} for one in runs]
    assert shares[0] == shares[1]
    assert CASES / 4 < len(shares[0]) < CASES * 3 / 4
    assert runs[0].score != 0.5, "a judge that sees a share of the cases does not move the score of the suite"
    assert {one.measure for one in runs[1].comparisons} >= {"overall", "expect:judge", "expect:exact"}


def test_a_judge_that_thinks_less_of_the_answers_is_a_regression_and_one_that_fails_is_not(
    plain_database: Database,
) -> None:
    said = iter([0.9, 0.4, None])
    results = []
    for score in said:
        reply = completion(f'{{"score": {score}}}') if score is not None else Reply(500)
        with (
            serving(Model(lambda _body, _before: completion("right"))) as model,
            serving(Model(lambda _body, _before, reply=reply: reply)) as judge,
        ):
            results.append(evaluate(judged(model, judge), plain_database, SystemClock()).result)
    assert results == ["good", "regressed", "inconclusive"]


# ---- the command line ----------------------------------------------------------------------------


def driftd(folder: Path, *words: str, config: bool = True) -> Result:
    store = ["--store", f"sqlite:///{folder / 'driftd.db'}"] if config else []
    return CliRunner().invoke(app, ["eval", *words, *store], catch_exceptions=True)


def write(folder: Path, data: dict[str, Any]) -> str:
    path = folder / "suite.yaml"
    path.write_text(yaml.safe_dump(data))
    return str(path)


def checked_junit(path: Path) -> ET.Element:
    """Parse JUnit XML and hold it to what readers of the format rely on."""
    top = ET.fromstring(path.read_bytes())
    assert top.tag == "testsuites"
    (inner,) = top
    tests = inner.findall("testcase")
    assert inner.get("tests") == str(len(tests))
    for kind, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert inner.get(name) == str(sum(test.find(kind) is not None for test in tests))
    assert all(test.get("name") and test.get("classname") and float(test.get("time", "x")) >= 0 for test in tests)
    assert len({test.get("name") for test in tests}) == len(tests)
    assert {child.tag for test in tests for child in test} <= {"failure", "error", "skipped", "system-out"}
    return inner


def test_exit_codes_json_and_junit(tmp_path: Path) -> None:
    report = tmp_path / "out" / "junit.xml"
    codes, suites, told = [], [], []
    for answer in (unsure(rate(0.95), 1), unsure(rate(0.95), 2), unsure(rate(0.5), 3), lambda _b, _n: Reply(500)):
        with serving(Model(answer)) as model:
            file = write(tmp_path, suite(model.url))
            done = driftd(tmp_path, "run", file, "--junit", str(report), "--json", "--quiet")
        codes.append(done.exit_code)
        told.append(json.loads(done.stdout))
        suites.append(checked_junit(report))
    assert codes == [0, 0, 1, 2]
    assert [one["exit_code"] for one in told] == codes
    assert [int(one.get("failures", "")) + int(one.get("errors", "")) > 0 for one in suites] == [
        False,
        False,
        True,
        True,
    ]
    assert suites[2].get("errors") == "0"
    assert suites[3].get("failures") == "0"
    names = {test.get("name") for test in suites[2].findall("testcase")}
    assert names >= {"case c0", "comparison overall", "comparison tag:odd"}
    listed = json.loads(driftd(tmp_path, "list", "--json").stdout)
    assert [row["result"] for row in listed] == ["inconclusive", "regressed", "good", "good"]
    shown = json.loads(driftd(tmp_path, "show", told[2]["id"][:8], "--json").stdout)
    assert shown["reason"] == told[2]["reason"]
    assert [case["scores"] for case in shown["cases"]] == [case["scores"] for case in told[2]["cases"]]


def test_an_accepted_run_is_what_the_next_is_compared_with(tmp_path: Path) -> None:
    codes = []
    for seed, share in ((1, 0.95), (2, 0.5), (3, 0.5)):
        with serving(Model(unsure(rate(share), seed))) as model:
            codes.append(driftd(tmp_path, "run", write(tmp_path, suite(model.url)), "--quiet").exit_code)
        if seed == 2:
            worse = json.loads(driftd(tmp_path, "list", "--json").stdout)[0]["id"]
            assert driftd(tmp_path, "accept", worse[:8]).exit_code == 0
    assert codes == [0, 1, 0]


def test_given_answers_are_scored_without_an_endpoint(tmp_path: Path) -> None:
    data = suite("http://127.0.0.1:1/v1")
    lines = [{"id": case["id"], "response": "right"} for case in data["cases"]]
    given = tmp_path / "given.jsonl"
    given.write_text("".join(json.dumps(line) + "\n" for line in lines))
    good = driftd(tmp_path, "run", write(tmp_path, data), "--answers", str(given), "--quiet")
    assert (good.exit_code, "the score is 1.000" in good.stdout) == (0, True)
    given.write_text("".join(json.dumps({**line, "response": "wrong\x00"}) + "\n" for line in lines))
    assert driftd(tmp_path, "run", write(tmp_path, data), "--answers", str(given), "--quiet").exit_code == 1
    given.write_text("".join(json.dumps(line) + "\n" for line in lines[:20]))
    assert driftd(tmp_path, "run", write(tmp_path, data), "--answers", str(given), "--quiet").exit_code == 2
    given.write_text('{"id": "nobody", "response": "x"}\n')
    wrong = driftd(tmp_path, "run", write(tmp_path, data), "--answers", str(given))
    assert "given.jsonl:1: id: the suite has no case 'nobody'" in str(wrong.exception)


def test_what_is_secret_stays_so(tmp_path: Path) -> None:
    with serving(Model(lambda _body, _before: Reply(401, b"your key sk-secret is wrong"))) as model:
        data = suite(model.url)
        data["endpoint"]["api_key"] = "sk-secret"
        report = tmp_path / "junit.xml"
        done = driftd(tmp_path, "run", write(tmp_path, data), "--json", "--junit", str(report))
    assert done.exit_code == 2
    assert "sk-secret" not in done.output + report.read_text()
    assert b"sk-secret" not in (tmp_path / "driftd.db").read_bytes()


def test_what_xml_cannot_hold_is_replaced(tmp_path: Path) -> None:
    report = tmp_path / "junit.xml"
    odd = "\x00\x1b[31m<b>&\ufffe \ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")
    data = suite("http://127.0.0.1:1/v1", cases="cases.jsonl")
    (tmp_path / "cases.jsonl").write_text(json.dumps({"id": odd, "prompt": "q", "expected": "right"}))
    (tmp_path / "given.jsonl").write_text(json.dumps({"id": odd, "response": odd}))
    given = ["--answers", str(tmp_path / "given.jsonl"), "--junit", str(report)]
    driftd(tmp_path, "run", write(tmp_path, data), *given, "--quiet")
    names = [test.get("name") or "" for test in checked_junit(report).findall("testcase")]
    assert any("<b>&\ufffd 😀" in name for name in names)


def test_the_store_of_the_configuration_is_used_and_a_missing_one_named(tmp_path: Path) -> None:
    file = write(tmp_path, suite("http://127.0.0.1:1/v1"))
    done = driftd(tmp_path, "run", file, "--config", str(tmp_path / "no.yaml"), config=False)
    assert "there is no such file" in str(done.exception)


# ---- noise ---------------------------------------------------------------------------------------


@pytest.mark.nightly
@pytest.mark.parametrize("compare_with", [1, 3])
def test_two_hundred_runs_of_an_unchanged_random_model(compare_with: int) -> None:
    """One after another, each against the last good one: a lucky baseline must not make false alarms the rule."""
    chance = np.random.default_rng(compare_with)
    asked = Suite.model_validate(suite("http://127.0.0.1:1/v1", compare_with=compare_with))
    share = chance.beta(4, 1, len(asked.cases))
    good: list[tuple[str, bool, list[CaseResult]]] = []
    alarms = 0
    now = SystemClock().now()
    for _ in range(200):
        drawn = (chance.random((len(share), 3)) < share[:, None]).astype(float)
        results = [
            CaseResult(case.id, "d", case.tags, {"overall": scores, "exact": scores}, (), ["a", "b", "c"])
            for case, scores in zip(asked.cases, drawn, strict=True)
        ]
        found = conclude(asked, results, good[:compare_with], SuiteSamples({}), now, now)
        assert len(found.comparisons) == (3 if good else 0)
        alarms += found.result != "good"
        if found.result == "good":
            good.insert(0, (found.id, False, results))
    assert alarms <= 10, "worse, or too few cases to tell"


def cases_of(shares: np.ndarray, repeat: int, chance: np.random.Generator) -> list[CaseResult]:
    drawn = (chance.random((len(shares), repeat)) < shares[:, None]).astype(float)
    return [CaseResult(f"c{n}", "d", (), {"overall": scores}, (), ["a", "b"]) for n, scores in enumerate(drawn)]


@pytest.mark.parametrize("times", [12, nightly(20)])
def test_three_good_runs_find_a_drop_that_the_last_alone_mostly_misses(times: int) -> None:
    chance = np.random.default_rng(1)
    found = {1: 0, 3: 0}
    for _ in range(times):
        shares = chance.beta(4, 1, 100)
        good = [cases_of(shares, 3, chance) for _ in range(3)]
        worse = cases_of(shares * 0.875, 3, chance)
        for most in found:
            suite_ = Suite.model_validate(suite("http://127.0.0.1:1/v1"))
            (whole, *_) = compare(suite_, worse, pool(unchanged_runs(good[:most])))
            found[most] += whole.regressed
    assert found[3] >= 0.75 * times
    assert found[3] > found[1]


def test_runs_from_before_the_model_got_better_do_not_hide_that_it_fell_back() -> None:
    chance = np.random.default_rng(2)
    low, high = np.full(100, 0.6), np.full(100, 0.9)
    good = [*(cases_of(high, 3, chance) for _ in range(2)), *(cases_of(low, 3, chance) for _ in range(3))]
    kept = unchanged_runs(good)
    assert len(kept) == 2
    (whole, *_) = compare(Suite.model_validate(suite("http://127.0.0.1:1/v1")), cases_of(low, 3, chance), pool(kept))
    assert whole.regressed


def test_steady_cases_that_trade_places_are_no_regression_whatever_is_known_of_before() -> None:
    chance = np.random.default_rng(3)
    asked = Suite.model_validate(suite("http://127.0.0.1:1/v1"))
    alarms = 0
    for _ in range(40):
        before = np.repeat([1.0, 0.0], [85, 15])
        past = pool([cases_of(before, 3, chance) for _ in range(3)])
        moved = (chance.random(100) < 0.1) * chance.choice([-1.0, 1.0], 100)  # as many rise as fall, on average
        after = np.clip(np.abs(before - np.abs(moved) * (chance.random(100) < np.where(before > 0, 0.15, 0.85))), 0, 1)
        (whole, *_) = compare(asked, cases_of(after, 3, chance), past)
        alarms += whole.regressed
    assert alarms <= 2


def test_copies_of_ten_runs_are_ten_observations_and_not_thirty() -> None:
    ones = [CaseResult(f"c{n}", "d", (), {"overall": np.ones(3)}, (), ["a"] * 3) for n in range(100)]
    (case, *_) = as_one(ones)
    assert case.scores["overall"].tolist() == [1.0]
    assert len(next(iter(pool([as_one(ones)] * 10).values())).scores["overall"]) == 10
