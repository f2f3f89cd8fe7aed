"""Recurring times: what an interval contains, also when clocks change, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from monitor.config.load import load
from monitor.config.models import ConfigError
from monitor.config.muting import MuteTimes
from monitor.config.time_intervals import TimeInterval


def contained(setting: dict[str, Any], *times: str) -> list[bool]:
    """Return for each time in UTC whether an interval contains it."""
    interval = TimeInterval.model_validate(setting)
    return [interval.contains(datetime.fromisoformat(time).replace(tzinfo=UTC)) for time in times]


WORK = {"times": [{"start_time": "09:00", "end_time": "17:00"}]}


@pytest.mark.parametrize(
    ("setting", "times", "expected"),
    [
        ({}, ["2026-11-01T00:00"], [True]),
        (WORK, ["2026-11-02T08:59", "2026-11-02T09:00", "2026-11-02T16:59", "2026-11-02T17:00"], [0, 1, 1, 0]),
        ({"times": [{"start_time": "22:00", "end_time": "24:00"}]}, ["2026-11-02T23:59", "2026-11-03T00:00"], [1, 0]),
        ({"times": [{"start_time": 1320, "end_time": 1440}]}, ["2026-11-02T22:00", "2026-11-02T21:59"], [1, 0]),
        ({"weekdays": ["saturday:sunday"]}, ["2026-11-06", "2026-11-07", "2026-11-08", "2026-11-09"], [0, 1, 1, 0]),
        ({"weekdays": ["Friday:monday"]}, ["2026-11-05", "2026-11-06", "2026-11-09", "2026-11-10"], [0, 1, 1, 0]),
        ({"weekdays": ["monday", "wednesday"]}, ["2026-11-02", "2026-11-03", "2026-11-04"], [1, 0, 1]),
        ({"days_of_month": ["1:3"]}, ["2026-11-01", "2026-11-03", "2026-11-04"], [1, 1, 0]),
        ({"days_of_month": ["-1"]}, ["2026-02-28", "2028-02-28", "2028-02-29", "2026-11-30"], [1, 0, 1, 1]),
        ({"days_of_month": ["25:-2"]}, ["2026-11-24", "2026-11-25", "2026-11-29", "2026-11-30"], [0, 1, 1, 0]),
        ({"days_of_month": [31]}, ["2026-11-30", "2026-12-31"], [0, 1]),
        ({"months": ["november:january", 3]}, ["2026-10-31", "2026-11-01", "2027-01-31", "2027-03-01"], [0, 1, 1, 1]),
        ({"years": ["2026:2027", 2030]}, ["2025-12-31", "2026-01-01", "2027-12-31", "2030-05-05"], [0, 1, 1, 1]),
        ({**WORK, "weekdays": ["monday:friday"]}, ["2026-11-06T09:00", "2026-11-07T09:00"], [1, 0]),
    ],
)
def test_an_interval_contains_the_times_that_match_all_its_keys(
    setting: dict[str, Any], times: list[str], expected: list[int]
) -> None:
    assert contained(setting, *times) == [bool(one) for one in expected]


def test_the_hours_and_days_of_an_interval_are_those_of_its_zone_when_clocks_change() -> None:
    berlin = {"location": "Europe/Berlin"}
    weekend = {"weekdays": ["saturday:sunday"], **berlin}
    summer = ["2026-10-17T21:59", "2026-10-18T21:59", "2026-10-18T22:00"]  # UTC+2
    assert contained(weekend, "2026-10-16T21:59", "2026-10-16T22:00", *summer[1:]) == [False, True, True, False]
    # on 2026-10-25 clocks go back from 03:00 to 02:00, so that Sunday has 25 hours
    assert contained(weekend, "2026-10-23T22:00", "2026-10-25T22:59", "2026-10-25T23:00") == [True, True, False]
    night = {"times": [{"start_time": "02:00", "end_time": "03:00"}], **berlin}
    twice = ["2026-10-24T23:59", "2026-10-25T00:00", "2026-10-25T00:59", "2026-10-25T01:30", "2026-10-25T02:00"]
    assert contained(night, *twice) == [False, True, True, True, False]
    # on 2026-03-29 they go forward from 02:00 to 03:00, so that hour does not exist
    assert contained(night, *(f"2026-03-29T0{hour}:30" for hour in range(4))) == [False] * 4
    assert contained(night, "2026-03-28T01:30", "2026-03-30T00:30") == [True, True]


def test_one_of_several_intervals_is_enough() -> None:
    times = MuteTimes.model_validate({"name": "n", "time_intervals": [{"months": [1]}, {"weekdays": ["sunday"]}]})
    dates = [datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)]
    assert [times.contains(date) for date in dates] == [True, True, False]


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"times": [{"start_time": "22:00", "end_time": "06:00"}]}, "write two parts if it goes over midnight"),
        ({"times": [{"start_time": "9", "end_time": "17:00"}]}, "expected a time of the day"),
        ({"times": [{"start_time": "09:00", "end_time": "24:30"}]}, "less than or equal to 1440"),
        ({"weekdays": ["saturdays"]}, "expected one of monday, tuesday"),
        ({"weekdays": ["1:5"]}, "expected one of monday, tuesday"),
        ({"months": ["13"]}, "expected one of january, february"),
        ({"days_of_month": ["0"]}, "expected a number, or two of them, as in 1:5; from -31 to 31"),
        ({"days_of_month": ["1:32"]}, "from -31 to 31"),
        ({"days_of_month": ["first"]}, "expected a number"),
        ({"location": "Berlin"}, "expected an IANA time zone"),
    ],
)
def test_a_wrong_interval_is_refused_with_a_sentence(setting: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        TimeInterval.model_validate(setting)


def test_names_of_mute_times_must_be_defined(tmp_path: Path) -> None:
    path = tmp_path / "driftd.yaml"
    path.write_text(
        "mute_time_intervals:\n"
        "  - {name: weekends, time_intervals: [{weekdays: ['saturday:sunday']}]}\n"
        "monitors:\n"
        "  - name: bot\n"
        "    source: {url: 'sqlite:///log.db', table: log, columns: {timestamp: at}}\n"
        "    mute_times: [weekend]\n"
        "    rules: [{mute_times: [nights]}]\n"
    )
    with pytest.raises(ConfigError) as refused:
        load(path)
    assert "unknown name 'weekend'. Allowed: weekends. Did you mean 'weekends'?" in str(refused.value)
    assert "unknown name 'nights'. Allowed: weekends." in str(refused.value)
    path.write_text(path.read_text().replace("[weekend]", "[weekends]").replace("[nights]", "[weekends]"))
    monitor = load(path).monitors[0]
    assert monitor.muting.find_times(monitor.mute_times, datetime(2026, 11, 1, tzinfo=UTC)) == "weekends"
