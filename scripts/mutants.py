"""Run the mutation tests: `python -m scripts.mutants`, or `make mutants`.

Two kinds of mutants are run. Those of `scripts/mutants.toml` were written by hand, one for each decision that a test
must hold; each is applied to a copy of the code, and the tests that are named for it run. The others are made by
mutmut from the modules that `[tool.mutmut]` in pyproject.toml names; of those a seeded sample is run, each by the tests
that call the mutated function. The command fails when a mutant of the list is alive, or more than 5 % of all.

`--set acting` instead runs every mutant that mutmut makes of the modules of a set in `scripts/mutants.toml`, and fails
when one is alive that the set does not list as equivalent: one that behaves as the code does.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from difflib import unified_diff
from io import StringIO
from multiprocessing import get_context
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LISTED = Path(__file__).with_suffix(".toml")
COPIED = (
    "detectors",
    "monitor",
    "migrations",
    "dashboards",
    "tests",
    "scripts",
    "docs",
    "pyproject.toml",
    "CHANGELOG.md",
)
LIBRARIES = ("numpy", "scipy.stats", "pandas", "sqlalchemy", "pydantic", "alembic", "structlog", "httpx", "starlette")
MOST_ALIVE = 0.05
SURVIVED = ("alive", "alive: no test calls it")
DEAD = ("killed", "timeout", "caught by type check")
"""What mutmut calls a mutant that the tests noticed; every other state counts as alive."""


class MutantError(Exception):
    """A mutant that means nothing; the message says what to do."""


@dataclass(frozen=True)
class Mutant:
    """A change of the code that tests must notice."""

    reason: str
    old: str
    new: str
    tests: Sequence[str]


def read_listed(path: Path = LISTED) -> list[Mutant]:
    """Return the mutants that were written by hand."""
    return [Mutant(**entry) for entry in tomllib.loads(path.read_text("utf-8"))["mutant"]]


def locate(mutant: Mutant, sources: Mapping[str, str]) -> str:
    """Return the name of the only source that holds the old text of a mutant."""
    names = [name for name, text in sources.items() for _ in range(text.count(mutant.old))]
    if len(names) != 1:
        where = f"occurs {len(names)} times" if names else "does not occur"
        raise MutantError(f"{mutant.reason!r}: its old text {where} in detectors/ and monitor/; correct {LISTED.name}")
    return names[0]


@dataclass(frozen=True)
class Equivalent:
    """A change of a line of a module that no test can notice, and why."""

    module: str
    old: str
    new: str
    reason: str

    def covers(self, name: str, difference: str) -> bool:
        """Return whether a survivor of mutmut is this change."""
        lines = difference.splitlines()
        removed = [line[1:].strip() for line in lines if line.startswith("-") and not line.startswith("---")]
        added = [line[1:].strip() for line in lines if line.startswith("+") and not line.startswith("+++")]
        module = self.module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        return name.startswith(f"{module}.") and (removed, added) == ([self.old], [self.new])


@dataclass(frozen=True)
class ModuleSet:
    """A part of a set: modules of which every mutant must be killed by some tests."""

    name: str
    modules: Sequence[str]
    tests: Sequence[str]
    arguments: Sequence[str]
    equivalents: Sequence[Equivalent] = ()

    def narrow(self, word: str) -> ModuleSet:
        """Return the part with the modules whose path has a word; all of them if it is in the name of the part."""
        return self if word in self.name else replace(self, modules=[path for path in self.modules if word in path])


def read_set(name: str, path: Path = LISTED) -> list[ModuleSet]:
    """Return the parts of a set of modules."""
    sets = tomllib.loads(path.read_text("utf-8"))["set"]
    if name not in sets:
        raise MutantError(f"there is no set {name!r}; sets: {', '.join(sets)}")
    return [
        ModuleSet(
            entry["name"],
            find_modules(entry["modules"]),
            entry["tests"],
            entry["arguments"],
            [Equivalent(**one) for one in entry.get("equivalent", ())],
        )
        for entry in sets[name]
    ]


def find_modules(patterns: Sequence[str]) -> list[str]:
    """Return the paths that patterns match, without those of patterns that begin with `!`."""
    without = {pattern[1:] for pattern in patterns if pattern.startswith("!")}
    wanted = [pattern for pattern in patterns if not pattern.startswith("!")]
    found = {one.relative_to(ROOT).as_posix() for pattern in wanted for one in ROOT.glob(pattern)}
    return sorted(found - without)


def run_set(chosen: ModuleSet, workers: int) -> tuple[int, dict[str, str]]:
    """Run all of mutmut's mutants of a set; return how many, and the differences of the survivors."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy_project(copy := Path(folder))
        differences = mutate(copy, chosen.modules)
        states = run_session(copy, list(differences), chosen, workers)
    alive = {name: state for name, state in states.items() if state in SURVIVED}
    equivalent = [name for name in alive if any(one.covers(name, differences[name]) for one in chosen.equivalents)]
    counts = f"{len(states)} mutants of {len(chosen.modules)} modules, {len(equivalent)} equivalent"
    print(f"{chosen.name}: {counts}", flush=True)
    return len(states), {f"{name}: {alive[name]}": differences[name] for name in alive if name not in equivalent}


def mutate(folder: Path, modules: Sequence[str]) -> dict[str, str]:
    """Put all mutants of modules into a copy of the project; return the difference of each one by its name."""
    from mutmut.mutation.file_mutation import mutate_file_contents
    from mutmut.utils.format_utils import get_mutant_name

    differences = {}
    for path in modules:
        made = mutate_file_contents(path, (folder / path).read_text("utf-8"))
        (folder / path).write_text(made.code, "utf-8")
        lines = made.code.split("\n")
        for mutant in made.mutant_names:
            function = mutant.partition("__mutmut_")[0]
            spans = [(one, made.line_span_by_function_name[one]) for one in (f"{function}__mutmut_orig", mutant)]
            texts = [[line.replace(one, function) for line in lines[span.start - 1 : span.end]] for one, span in spans]
            differences[get_mutant_name(Path(path), mutant)] = "\n".join(unified_diff(*texts, path, path, lineterm=""))
    return differences


def run_session(copy: Path, mutants: Sequence[str], chosen: ModuleSet, workers: int) -> dict[str, str]:
    """Run mutants by the tests of a set in a process of their own; return what became of each."""
    task, result = copy / "task.json", copy / "result.json"
    settings = {"mutants": mutants, "tests": chosen.tests, "arguments": chosen.arguments, "workers": workers}
    task.write_text(json.dumps(settings), "utf-8")
    command = [sys.executable, "-m", "scripts.mutant_session", str(task), str(result)]
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    done = subprocess.run(command, cwd=copy, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise MutantError(f"the mutants could not be run:\n{done.stdout[-5000:]}")
    outcome = json.loads(result.read_text("utf-8"))
    if outcome["failed"]:
        raise MutantError(f"tests fail without a mutant; mend them first: {', '.join(outcome['failed'])}")
    states: dict[str, str] = outcome["states"]
    return states


def run_mutmut(copy: Path, *arguments: str, check: bool = True) -> str:
    """Run mutmut in a copy of the project; return what it printed."""
    command = [sys.executable, "-m", "mutmut", *arguments]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise MutantError(f"mutmut {arguments[0]} failed:\n{done.stdout[-5000:]}{done.stderr[-5000:]}")
    return done.stdout


def read_sources(root: Path) -> dict[str, str]:
    """Return the text of every module by its path."""
    paths = sorted(path for folder in ("detectors", "monitor") for path in (root / folder).rglob("*.py"))
    return {path.relative_to(root).as_posix(): path.read_text("utf-8") for path in paths}


def copy_project(folder: Path) -> None:
    """Copy what the tests need into a folder."""
    folder.mkdir(exist_ok=True)
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, folder / name)


def run_tests(root: Path, tests: Sequence[str]) -> tuple[int, str]:
    """Run some tests of a copy of the project in this process; return pytest's exit code and what it printed."""
    os.chdir(root)
    sys.path.insert(0, str(root))
    printed = StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        code = pytest.main(["-x", "-q", "--tb=short", "-p", "no:cacheprovider", *tests])
    return int(code), printed.getvalue()


def run_mutant(original: Path, place: str, mutant: Mutant) -> tuple[int, str]:
    """Apply a mutant to a copy of its own, made of hard links, and run its tests."""
    with tempfile.TemporaryDirectory(prefix="mutant-", dir=original.parent) as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(original, copy, copy_function=os.link)
        target = copy / place
        text = target.read_text("utf-8").replace(mutant.old, mutant.new)
        target.unlink()
        target.write_text(text, "utf-8")
        return run_tests(copy, mutant.tests)


def run_listed(mutants: Sequence[Mutant], workers: int) -> list[Mutant]:
    """Run each mutant by the tests that are named for it; return those that are alive.

    Every run is a fork of a process that has imported the libraries, and nothing of the project.
    """
    sources = read_sources(ROOT)
    places = [locate(mutant, sources) for mutant in mutants]
    for library in LIBRARIES:
        importlib.import_module(library)
    alive = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy_project(original := Path(folder) / "original")
        with get_context("fork").Pool(workers, maxtasksperchild=1) as pool:
            every = sorted({test for mutant in mutants for test in mutant.tests})
            code, printed = pool.apply(run_tests, (original, every))
            if code != 0:
                raise MutantError(f"the tests of the list fail without a mutant; mend them first:\n{printed}")
            tasks = [pool.apply_async(run_mutant, (original, *each)) for each in zip(places, mutants, strict=True)]
            for place, mutant, task in zip(places, mutants, tasks, strict=True):
                code, printed = task.get()
                if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
                    raise MutantError(f"{mutant.reason!r}: the tests could not run:\n{printed}")
                print(f"{'killed' if code else 'ALIVE '}  {place}: {mutant.reason}", flush=True)
                alive += [] if code else [mutant]
    return alive


def run_sample(size: int, seed: int, workers: int) -> tuple[int, dict[str, str]]:
    """Run a sample of mutmut's mutants in a copy of the project; return how many, and the differences of the survivors.

    mutmut collects once which tests call which function, then runs each mutant by the tests of its function in a fork.
    """
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy_project(copy := Path(folder))
        names = name_mutants()
        sample = random.Random(seed).sample(names, min(size, len(names)))  # noqa: S311  which mutants are run is no secret
        print(f"a sample of {len(sample)} of {len(names)} mutants, seed {seed}", flush=True)

        run_mutmut(copy, "run", "--max-children", str(workers), *sample)
        states = read_states(copy / "mutants")
        alive = [name for name in sample if states[name] not in DEAD]
        return len(sample), {f"{name}: {states[name]}": run_mutmut(copy, "show", name, check=False) for name in alive}


def name_mutants() -> list[str]:
    """Return the names of all mutants that mutmut makes of the configured modules."""
    from mutmut.configuration import config
    from mutmut.mutation.file_mutation import mutate_file_contents
    from mutmut.utils.format_utils import get_mutant_name

    paths = [path.relative_to(ROOT) for folder in ("detectors", "monitor") for path in (ROOT / folder).rglob("*.py")]
    chosen = sorted(path for path in paths if config().should_mutate(path))
    made = {path: mutate_file_contents(str(path), (ROOT / path).read_text("utf-8")) for path in chosen}
    return [get_mutant_name(path, name) for path, file in made.items() for name in file.mutant_names]


def read_states(folder: Path) -> dict[str, str]:
    """Return what became of each mutant by its name."""
    from mutmut.stats import status_by_exit_code

    codes: dict[str, int | None] = {}
    for path in folder.rglob("*.meta"):
        codes |= json.loads(path.read_text("utf-8"))["exit_code_by_key"]
    return {name: status_by_exit_code[code] for name, code in codes.items()}


def main() -> int:
    """Run both kinds of mutants and print what is alive; return the exit code."""
    parser = argparse.ArgumentParser(description="Run the mutation tests.")
    parser.add_argument("--set", dest="chosen", metavar="NAME", help="every mutant of the modules of a set")
    parser.add_argument(
        "--only", default="", metavar="WORD", help="mutants of the list, or modules of the set, that have a word"
    )
    parser.add_argument("--sample", type=int, default=400, help="mutants that are drawn from those of mutmut")
    parser.add_argument("--seed", type=int, default=1, help="which ones are drawn")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes at once")
    asked = parser.parse_args()
    os.chdir(ROOT)
    start = time.monotonic()
    try:
        if asked.chosen:
            parts = [part for each in read_set(asked.chosen) if (part := each.narrow(asked.only)).modules]
            results = [run_set(part, asked.workers) for part in parts]
            survivors = {name: text for _, alive in results for name, text in alive.items()}
            return report([], survivors, sum(size for size, _ in results), start, most=0)
        mutants = [each for each in read_listed() if asked.only in " ".join([each.reason, *each.tests])]
        listed = run_listed(mutants, asked.workers) if mutants else []
        size, survivors = run_sample(asked.sample, asked.seed, asked.workers) if asked.sample else (0, {})
    except MutantError as error:
        print(error, file=sys.stderr)
        return 2
    return report(listed, survivors, len(mutants) + size, start, most=MOST_ALIVE)


def report(listed: Sequence[Mutant], survivors: Mapping[str, str], total: int, start: float, most: float) -> int:
    """Print what is alive; return the exit code."""
    for name, difference in survivors.items():
        print(f"\nALIVE   {name}\n{difference}")
    alive = len(listed) + len(survivors)
    minutes = (time.monotonic() - start) / 60
    print(
        f"\n{alive} of {total} mutants are alive ({alive / max(1, total):.1%}), {len(listed)} of the list; {minutes:.0f} minutes"
    )
    return 1 if listed or alive > most * total else 0


if __name__ == "__main__":
    sys.exit(main())
