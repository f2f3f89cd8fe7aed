"""Evidently's stattests, by name, in a real child process."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from detectors.binning import learn_categorical
from detectors.profile import Profile
from detectors.records import Column
from monitor.checks import evidently
from monitor.checks.evidently import TWO_CATEGORIES, Request, StatTestResult, expand, measure_in_child, request
from monitor.config.stattests import NOT_SUPPORTED, P_VALUES, STATTESTS
from tests.detectors.columns import numeric_pair
from tests.support.nightly import nightly
from tests.support.stattests import agree, die, environment, hang

pytestmark = [
    pytest.mark.xdist_group("evidently"),  # its child imports Evidently, which takes seconds
    pytest.mark.skipif(find_spec("evidently") is None, reason="install the extra `report`"),
]

TIMEOUT = 120.0


@pytest.fixture(scope="module", autouse=True)
def _no_child_is_left() -> Iterator[None]:
    yield
    evidently.close()


def numeric(shift: float, seed: int = 0) -> tuple[Profile, Profile]:
    rng = np.random.default_rng(seed)
    return numeric_pair(rng.normal(size=4000), rng.normal(shift, size=1500))


def categorical(odds: list[float], moved: list[float]) -> tuple[Profile, Profile]:
    """Return columns whose shares are the odds exactly, so that an unchanged one is certainly not drifted."""
    layout = learn_categorical(Counter({f"c{i}": 100 - i for i in range(len(odds))}))
    sides = [
        Profile.of(Column.of([f"c{i}" for i, share in enumerate(side) for _ in range(round(size * share))]), layout)
        for side, size in ((odds, 4000), (moved, 1000))
    ]
    return sides[0], sides[1]


def profiles(name: str, kind: str, drifted: bool) -> tuple[Profile, Profile]:
    if kind == "numeric":
        return numeric(1.0 if drifted else 0.0)
    odds = [0.6, 0.4] if name in TWO_CATEGORIES else [0.5, 0.3, 0.2]
    return categorical(odds, odds[::-1] if drifted else odds)


SLOW = ("TVD", "empirical_mmd")
"""What draws permutations: seconds each."""
CASES = [(name, kind) for name, kinds in STATTESTS.items() for kind in kinds]


@cache
def measured(name: str, kind: str) -> tuple[StatTestResult, StatTestResult]:
    """Return what a test says of a clear shift and of an equal sample."""
    moved, same = measure_in_child(
        [request(name, *profiles(name, kind, drifted)) for drifted in (True, False)], TIMEOUT
    )
    return moved, same


def in_child(code: str) -> str:
    command = [sys.executable, "-W", "ignore", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=240).stdout.strip()


def test_importing_it_imports_neither_evidently_nor_pandas() -> None:
    code = (
        "import sys, monitor.checks.evidently; print([n for n in ('evidently', 'pandas', 'numpy') if n in sys.modules])"
    )
    assert in_child(code) == "[]"


def registered() -> dict[str, list[str]]:
    """Return the tests that Evidently knows, in the child."""
    from evidently.legacy.calculations.stattests.registry import _registered_stat_tests as known

    return {name: sorted(kind.value for kind in kinds) for name, kinds in known.items()}


def test_the_names_are_those_of_evidentlys_registry() -> None:
    known = evidently._child().submit(registered).result(TIMEOUT)
    words = {"numeric": "num", "categorical": "cat"}
    ours = {name: sorted(words[kind] for kind in kinds) for name, kinds in STATTESTS.items()}
    assert known == {**ours, **dict.fromkeys(NOT_SUPPORTED, ["text"])}


@pytest.mark.parametrize(("name", "kind"), [case if case[0] not in SLOW else nightly(case) for case in CASES])
def test_a_clear_shift_is_drifted_and_an_equal_sample_is_not(name: str, kind: str) -> None:
    moved, same = measured(name, kind)
    assert (moved.error, same.error) == (None, None)
    assert (moved.drifted, same.drifted) == (True, False)
    assert moved.threshold is not None


@pytest.mark.filterwarnings("ignore:p-value floored:UserWarning")
def test_p_values_and_distances_are_scipys_on_the_same_values() -> None:
    old, new = numeric(0.05)
    x, y = (np.array(expand(side), dtype=np.float64) for side in (old, new))
    expected = {
        "ks": stats.ks_2samp(x, y).pvalue,
        "t_test": stats.ttest_ind(x, y).pvalue,
        "anderson": stats.anderson_ksamp([x, y], variant="midrank").pvalue,  # also cut at 0.001
        "mannw": stats.mannwhitneyu(x, y, alternative="less").pvalue,
        "cramer_von_mises": stats.cramervonmises_2samp(x, y).pvalue,
        "es": stats.epps_singleton_2samp(x, y).pvalue,
        "ed": stats.energy_distance(x, y),
        "wasserstein": stats.wasserstein_distance(x, y) / np.std(x),
    }
    answers = measure_in_child([request(name, old, new) for name in expected], TIMEOUT)
    for (name, value), answer in zip(expected.items(), answers, strict=True):
        assert answer.error is None
        assert answer.statistic == pytest.approx(value, rel=1e-9), name


def test_their_mann_whitney_sees_values_rise_and_not_fall() -> None:
    """As our documentation says; when it fails, Evidently has mended it and the sentence can go."""
    rise, fall = measure_in_child([request("mannw", *numeric(shift)) for shift in (1.0, -1.0)], TIMEOUT)
    assert (rise.drifted, fall.drifted) == (True, False)


@pytest.mark.parametrize("slow", [False, nightly(True)])
def test_scores_that_are_p_values_are_known_and_turned(slow: bool) -> None:
    for name, kind in [case for case in CASES if (case[0] in SLOW) is slow]:
        moved, same = measured(name, kind)
        assert moved.statistic is not None
        assert same.statistic is not None
        assert (moved.statistic < same.statistic) is (name in P_VALUES), name
        assert evidently.orient(name, moved.statistic) > evidently.orient(name, same.statistic)
    assert evidently.orient("ks", 0.0) == 300
    assert set(STATTESTS) >= P_VALUES


def test_the_same_request_gives_the_same_answer() -> None:
    asked = request("empirical_mmd", *numeric(0.1))
    first, second = measure_in_child([asked, asked], TIMEOUT)
    assert first == second


def test_what_cannot_be_asked_is_said_and_the_others_are_answered() -> None:
    old, new = profiles("psi", "categorical", True)
    asked = [
        request("perc_text_content_drift", old, new),
        request("no_such_test", old, new),
        request("ks", old, new),
        request("z", old, new),
        Request("psi", "categorical", [], ["a"]),
        Request("es", "numeric", [1.0] * 50, [1.0] * 50),
        request("psi", old, new),
    ]
    answers = measure_in_child(asked, TIMEOUT)
    words = ["classifier", "no stattest", "does not support", "two categories", "both sides", "failed"]
    for answer, word in zip(answers, words, strict=False):
        assert answer.error is not None
        assert word in answer.error
        assert answer.drifted is None
    assert answers[-1].drifted is True


def test_a_missing_evidently_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "evidently", None)
    monkeypatch.setitem(sys.modules, "evidently.legacy.calculations.stattests", None)
    assert "pip install driftd[report]" in (evidently._run(Request("ks", "numeric", [1.0], [2.0])).error or "")


def test_a_child_that_hangs_is_ended_and_the_next_request_has_another(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = request("ks", *numeric(1.0))
    evidently.close()
    with monkeypatch.context() as changed:
        changed.setattr(evidently, "_run", hang)
        started = time.monotonic()
        answers = measure_in_child([asked, asked], 3.0)
        assert time.monotonic() - started < 100
    assert len(answers) == 2
    assert all(
        (answer.error or "").startswith("Evidently did not answer within 3 s and was stopped") for answer in answers
    )
    assert not multiprocessing.active_children()
    monkeypatch.setattr(evidently, "_run", agree)
    assert measure_in_child([asked], TIMEOUT)[0].drifted is True


def test_a_test_that_hangs_again_and_again_is_left_alone_and_tried_once_after_its_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hanging, other = request("ks", *numeric(1.0)), request("psi", *numeric(1.0))
    breakers: dict[str, evidently.StatTestBreaker] = {}
    evidently.close()
    with monkeypatch.context() as changed:
        changed.setattr(evidently, "_run", hang)
        for hangs in range(1, evidently.MOST_TIMEOUTS + 1):
            assert measure_in_child([hanging], 1.0, breakers)[0].error
            assert breakers["ks"].hangs == hangs
        started = time.monotonic()
        left = measure_in_child([hanging], 60.0, breakers)[0]
        assert time.monotonic() - started < 30
        assert (left.resting or "").startswith("evidently_rests: ks is suspended")
    monkeypatch.setattr(evidently, "_run", agree)
    answers = measure_in_child([hanging, other], TIMEOUT, breakers)
    assert answers[0].resting
    assert answers[1].drifted is True  # only the one that hangs rests
    breakers["ks"].until = time.monotonic()
    assert measure_in_child([hanging], TIMEOUT, breakers)[0].drifted is True
    assert breakers["ks"].hangs == 0


def test_a_child_that_dies_is_an_answer_and_the_next_request_has_another(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = request("ks", *numeric(1.0))
    with monkeypatch.context() as changed:
        changed.setattr(evidently, "_run", die)
        assert "process ended" in (measure_in_child([asked], TIMEOUT)[0].error or "")
    monkeypatch.setattr(evidently, "_run", agree)
    assert measure_in_child([asked], TIMEOUT)[0].drifted is True


def test_the_child_gets_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTD_SECRET", "hush")
    evidently.close()
    monkeypatch.setattr(evidently, "_run", environment)
    told = measure_in_child([request("ks", *numeric(1.0))], TIMEOUT)[0].error or ""
    assert "DRIFTD_SECRET" not in told
    assert "DO_NOT_TRACK" in told
    evidently.close()


def test_the_child_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    program = tmp_path / "parent.py"
    program.write_text(
        "import os\n"
        "from monitor.checks import evidently\n"
        "if __name__ == '__main__':\n"
        "    print(evidently._child().submit(os.getpid).result(60), flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    environment = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    killed = subprocess.run(
        [sys.executable, str(program)], env=environment, stdout=subprocess.PIPE, text=True, check=False, timeout=240
    )
    child = int(killed.stdout)
    end = time.monotonic() + 60
    while is_running(child) and time.monotonic() < end:
        time.sleep(0.05)
    assert not is_running(child)


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def test_expanding_is_deterministic_proportional_and_bounded() -> None:
    old, _ = numeric(0.0)
    values = expand(old, most=997)
    assert values == expand(old, most=997)
    assert len(values) == 997
    assert len(expand(old)) == old.n
    kept = np.bincount(np.searchsorted(old.layout.edges, values, side="right"), minlength=old.layout.bins)
    assert np.abs(kept - old.counts * 997 / old.n).max() <= 1
    assert np.mean(values) == pytest.approx(old.mean, abs=0.01)
    lumps = np.repeat([0.0, 2.0, 7.0], [50, 30, 20])
    assert Counter(expand(numeric_pair(lumps, lumps)[0])) == {0.0: 50, 2.0: 30, 7.0: 20}
    words, _ = categorical([0.5, 0.3, 0.2], [0.5, 0.3, 0.2])
    assert Counter(expand(words, most=100)) == {"c0": 50, "c1": 30, "c2": 20}
    assert expand(Profile.empty(words.layout)) == []
