"""Check the caps of the design: imports, parameters, complexity, class names, `Any` and formatting.

A module imports at most 12 modules of the project, a function has at most 7 parameters and a cyclomatic complexity of
at most 12, no two classes of `monitor` and `detectors` have the same name, what decides and what is stored is typed
without `Any`, and no line is kept from the formatter. `EXCEPTIONS` is the only place for exceptions; one that is no
longer needed fails the check.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("monitor", "detectors")
FORMATTED = (*PACKAGES, "benchmarks", "dashboards", "migrations", "scripts", "tests")
MAX_IMPORTS = 12
MAX_PARAMETERS = 7
MAX_COMPLEXITY = 12
TYPED = (
    "monitor/core/payload.py",
    "monitor/store/**/*.py",
    "monitor/alerting/**/*.py",
    "monitor/actions/**/*.py",
    "monitor/jobs/delivery.py",
)
EXCEPTIONS: dict[str, str] = {}

Violations = Iterator[tuple[str, str]]  # what is violated and where, as EXCEPTIONS names it; and the details


def main(root: Path = ROOT) -> int:
    """Print what is wrong; return the exit code."""
    violations = dict(measure(root))
    problems = [f"{name}: {detail}" for name, detail in violations.items() if name not in EXCEPTIONS]
    problems += [f"{name}: not violated; remove it from EXCEPTIONS" for name in EXCEPTIONS if name not in violations]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def measure(root: Path) -> Violations:
    """Return every violation of a cap in the repository."""
    modules = {
        module_name(path, root): path for package in PACKAGES for path in sorted(root.glob(f"{package}/**/*.py"))
    }
    trees = {name: ast.parse(path.read_text("utf-8")) for name, path in modules.items()}
    yield from check_imports(modules, trees)
    yield from check_class_names(trees)
    yield from check_any(root)
    yield from check_formatting(root)
    yield from check_functions(root)


def module_name(path: Path, root: Path) -> str:
    """Return the dotted name of a module."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def check_imports(modules: dict[str, Path], trees: dict[str, ast.Module]) -> Violations:
    """Count the modules of the project that each module imports, at its top or in a function."""
    for name, tree in trees.items():
        imports = {each for node in ast.walk(tree) for each in imported_modules(node, modules)} - {name}
        if len(imports) > MAX_IMPORTS:
            yield f"imports {name}", f"imports {len(imports)} modules of the project; at most {MAX_IMPORTS}"


def imported_modules(node: ast.AST, modules: dict[str, Path]) -> Iterator[str]:
    """Return the modules of the project that a statement imports; relative imports are not used here."""
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module:
        candidates = [f"{node.module}.{alias.name}" for alias in node.names]
        names = [candidate if candidate in modules else node.module for candidate in candidates]
    yield from (name for name in names if name in modules)


def check_class_names(trees: dict[str, ast.Module]) -> Violations:
    """Find classes that share a name."""
    places = defaultdict(list)
    for module, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(module)
    for name, where in places.items():
        if len(where) > 1:
            yield f"class {name}", f"defined in {', '.join(where)}"


def check_any(root: Path) -> Violations:
    """Find `Any` in what decides and what is stored, however it is imported."""
    for path in sorted({path for pattern in TYPED for path in root.glob(pattern)}):
        if lines := uses_of_any(path):
            yield f"Any {module_name(path, root)}", f"uses Any in lines {', '.join(map(str, lines))}"


def uses_of_any(path: Path) -> list[int]:
    """Return the lines of a file that use `Any`."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if (isinstance(node, ast.Name) and node.id == "Any")
        or (isinstance(node, ast.Attribute) and node.attr == "Any")
        or (isinstance(node, ast.alias) and node.name == "Any")
    ]


def check_formatting(root: Path) -> Violations:
    """Find lines that are kept from the formatter."""
    marks = re.compile(r"#\s*(fmt|yapf):\s*(skip|off|disable)\b")
    for path in sorted(path for folder in FORMATTED for path in root.glob(f"{folder}/**/*.py")):
        lines = path.read_text("utf-8").splitlines()
        if where := [str(number) for number, line in enumerate(lines, start=1) if marks.search(line)]:
            yield f"formatting {path.relative_to(root)}", f"keeps lines {', '.join(where)} from the formatter"


def check_functions(root: Path) -> Violations:
    """Measure the parameters and the complexity of functions with ruff."""
    command = [Path(sys.executable).with_name("ruff"), "check", "--isolated", "--exit-zero", "--output-format=json"]
    settings = {
        "lint.select": '["C901", "PLR0913"]',
        "lint.pylint.max-args": str(MAX_PARAMETERS),
        "lint.mccabe.max-complexity": str(MAX_COMPLEXITY),
    }
    options = [word for key, value in settings.items() for word in ("--config", f"{key}={value}")]
    done = subprocess.run([*command, *options, *PACKAGES], cwd=root, check=True, capture_output=True, text=True)
    kinds = {"C901": "complexity", "PLR0913": "parameters"}
    for each in json.loads(done.stdout):
        path, line = Path(each["filename"]), each["location"]["row"]
        function = re.search(r"def (\w+)", path.read_text("utf-8").splitlines()[line - 1])
        name = function[1] if function else f"line {line}"
        yield f"{kinds[each['code']]} {module_name(path, root)}.{name}", each["message"]


if __name__ == "__main__":
    sys.exit(main())
