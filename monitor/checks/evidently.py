"""Statistical tests of Evidently on two profiles, in a child process.

Importing Evidently takes seconds and 280 MB, so it is imported by one spawned child, which is reused, and terminated if
it exceeds the time limit. A test that times out three times in a row is suspended for ten minutes, later for longer.
The child does not receive the environment, and of rows only the values of single columns.

Limits
------
Tests of numbers use values of a sample of rows, in the proportions of the profiles
(:mod:`monitor.checks.row_values`), and those of categories the counted categories. At most ``most`` values are used,
so a p-value is that of a sample of this size and not of the window's. If the rows cannot be read any more, values
inside a bin are replaced by its middle, and those beyond the baseline's extremes by these: a value is then off by at
most half its bin, so the error of a Kolmogorov-Smirnov distance is under 0.004 for 1,500 rows against 4,000, and that
of a Wasserstein distance up to 0.04 baseline standard deviations for a log-normal column.
`chisquare` and `g_test` treat the baseline's shares as exact: with a small baseline they report drift too often.
`mannw` is Evidently's one-sided test, which detects a rise of values and never a fall.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from monitor.config.stattests import NOT_SUPPORTED, P_VALUES, STATTESTS

if TYPE_CHECKING:
    import numpy as np

    from detectors.binning import Kind
    from detectors.profile import Profile

TWO_CATEGORIES = frozenset({"fisher_exact", "z"})
"""Tests of one share. Columns with more than two categories are rejected; Evidently does so for the first only."""

EQUAL_SIZES = frozenset({"fisher_exact", "g_test"})
"""Tests that fail on samples of unequal size; both samples are reduced to the size of the smaller one."""

OTHER = "(other)"
MOST = 5000
MOST_OF = {"empirical_mmd": 500}
"""Maximum sample sizes of tests with quadratic memory: 5,000 values a side would take 2 GB and minutes."""
TASKS_OF_A_CHILD = 200
SMALLEST_P = 1e-300
TIMEOUT = 60.0
"""Seconds for all tests of a bucket: half of its lease."""
MOST_TIMEOUTS = 3
"""Consecutive timeouts after which a test is suspended."""
SUSPENSION = 600.0
LONGEST_SUSPENSION = 6 * 3600.0
"""Initial and maximum time, in seconds, for which a test is suspended."""
LOOK_UP = 0.2
LAST_WORDS = 400
MISSING = "Evidently is not installed: pip install driftd[report]"
STOPPING = "driftd is stopping, so the test was cancelled; it runs again with the next bucket."


@dataclass(frozen=True)
class Request:
    """A test of a column.

    Parameters
    ----------
    name
        A key of ``STATTESTS``.
    kind
        Kind of the column.
    baseline, window
        Numbers or categories: values of rows, see :mod:`monitor.checks.row_values`, or as reconstructed by
        :func:`expand`.
    column, profiles
        The column, and the profiles that the values were reconstructed from.
    """

    name: str
    kind: Kind
    baseline: Sequence[float | str]
    window: Sequence[float | str]
    column: str = ""
    profiles: tuple[Profile, Profile] | None = None


@dataclass(frozen=True)
class StatTestResult:
    """Result of a test: Evidently's drift score, threshold and verdict, or the error.

    ``resting`` is the reason if the test is suspended and was not run.
    """

    statistic: float | None = None
    threshold: float | None = None
    drifted: bool | None = None
    error: str | None = None
    resting: str | None = None


@dataclass
class StatTestBreaker:
    """Suspends a test after several consecutive timeouts, and retries it once after each suspension.

    A test that hangs delays each bucket by the whole timeout. While it is suspended its findings are inconclusive.
    Each further timeout doubles the suspension; a result ends it.

    Examples
    --------
    >>> breaker = StatTestBreaker()
    >>> for _ in range(MOST_TIMEOUTS):
    ...     breaker.record_timeout(now=0.0)
    >>> breaker.is_suspended(now=SUSPENSION - 1), breaker.is_suspended(now=SUSPENSION)
    (True, False)
    >>> breaker.record_timeout(now=SUSPENSION)  # the retry
    >>> breaker.is_suspended(now=2.5 * SUSPENSION), breaker.is_suspended(now=3 * SUSPENSION)
    (True, False)
    >>> breaker.record_result()
    >>> breaker.hangs
    0
    """

    hangs: int = 0
    until: float = -math.inf

    def record_timeout(self, now: float) -> None:
        """Record a timeout at ``now``, in seconds of a monotonic clock."""
        self.hangs += 1
        if self.hangs >= MOST_TIMEOUTS:
            self.until = now + min(LONGEST_SUSPENSION, SUSPENSION * 2.0 ** (self.hangs - MOST_TIMEOUTS))

    def record_result(self) -> None:
        """Record a result of any kind."""
        self.hangs, self.until = 0, -math.inf

    def is_suspended(self, now: float) -> bool:
        """Return whether the test is suspended."""
        return now < self.until


def expand(profile: Profile, most: int = MOST) -> list[float | str]:
    """Reconstruct values from counts: one value per bin, repeated in proportion to its count.

    The value of a bin is its middle, or its edge for the two outermost; point masses and categories are exact. The
    cumulative count is rounded, not that of each bin, so that the result is unbiased and deterministic.

    Parameters
    ----------
    most
        Maximum number of values.

    Examples
    --------
    >>> from collections import Counter
    >>> from detectors.binning import learn_categorical
    >>> from detectors.profile import Profile
    >>> from detectors.records import Column
    >>> words = ["a"] * 500 + ["b"] * 300
    >>> expand(Profile.of(Column.of(words), learn_categorical(Counter(words))), most=4)
    ['a', 'a', 'a', 'b']
    """
    import numpy as np

    from detectors.drift.bins import bin_values

    counts = _shrunk(profile.counts, most)
    if profile.layout.kind == "numeric":
        return [float(value) for value in np.repeat(bin_values(profile.layout.edges), counts)]
    words = [*profile.layout.vocabulary, OTHER]
    return [word for word, count in zip(words, counts.tolist(), strict=True) for _ in range(count)]


def _shrunk(counts: np.ndarray, most: int) -> np.ndarray:
    """Scale counts down to a sum of ``most``, each within one, in integer arithmetic."""
    import numpy as np

    size = int(counts.sum())
    if size <= most:
        return counts
    running = [(2 * int(below) * most + size) // (2 * size) for below in np.cumsum(counts)]
    return np.diff(np.array(running, dtype=np.int64), prepend=0)


def orient(name: str, value: float) -> float:
    """Transform a score or a threshold of Evidently so that it increases with the change.

    A p-value becomes its negative decimal logarithm, at most 300; a distance is not changed.

    Examples
    --------
    >>> orient("ks", 0.01), orient("psi", 0.25)
    (2.0, 0.25)
    """
    return -math.log10(max(value, SMALLEST_P)) if name in P_VALUES else value


def request(name: str, baseline: Profile, window: Profile, column: str = "") -> Request:
    """Return the request for two profiles of a column, with at most the sample size that the test supports."""
    most = MOST_OF.get(name, MOST)
    if name in EQUAL_SIZES:
        most = min(most, baseline.n, window.n)
    sides = expand(baseline, most), expand(window, most)
    return Request(name, baseline.layout.kind, *sides, column, (baseline, window))


def measure_in_child(
    requests: Sequence[Request], timeout: float = TIMEOUT, breakers: dict[str, StatTestBreaker] | None = None
) -> list[StatTestResult]:
    """Run tests sequentially in the child process, which is started on first use.

    Parameters
    ----------
    timeout
        Seconds for all tests, including the import of Evidently. After it the child is killed, and the remaining tests
        get an error.
    breakers
        Breakers by test, by default those of this process. A suspended test is not run.

    Returns
    -------
    list of StatTestResult
        In the order of the requests. Invalid values give an error result, not an exception.
    """
    with _lock:
        breakers_of_tests = _breakers if breakers is None else breakers
        end = time.monotonic() + timeout
        return [
            _refusal(one) or _ask_child(one, end, timeout, breakers_of_tests.setdefault(one.name, StatTestBreaker()))
            for one in requests
        ]


def close() -> None:
    """Kill the child to free its memory; the next request starts another."""
    with _lock:
        _end()


def abandon() -> None:
    """Cancel running and future tests, since the daemon is stopping. Safe in a signal handler."""
    _leaving.set()


_leaving = threading.Event()
_lock = threading.Lock()
_pool: list[ProcessPoolExecutor] = []
_breakers: dict[str, StatTestBreaker] = {}


def _refusal(request: Request) -> StatTestResult | None:
    """Return an error for a request that cannot be run; None for a valid one."""
    if request.name in NOT_SUPPORTED:
        return StatTestResult(error=f"{request.name} cannot be run on a profile: {NOT_SUPPORTED[request.name]}.")
    if request.name not in STATTESTS:
        return StatTestResult(error=f"{request.name} is no stattest of Evidently. Supported: {', '.join(STATTESTS)}.")
    if request.kind not in STATTESTS[request.name]:
        return StatTestResult(
            error=f"{request.name} does not support {request.kind} columns; list other columns in `columns:`."
        )
    if not request.baseline or not request.window:
        return StatTestResult(error=f"{request.name} needs values on both sides.")
    if request.name in TWO_CATEGORIES and len({*request.baseline, *request.window}) > 2:
        return StatTestResult(error=f"{request.name} compares one share, so the column must have two categories.")
    return None


def _ask_child(request: Request, end: float, timeout: float, breaker: StatTestBreaker) -> StatTestResult:
    now = time.monotonic()
    if breaker.is_suspended(now):
        minutes = math.ceil((breaker.until - now) / 60)
        reason = f"after {breaker.hangs} consecutive timeouts; it is retried in {minutes} min"
        return StatTestResult(resting=f"evidently_rests: {request.name} is suspended {reason}")
    return _ask(request, end, timeout, breaker)


def _ask(request: Request, end: float, timeout: float, breaker: StatTestBreaker) -> StatTestResult:
    reason = f"Evidently did not answer within {timeout:g} s and was stopped; run fewer tests, columns or segments."
    try:
        answer = (
            _child().submit(_run, replace(request, profiles=None))
            if time.monotonic() < end and not _leaving.is_set()
            else None
        )
        while answer and time.monotonic() < end and not _leaving.is_set():
            if wait([answer], min(LOOK_UP, max(0.0, end - time.monotonic()))).done:
                response = answer.result()
                breaker.record_result()
                return response
    except BrokenProcessPool:
        _end()
        breaker.record_timeout(time.monotonic())
        return StatTestResult(
            error=f"Evidently's process ended during {request.name}, perhaps for lack of memory: it needs 400 MB."
        )
    if answer:
        _end()
        if not _leaving.is_set():
            breaker.record_timeout(time.monotonic())
    return StatTestResult(error=STOPPING if _leaving.is_set() else reason)


def _child() -> ProcessPoolExecutor:
    if not _pool:
        import multiprocessing

        spawn = multiprocessing.get_context("spawn")
        _pool.append(
            ProcessPoolExecutor(1, mp_context=spawn, initializer=_prepare, max_tasks_per_child=TASKS_OF_A_CHILD)
        )
    return _pool[0]


def _end() -> None:
    """Kill the child, even if it hangs."""
    while _pool:
        pool = _pool.pop()
        # Python has a public name for this from 3.14 on (`kill_workers`).
        for process in list((getattr(pool, "_processes", None) or {}).values()):
            process.kill()
        pool.shutdown(wait=True, cancel_futures=True)


def _prepare() -> None:
    """Initialise the child: clear its environment (no secrets), disable telemetry and warnings, use one core."""
    import os
    import warnings

    own = os.environ  # noqa: TID251  (the child's own copy, which it empties)
    own.clear()
    own.update(DO_NOT_TRACK="1", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", LC_ALL="C.UTF-8", HOME="/nonexistent")
    warnings.simplefilter("ignore")
    threading.Thread(target=_leave_with_the_parent, daemon=True).start()


def _leave_with_the_parent() -> None:
    """Exit when the parent process ends; a worker of a pool would wait for ever if the daemon is killed."""
    import multiprocessing
    import os

    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run(request: Request) -> StatTestResult:
    """Run a test in the child."""
    import warnings

    try:
        import numpy as np
        import pandas as pd
        from evidently.legacy.calculations.stattests import get_stattest
        from evidently.legacy.core import ColumnType
    except ModuleNotFoundError as error:
        return StatTestResult(error=MISSING if (error.name or "").startswith("evidently") else f"{MISSING} ({error})")
    warnings.simplefilter("ignore")
    np.random.seed(0)  # noqa: NPY002  (the global generator is the one that Evidently permutes with)
    numeric = request.kind == "numeric"
    column = ColumnType.Numerical if numeric else ColumnType.Categorical
    sides = [
        pd.Series(list(side), dtype="float64" if numeric else "object") for side in (request.baseline, request.window)
    ]
    try:
        test = get_stattest(sides[0], sides[1], column, request.name)
        result = test(sides[0], sides[1], column, None)
    except Exception as error:  # noqa: BLE001  (third-party code; its error is the result)
        return StatTestResult(error=f"{request.name} failed: {str(error)[:LAST_WORDS] or type(error).__name__}")
    score = float(result.drift_score)
    if not np.isfinite(score):
        return StatTestResult(error=f"{request.name} gave {score}.")
    return StatTestResult(score, float(result.actual_threshold), bool(result.drifted))
