"""Run mutants: `python -m scripts.mutant_session TASK RESULT`, in a copy of the project whose modules mutmut has mutated.

The tests are collected once. Each mutant runs in a fork of that process, by the tests that call the mutated function,
until one fails: first those that noticed other mutants of the function, then the fastest. mutmut's own runner starts
pytest for each mutant and runs its tests in no order, which takes ten times as long.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from mutmut.utils.format_utils import mangled_name_from_mutant_name

from tests.support import migrated

PATIENCE = 10.0
"""Seconds that a test may take beyond five times what it takes without a mutant; later, the mutant is noticed."""
RESULT = "result"
ALIVE, UNTESTED, KILLED, STOPPED = "alive", "alive: no test calls it", "killed", "killed by its time limit"


class MutantSession:
    """A plugin of pytest that runs the collected tests once for each mutant.

    Parameters
    ----------
    names
        The mutants, as mutmut names them.
    workers
        How many of them run at once.

    Attributes
    ----------
    states
        What became of each mutant.
    failed
        Tests that fail without a mutant; if there are any, no mutant is run.
    """

    def __init__(self, names: Sequence[str], workers: int) -> None:
        self.states: dict[str, str] = {}
        self.failed: list[str] = []
        self._names, self._workers = names, workers
        self._seconds: list[float] = []
        self._tests: dict[str, list[int]] = {}
        self._killers: dict[str, list[int]] = {}
        self._running: dict[int, str] = {}
        self._is_failed = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a failure."""
        self._is_failed |= report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run all mutants; return that no other plugin need run the tests."""
        migrated.make_template()  # here, so that no fork has to
        self._session, self._config, self._items = session, session.config, session.items
        self._folder = session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
        if session.testsfailed:
            raise session.Failed("some tests could not be collected")
        self._observe_calls()
        for name in [] if self.failed else self._names:
            tests = self._choose_tests(name)
            if not tests:
                self.states[name] = UNTESTED
                self._report(name)
                continue
            while len(self._running) >= self._workers:
                self._end_one()
            self._running[self._fork(lambda name=name, tests=tests: self._run_mutant(name, tests))] = name
        while self._running:
            self._end_one()
        return True

    def _observe_calls(self) -> None:
        """Find out, in a fork, which tests call which function, how long they take, and whether they pass."""
        pid = self._fork(self._run_without_mutant)
        os.waitpid(pid, 0)
        observed = json.loads(self._take_result(pid) or "{}")
        self.failed, self._seconds, self._tests = observed["failed"], observed["seconds"], observed["tests"]

    def _run_without_mutant(self) -> str:
        set_mutant_under_test("stats")  # mutmut's name for noting the calls
        failed, seconds, tests = list[str](), list[float](), dict[str, list[int]]()
        for place, item in enumerate(self._items):
            start = time.perf_counter()
            if not self._run_test(range(len(self._items)), place):
                failed.append(item.nodeid)
            seconds.append(time.perf_counter() - start)
            for function in state()._stats:
                tests.setdefault(function, []).append(place)
            state()._stats.clear()
        return json.dumps({"failed": failed, "seconds": seconds, "tests": tests})

    def _choose_tests(self, name: str) -> list[int]:
        """Return the tests that call the function of a mutant, in the order in which they run."""
        function = mangled_name_from_mutant_name(name)
        tests, first = self._tests.get(function, []), self._killers.get(function, [])
        return [*first, *sorted(set(tests).difference(first), key=self._seconds.__getitem__)]

    def _run_mutant(self, name: str, tests: Sequence[int]) -> str:
        """Return the test that noticed a mutant; an empty text if none did."""
        set_mutant_under_test(name)
        for place, test in enumerate(tests):
            signal.setitimer(signal.ITIMER_REAL, PATIENCE + 5 * self._seconds[test])
            is_passed = False
            with suppress(BaseException):  # a mutant may raise whatever there is
                is_passed = self._run_test(tests, place)
            if not is_passed:
                return str(test)
        return ""

    def _run_test(self, tests: Sequence[int], place: int) -> bool:
        self._is_failed = False
        item, *following = (self._items[test] for test in tests[place : place + 2])
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following[0] if following else None)
        return not self._is_failed

    def _end_one(self) -> None:
        pid, status = os.waitpid(-1, 0)
        name, test = self._running.pop(pid), self._take_result(pid)
        if test is None and os.waitstatus_to_exitcode(status) != -signal.SIGALRM:
            raise RuntimeError(f"the process of {name} ended without a result")
        self.states[name] = STOPPED if test is None else KILLED if test else ALIVE
        self._report(name)
        if test:
            killers = self._killers.setdefault(mangled_name_from_mutant_name(name), [])
            killers[:] = [int(test), *(other for other in killers if other != int(test))]

    def _report(self, name: str) -> None:
        count = f"{len(self.states)} of {len(self._names)}"
        if self.states[name] != KILLED:
            print(f"{count}: {name} is {self.states[name]}", file=sys.__stderr__, flush=True)
        elif len(self.states) % 500 == 0:
            print(count, file=sys.__stderr__, flush=True)

    def _fork(self, work: Callable[[], str]) -> int:
        """Start a fork that stores the result of some work; return its process id."""
        pid = os.fork()
        if pid:
            return pid
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            self._config.pluginmanager.unregister(name="terminalreporter")
            folder = self._folder / str(os.getpid())
            folder.mkdir()
            self._config._tmp_path_factory._basetemp = folder  # type: ignore[attr-defined]
            (folder / RESULT).write_text(work())
            self._session._setupstate.teardown_exact(None)  # ends what fixtures have started
        finally:
            os._exit(0)

    def _take_result(self, pid: int) -> str | None:
        """Return the result of a fork that has ended, None if it was stopped; delete its files."""
        folder = self._folder / str(pid)
        result = (folder / RESULT).read_text() if (folder / RESULT).exists() else None
        shutil.rmtree(folder, ignore_errors=True)
        return result


def main() -> int:
    """Run the mutants of a task; return pytest's exit code."""
    task = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    session = MutantSession(task["mutants"], task["workers"])
    # other tracebacks parse the module, which has become long, whenever a test fails
    options = ["-q", "--tb=native", "-p", "no:cacheprovider", "-o", "timeout=0", *task["arguments"], *task["tests"]]
    code = pytest.main(options, plugins=[session])
    Path(sys.argv[2]).write_text(json.dumps({"states": session.states, "failed": session.failed}), "utf-8")
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
