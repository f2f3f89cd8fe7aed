"""The benchmark of awkward columns: its streams are what they say, its fast path is the real backtest, it runs."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from benchmarks.awkward import changes, fast, quiet, streams
from benchmarks.awkward.__main__ import main
from benchmarks.awkward.quiet import Quiet
from benchmarks.detection import ours
from benchmarks.detection.streams import DAY, START, Stream
from tests.support.nightly import nightly_except

pytestmark = pytest.mark.xdist_group("awkward")  # the streams are made once, not by each worker

KINDS = [kind for kind in streams.KINDS if kind != "tenfold"]


class Short(dict[str, Stream]):
    """Each kind that is looked at, with half a week of live rows."""

    def __missing__(self, kind: str) -> Stream:
        self[kind] = streams.quiet(kind, 3, weeks=0.5)
        return self[kind]


@pytest.fixture(scope="module")
def short() -> dict[str, Stream]:
    return Short()


def test_a_seed_gives_the_same_stream_and_another_seed_another() -> None:
    one, again, other = (streams.quiet("rare", seed, weeks=0.5).frame for seed in (1, 1, 2))
    assert one.equals(again)
    assert not one["normal"].head(1000).equals(other["normal"].head(1000))


@pytest.mark.parametrize("kind", nightly_except(KINDS, "smooth", "few_values", "rare"))
def test_every_kind_has_the_ordinary_columns_and_at_least_six_of_its_own(kind: str, short: dict[str, Stream]) -> None:
    stream = short[kind]
    assert set(streams.ORDINARY) <= set(stream.columns)
    assert 6 <= len(stream.columns) - len(streams.ORDINARY) <= 9
    assert stream.frame["timestamp"].is_monotonic_increasing
    assert stream.learn_until == START + streams.KINDS[kind].learn_days * DAY
    assert stream.frame["flag"].mean() == pytest.approx(1e-3, rel=0.5)
    assert (stream.frame["tenant"] == "acme").mean() == pytest.approx(0.12, abs=0.02)


def test_rates_and_zero_shares_are_as_named(short: dict[str, Stream]) -> None:
    rows = len(short["rare"].frame)
    for share in streams.RARE:
        hits = short["rare"].frame[f"flag_{share:.0e}"].sum()
        assert abs(hits - share * rows) <= 5 * np.sqrt(share * rows) + 1
    for name in short["zero_inflated"].columns:
        if name.startswith("zero_"):
            zeros = (short["zero_inflated"].frame[name] == 0).mean()
            assert zeros == pytest.approx(float(name.removeprefix("zero_")), abs=0.01)
    assert short["constant"].frame[["zero", "one", "tenth", "millions", "text"]].nunique().eq(1).all()


def by_day(stream: Stream) -> pd.Series:
    return stream.frame.set_index("timestamp").resample("1D").size()


def test_traffic_is_as_the_kind_says(short: dict[str, Stream]) -> None:
    assert by_day(short["smooth"]).mean() == pytest.approx(24 * 400, rel=0.02)
    assert by_day(short["twenty_an_hour"]).mean() == pytest.approx(24 * 20, rel=0.1)
    assert set(short["weekend_only"].frame["timestamp"].dt.dayofweek) == {5, 6}


@pytest.mark.nightly
def test_heavy_traffic_is_as_the_kind_says(short: dict[str, Stream]) -> None:
    assert by_day(short["growth"]).iloc[-1] > 1.25 * by_day(short["growth"]).iloc[0]
    spike = short["batch_spike"].frame.set_index("timestamp").resample("10min").size()
    assert set(spike[spike > 1000].index.hour) == {2}
    gaps = short["gaps"].frame["timestamp"].diff().max()
    assert gaps > timedelta(hours=1)
    bursts = short["clustered"].frame.set_index("timestamp").resample("10min").size()
    assert (bursts > 800).sum() > 20


def test_ten_times_the_traffic_begins_with_the_live_part() -> None:
    stream = streams.first(streams.quiet("tenfold", 1, weeks=0.5), START + 15 * DAY)
    assert len(stream.live()) == pytest.approx(10 * len(stream.learn()) / 14, rel=0.1)


@pytest.mark.parametrize("name", [*streams.CHANGES, *streams.DEAFNESS])
def test_a_change_alters_one_column_from_its_moment_on(name: str, short: dict[str, Stream]) -> None:
    stream = short["smooth"]
    at = stream.learn_until + pd.Timedelta(hours=5)
    after = streams.changed(stream, name, at, seed=1)
    column = (streams.CHANGES.get(name) or streams.DEAFNESS[name]).column
    same = [other for other in stream.frame.columns if other != column]
    before = stream.frame["timestamp"] < at
    assert after.changes == (at,)
    assert after.frame[same].equals(stream.frame[same])
    assert after.frame.loc[before, column].equals(stream.frame.loc[before, column])
    assert not after.frame[column].equals(stream.frame[column])


def test_risen_rates_are_as_named(short: dict[str, Stream]) -> None:
    stream = short["few_values"]
    at = stream.learn_until
    flag = streams.changed(stream, "flag_5e-3", at).live()["flag"].mean()
    errors = streams.changed(stream, "errors_5pct", at).live()["error"].mean()
    nulls = streams.changed(stream, "nulls_5pct", at).live()["skewed"].isna().mean()
    assert flag == pytest.approx(5e-3, rel=0.2)
    assert errors == pytest.approx(5e-2, rel=0.1)
    assert nulls == pytest.approx(5e-2, rel=0.1)


@pytest.mark.parametrize("pathology", [name for name in streams.PATHOLOGIES if name != streams.CLEAN])
def test_a_pathology_leaves_all_other_columns_as_they_are(pathology: str) -> None:
    clean = streams.ailing(streams.CLEAN, 1, weeks=0.5).frame
    ill = streams.ailing(pathology, 1, weeks=0.5).frame
    assert len(ill.columns) > len(clean.columns)
    assert ill[clean.columns].equals(clean)


@pytest.mark.filterwarnings("ignore:Mean of empty slice:RuntimeWarning")
@pytest.mark.parametrize("days", nightly_except([2, 4], 2))
def test_the_fast_path_says_what_the_real_backtest_says(days: int) -> None:
    whole = streams.first(streams.ailing("tenants", 2, weeks=0.5), START + days * DAY + timedelta(hours=20))
    kept = whole.frame[["timestamp", "normal", "skewed", "category", "flag", "client", "amount"]]
    calm = replace(whole, frame=kept, bucket=timedelta(minutes=20), learn_until=START + days * DAY)
    at = calm.learn_until + pd.Timedelta(hours=6)
    stream = streams.changed(streams.changed(calm, "new_category_2pct", at), "nulls_5pct", at)
    gap = (stream.frame["timestamp"] < at + pd.Timedelta(hours=9)) | (
        stream.frame["timestamp"] >= at + pd.Timedelta(hours=12)
    )
    stream = replace(stream, frame=stream.frame[gap].reset_index(drop=True))
    settings = {"segments": ["client"], "min_samples": 30}
    quick, slow = fast.run(stream, "1/week", **settings), ours.run(stream, "1/week", **settings)
    assert slow["pages"] >= 1
    assert slow["no_data"] >= 1
    assert slow["changes"][0]["detected_at"] is not None
    assert quick == slow


def test_the_command_prints_its_tables_and_fails_when_a_goal_is_not_met(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = replace(streams.KINDS["twenty_a_window"], learn_days=4)
    monkeypatch.setitem(streams.KINDS, "twenty_a_window", few)
    code = main(["--only", "quiet", "--kinds", "twenty_a_window", "--seeds", "1", "--fewer", "0", "--weeks", "0.5"])
    printed = capsys.readouterr().out
    assert "twenty_a_window        1   0.60" in printed
    assert "of 2 goals are met." in printed
    assert code == ("NOT MET" in printed)


def test_one_kind_may_cost_a_quarter_more_than_the_budget_but_all_together_may_not() -> None:
    results = [Quiet(kind, quiet.WEEK, 8.0, alerts, 0, ()) for kind, alerts in (("rare", 10), ("counts", 7))]
    met = {goal.name: goal.met for goal in quiet.goals(["rare", "counts"], results)}
    assert met == {
        "quiet, rare: alerts at most 1.25 x 1/week": True,
        "quiet, counts: alerts at most 1.25 x 1/week": True,
        "quiet, all: alerts at most 1 x 1/week": False,
    }


def test_a_change_that_is_missed_beside_a_pathology_is_a_goal_not_met() -> None:
    def found(pathology: str, hours: float) -> changes.Found:
        return changes.Found(pathology, "shift_1", 1, 1.0, hours)

    slow = [found(streams.CLEAN, 1.0), found("one_off", 1.1), found("cauchy", 1.3), found("identifier", np.inf)]
    goals = changes.deafness_goals(list(streams.PATHOLOGIES), slow)
    assert [(goal.name.split()[1], goal.met) for goal in goals] == [
        ("one_off:", True),
        ("cauchy:", False),
        ("identifier:", False),
    ]
