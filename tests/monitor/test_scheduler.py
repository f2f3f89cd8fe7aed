"""The scheduler: a job that hangs or fails delays no other, and a scheduler that has stopped is noticed."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

from structlog.testing import capture_logs

from monitor.jobs.scheduler import Job, JobScheduler
from monitor.jobs.watchdog import Watchdog
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
    scheduler = JobScheduler([Job(name, run, SOON) for name, run in names.items()], Watchdog())
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

    scheduler = JobScheduler([Job("slow", work, SOON)], Watchdog())
    scheduler.start()
    assert inside.wait(30)
    over.set()
    assert scheduler.end(30) == []


def test_a_part_that_is_silent_for_longer_than_its_limit_has_stopped() -> None:
    watchdog = Watchdog()
    watchdog.watch("the scheduler", timedelta(seconds=4))
    watchdog.watch("monitor shop", timedelta(seconds=100))
    for _ in range(4):
        assert watchdog.check() is None
    watchdog.beat("the scheduler")
    assert watchdog.stopped() is None
    for _ in range(4):
        assert watchdog.check() is None
    assert watchdog.stopped() == "the scheduler has given no sign of life for 4 s"
    assert watchdog.check() == "the scheduler has given no sign of life for 5 s"
    watchdog.forget("the scheduler")
    watchdog.beat("the scheduler")
    assert watchdog.check() is None


def test_a_run_that_takes_longer_than_the_limit_of_its_job_is_known_to_the_watchdog() -> None:
    over, inside = threading.Event(), threading.Event()
    watchdog = Watchdog()
    hangs = Counter(lambda: (inside.set(), over.wait(60)))
    scheduler = JobScheduler([Job("hanging", hangs, SOON, limit=timedelta(seconds=3))], watchdog)
    scheduler.start()
    try:
        assert inside.wait(30)
        reasons = [watchdog.check() for _ in range(4)]
        assert reasons == [None, None, None, "hanging has given no sign of life for 4 s"]
    finally:
        over.set()
        scheduler.end(30)
    assert watchdog.stopped() is None


def test_waiting_ends_when_it_is_told_to_stop() -> None:
    stopping = threading.Event()
    stopping.set()
    JobScheduler([], Watchdog()).wait(stopping)


def test_a_replaced_job_ends_its_run_is_closed_and_only_then_has_a_successor() -> None:
    inside, over = threading.Event(), threading.Event()
    order: list[str] = []

    def work() -> None:
        inside.set()
        over.wait(60)
        order.append("ended")

    kept = Counter()
    subject = object()
    old = Job("monitor", work, SOON, lambda: order.append("closed"))
    scheduler = JobScheduler([old, Job("kept", kept, SOON, lambda: order.append("kept"), subject=subject)], Watchdog())
    scheduler.start()
    try:
        assert inside.wait(30)
        successor = Counter(lambda: order.append("successor"))
        other = Counter(lambda: order.append("never"))
        jobs = [Job("monitor", successor, SOON), Job("kept", other, SOON, subject=subject)]
        scheduler.replace(jobs)
        before = kept.runs
        eventually(lambda: kept.runs > before + 3, 30, "the job that is the same")
        assert order == []
        over.set()
        eventually(lambda: successor.runs > 1, 30, "the successor")
        assert order[:3] == ["ended", "closed", "successor"]
        scheduler.replace([])
        runs = kept.runs
    finally:
        over.set()
        assert scheduler.end(30) == []
    assert "kept" in order
    assert "never" not in order
    assert kept.runs <= runs + 1
