"""Statistical tests of Evidently on two profiles, in a child process.

Importing Evidently takes seconds and 280 MB, so it is imported by one spawned child, which is reused, and terminated if
it exceeds the time limit. A test that times out three times in a row is suspended for ten minutes, later for longer.
The child receives neither the environment nor rows, only values that are reconstructed from counts.

Limits
------
Tests use reconstructed values: values inside a bin are replaced by its middle, those beyond the baseline's extremes by
these, and at most ``most`` of them are reconstructed, so a p-value is that of a sample of this size and not of the
window's. The distribution functions are exact at the quantile edges, and between them a value is off by at most half
its bin, so the error of a Kolmogorov-Smirnov distance is under 0.004 for 1,500 rows against 4,000. Heavy tails have
larger errors: for a log-normal column the error of a Wasserstein distance is up to 0.04 baseline standard deviations.
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
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitor.config.stattests import NOT_SUPPORTED, P_VALUES, STATTESTS

if TYPE_CHECKING:
    import numpy as np

    from detectors.binning import Kind
    from detectors.profile import Profile

TWO_CATEGORIES = frozenset({"fisher_exact", "z"})
"""They compare one share: other than two categories are refused, which Evidently does for the first only."""

EQUAL_SIZES = frozenset({"fisher_exact", "g_test"})
"""They fail on sides of unequal size, so both are rebuilt with as many values as the smaller one has."""

OTHER = "(other)"
MOST = 5000
MOST_OF = {"empirical_mmd": 500}
"""Tests with quadratic memory get fewer values: 5,000 a side would be 2 GB and minutes."""
TASKS_OF_A_CHILD = 200
SMALLEST_P = 1e-300
TIMEOUT = 60.0
"""Seconds for all tests of a bucket: half of its lease."""
HANGS = 3
"""Hangs in a row after which a test is left alone."""
REST = 600.0
LONGEST_REST = 6 * 3600.0
"""Seconds before it is tried again: at first, and at most."""
LOOK_UP = 0.2
LAST_WORDS = 400
MISSING = "Evidently is not installed: pip install driftd[report]"
LEAVING = "driftd is stopping, so Evidently was not waited for; the next bucket asks it again."


@dataclass(frozen=True)
class Request:
    """One test of one column.

    Parameters
    ----------
    name
        A key of ``STATTESTS``.
    kind
        Of the column.
    baseline, window
        Values, numbers or categories, as :func:`expand` rebuilds them.
    """

    name: str
    kind: Kind
    baseline: Sequence[float | str]
    window: Sequence[float | str]


@dataclass(frozen=True)
class StatTestResult:
    """What Evidently said: its drift score, its own threshold and verdict; or why there is none.

    ``resting`` is why it was not asked at all.
    """

    statistic: float | None = None
    threshold: float | None = None
    drifted: bool | None = None
    error: str | None = None
    resting: str | None = None


@dataclass
class StatTestBreaker:
    """Leaves a test alone that has hung several times in a row, and tries it once after each rest.

    A test that hangs costs its monitor's tick the whole timeout, bucket after bucket. While it rests its findings are
    inconclusive. Each further hang doubles the rest, an answer ends it.

    Examples
    --------
    >>> breaker = StatTestBreaker()
    >>> for _ in range(HANGS):
    ...     breaker.hung(now=0.0)
    >>> breaker.rests(now=REST - 1), breaker.rests(now=REST)
    (True, False)
    >>> breaker.hung(now=REST)  # the one try
    >>> breaker.rests(now=2.5 * REST), breaker.rests(now=3 * REST)
    (True, False)
    >>> breaker.answered()
    >>> breaker.hangs
    0
    """

    hangs: int = 0
    until: float = -math.inf

    def hung(self, now: float) -> None:
        """Note that the test had to be ended, at seconds of a clock that only goes on."""
        self.hangs += 1
        if self.hangs >= HANGS:
            self.until = now + min(LONGEST_REST, REST * 2.0 ** (self.hangs - HANGS))

    def answered(self) -> None:
        """Note an answer, whatever it says."""
        self.hangs, self.until = 0, -math.inf

    def rests(self, now: float) -> bool:
        """Say whether the test is to be left alone."""
        return now < self.until


def expand(profile: Profile, most: int = MOST) -> list[float | str]:
    """Rebuild values from counts: one for each bin, repeated in proportion to its count.

    A bin's value is its middle, or its edge for the two outermost; a point mass and a category are exact. The
    running count is rounded, not each bin's, so that no side is favoured and the same counts give the same
    values.

    Parameters
    ----------
    most
        At most so many values; all of them when there are fewer.

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
    """Scale counts down to a sum of ``most``, each to within one, in whole numbers throughout."""
    import numpy as np

    size = int(counts.sum())
    if size <= most:
        return counts
    running = [(2 * int(below) * most + size) // (2 * size) for below in np.cumsum(counts)]
    return np.diff(np.array(running, dtype=np.int64), prepend=0)


def orient(name: str, value: float) -> float:
    """Turn a score or a threshold of Evidently so that it grows with the change.

    A p-value becomes its negative decimal logarithm, cut at 300; a distance stays as it is.

    Examples
    --------
    >>> orient("ks", 0.01), orient("psi", 0.25)
    (2.0, 0.25)
    """
    return -math.log10(max(value, SMALLEST_P)) if name in P_VALUES else value


def request(name: str, baseline: Profile, window: Profile) -> Request:
    """Make the request for two profiles of one column, with as many values as the test can bear."""
    most = MOST_OF.get(name, MOST)
    if name in EQUAL_SIZES:
        most = min(most, baseline.n, window.n)
    return Request(name, baseline.layout.kind, expand(baseline, most), expand(window, most))


def measure_in_child(
    requests: Sequence[Request], timeout: float = TIMEOUT, breakers: dict[str, StatTestBreaker] | None = None
) -> list[StatTestResult]:
    """Run tests one after the other in the child, which is started when it is first needed.

    Parameters
    ----------
    timeout
        Seconds for all of them, Evidently's import included. The child that is still busy then is ended, and
        what it had not answered is answered with an error.
    breakers
        By test, those of this process unless others are given. One that rests is not asked.

    Returns
    -------
    list of StatTestResult
        In the order of the requests. Nothing is raised for what the values hold.
    """
    with _lock:
        breakers_of_tests = _breakers if breakers is None else breakers
        end = time.monotonic() + timeout
        return [
            _refusal(one) or _ask_child(one, end, timeout, breakers_of_tests.setdefault(one.name, StatTestBreaker()))
            for one in requests
        ]


def close() -> None:
    """End the child, and with it its memory; the next request starts another."""
    with _lock:
        _end()


def abandon() -> None:
    """Wait for no answer any more, for good: the daemon is leaving. Safe in a signal handler."""
    _leaving.set()


_leaving = threading.Event()
_lock = threading.Lock()
_pool: list[ProcessPoolExecutor] = []
_breakers: dict[str, StatTestBreaker] = {}


def _refusal(request: Request) -> StatTestResult | None:
    """Answer at once what cannot be asked."""
    if request.name in NOT_SUPPORTED:
        return StatTestResult(error=f"{request.name} cannot be run on a profile: {NOT_SUPPORTED[request.name]}.")
    if request.name not in STATTESTS:
        return StatTestResult(error=f"{request.name} is no stattest of Evidently; known are {', '.join(STATTESTS)}.")
    if request.kind not in STATTESTS[request.name]:
        return StatTestResult(
            error=f"{request.name} cannot measure a {request.kind} column; name those it can with `columns:`."
        )
    if not request.baseline or not request.window:
        return StatTestResult(error=f"{request.name} needs values on both sides.")
    if request.name in TWO_CATEGORIES and len({*request.baseline, *request.window}) > 2:
        return StatTestResult(error=f"{request.name} compares one share, so it takes a column of two categories.")
    return None


def _ask_child(request: Request, end: float, timeout: float, breaker: StatTestBreaker) -> StatTestResult:
    now = time.monotonic()
    if breaker.rests(now):
        minutes = math.ceil((breaker.until - now) / 60)
        reason = f"it did not answer {breaker.hangs} times in a row; it is asked again in {minutes} min"
        return StatTestResult(resting=f"evidently_rests: {request.name} is left alone, for {reason}")
    return _ask(request, end, timeout, breaker)


def _ask(request: Request, end: float, timeout: float, breaker: StatTestBreaker) -> StatTestResult:
    reason = (
        f"Evidently did not answer within {timeout:g} s and was ended; ask it for fewer tests, columns or segments."
    )
    try:
        answer = _child().submit(_run, request) if time.monotonic() < end and not _leaving.is_set() else None
        while answer and time.monotonic() < end and not _leaving.is_set():
            if wait([answer], min(LOOK_UP, max(0.0, end - time.monotonic()))).done:
                response = answer.result()
                breaker.answered()
                return response
    except BrokenProcessPool:
        _end()
        breaker.hung(time.monotonic())
        return StatTestResult(
            error=f"Evidently's process ended during {request.name}, perhaps for lack of memory: it needs 400 MB."
        )
    if answer:
        _end()
        if not _leaving.is_set():
            breaker.hung(time.monotonic())
    return StatTestResult(error=LEAVING if _leaving.is_set() else reason)


def _child() -> ProcessPoolExecutor:
    if not _pool:
        import multiprocessing

        spawn = multiprocessing.get_context("spawn")
        _pool.append(
            ProcessPoolExecutor(1, mp_context=spawn, initializer=_prepare, max_tasks_per_child=TASKS_OF_A_CHILD)
        )
    return _pool[0]


def _end() -> None:
    """End the child at once, also when it hangs."""
    while _pool:
        pool = _pool.pop()
        # Python has a public name for this from 3.14 on (`kill_workers`).
        for process in list((getattr(pool, "_processes", None) or {}).values()):
            process.kill()
        pool.shutdown(wait=True, cancel_futures=True)


def _prepare() -> None:
    """Begin the child: no secret of ours reaches the library, it calls nobody, says nothing, takes one core."""
    import os
    import warnings

    own = os.environ  # noqa: TID251  (the child's own copy, which it empties)
    own.clear()
    own.update(DO_NOT_TRACK="1", OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", LC_ALL="C.UTF-8", HOME="/nonexistent")
    warnings.simplefilter("ignore")
    threading.Thread(target=_leave_with_the_parent, daemon=True).start()


def _leave_with_the_parent() -> None:
    """End the child when the daemon is killed and cannot do it: a worker of a pool waits for ever otherwise."""
    import multiprocessing
    import os

    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run(request: Request) -> StatTestResult:
    """Do the work of the child."""
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
    except Exception as error:  # noqa: BLE001  (another project's code over data of any shape: its error is the answer)
        return StatTestResult(error=f"{request.name} failed: {str(error)[:LAST_WORDS] or type(error).__name__}")
    score = float(result.drift_score)
    if not np.isfinite(score):
        return StatTestResult(error=f"{request.name} gave {score}.")
    return StatTestResult(score, float(result.actual_threshold), bool(result.drifted))
