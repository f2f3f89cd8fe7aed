"""The check of the design's caps detects each violation, and exceptions that are no longer needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import check_design

PARAMETERS = ", ".join(f"p{number}" for number in range(8))
BRANCHES = "\n".join(f"    if p == {number}:\n        return {number}" for number in range(12))
IMPORTS = "\n".join(f"    from monitor.m{number} import name" for number in range(13))


@pytest.mark.parametrize(
    ("path", "source", "violation"),
    [
        ("monitor/one.py", f"def many({PARAMETERS}): ...\n", "parameters monitor.one.many"),
        ("monitor/one.py", f"class Kind:\n    def m(self, *, {PARAMETERS}): ...\n", "parameters monitor.one.m"),
        ("detectors/one.py", f"def long(p):\n{BRANCHES}\n", "complexity detectors.one.long"),
        ("monitor/one.py", f"def late():\n{IMPORTS}\n", "imports monitor.one"),
        ("monitor/one.py", f"from monitor import {', '.join(f'm{n}' for n in range(13))}\n", "imports monitor.one"),
        ("detectors/one.py", "class Twice: ...\n\n\ndef inner():\n    class Twice: ...\n", "class Twice"),
        ("monitor/store/one.py", "import typing\nx: dict[str, typing.Any] = {}\n", "Any monitor.store.one"),
        ("monitor/alerting/one.py", "from typing import Any as Whatever\n", "Any monitor.alerting.one"),
        ("tests/one.py", "x = [1,2]  # fmt:" + " skip\n", "formatting tests/one.py"),
        ("scripts/one.py", "# fmt:" + " off\nx = [1,2]\n", "formatting scripts/one.py"),
    ],
)
def test_a_violation_is_detected(tmp_path: Path, path: str, source: str, violation: str) -> None:
    for package in check_design.PACKAGES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("")
    for number in range(13):
        (tmp_path / f"monitor/m{number}.py").write_text("")
    assert dict(check_design.measure(tmp_path)) == {}
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(source)
    assert list(dict(check_design.measure(tmp_path))) == [violation]


def test_what_is_within_the_caps_is_no_violation(tmp_path: Path) -> None:
    for package in check_design.PACKAGES:
        (tmp_path / package).mkdir()
    for number in range(13):
        (tmp_path / f"monitor/m{number}.py").write_text(f"class C{number}: ...\n")
    within = f"def seven({PARAMETERS[:-4]}): ...\n\n\ndef eleven(p):\n{BRANCHES[: BRANCHES.rindex('    if')]}\n"
    twelve = "\n".join(f"from monitor.m{number} import C{number}" for number in range(12))
    (tmp_path / "monitor/one.py").write_text(f"{twelve}\nfrom typing import Any\n\n\n{within}")
    assert dict(check_design.measure(tmp_path)) == {}


def test_an_exception_that_is_not_needed_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for package in check_design.PACKAGES:
        (tmp_path / package).mkdir()
    (tmp_path / "monitor/one.py").write_text("class Twice: ...\n")
    (tmp_path / "detectors/one.py").write_text("class Twice: ...\n")
    monkeypatch.setattr(check_design, "EXCEPTIONS", {"class Twice": "a reason"})
    assert check_design.main(tmp_path) == 0
    (tmp_path / "detectors/one.py").write_text("")
    assert check_design.main(tmp_path) == 1
    assert "class Twice: not violated; remove it from EXCEPTIONS" in capsys.readouterr().err
