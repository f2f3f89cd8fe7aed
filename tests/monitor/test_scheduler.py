"""The scheduler: a job that hangs or fails delays no other, and a scheduler that has stopped is noticed."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from monitor.jobs.scheduler import MOST_MISSED, Job, JobScheduler, SchedulerStopped, Watchdog
from tests.support.process import eventually

SOON = timedelta(seconds=0.02)


class Counter:
    """A job that counts its runs, and calls what it is given."""

    def __init__(self, then: Any = lambda: None) -> None:
        self.runs = 0
        self.then = then

    def __call__(self) -> None:
        self.runs += 1
        self.then()


def test_a_job_that_hangs_and_one_that_fails_delay_no_other() -> None:
    over = threading.Event()
    hanging, failing, good = Counter(lambda: over.wait(60)), Counter(lambda: 1 / 0), Counter()
    names = {"hanging": hanging, "failing": failing, "good": good}
    scheduler = JobScheduler([Job(name, run, SOON) for name, run in names.items()])
    with capture_logs() as logs:
        scheduler.start()
        try:
            eventually(lambda: good.runs > 3 and failing.runs > 3 and hanging.runs, 60, "the other jobs")
            assert hanging.runs == 1, "a job is not begun again before it has ended"
            assert scheduler.end(0.05) == ["hanging"]
        finally:
            over.set()
    assert {(each["event"], each["job"]) for each in logs} == {("job_failed", "failing")}


def test_jobs_that_end_are_waited_for() -> None:
    inside, over = threading.Event(), threading.Event()

    def work() -> None:
        inside.set()
        over.wait(60)

    scheduler = JobScheduler([Job("slow", work, SOON)])
    scheduler.start()
    assert inside.wait(30)
    over.set()
    assert scheduler.end(30) == []


def test_a_scheduler_that_wakes_no_job_ends_the_process() -> None:
    watchdog = Watchdog()
    for _ in range(MOST_MISSED):
        watchdog.look()
    watchdog.beat()
    for _ in range(MOST_MISSED):
        watchdog.look()
    with pytest.raises(SchedulerStopped, match="no job was started for 120 s"):
        watchdog.look()


def test_waiting_ends_when_it_is_told_to_stop() -> None:
    stopping = threading.Event()
    stopping.set()
    JobScheduler([]).wait(stopping)
