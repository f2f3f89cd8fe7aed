"""The replay of a recorded log: a version of the code does the same twice, and a changed one is told apart."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from benchmarks.replay.__main__ import checked_out, drive, main
from benchmarks.replay.compare import compare, differences
from tests.support.tools import ROOT

IDENTITY_OF_INCIDENTS = "6f1c9f6e-5a51-4c0e-9a3e-0d4f2f6d7d11"
BUCKETS = 20


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=Replay", "-c", "user.email=replay@example.org")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository with this code, and a second commit in which incidents have other ids."""
    folder = tmp_path / "repository"
    for part in ("detectors", "monitor", "migrations"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "now")
    (place,) = [path for path in folder.rglob("*.py") if IDENTITY_OF_INCIDENTS in path.read_text()]
    place.write_text(place.read_text().replace(IDENTITY_OF_INCIDENTS, IDENTITY_OF_INCIDENTS[::-1]))
    git(folder, "commit", "--quiet", "--all", "--message", "other ids")
    return folder


@pytest.mark.nightly
def test_a_version_does_the_same_twice_and_a_changed_one_is_told_apart(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(repository)
    kept = tmp_path / "kept"
    versions = ["--before", "HEAD~1", "--after", "HEAD"]
    assert main([*versions, "--buckets", str(BUCKETS), "--keep", str(kept)]) == 1
    said = capsys.readouterr().out
    assert "incidents: 0 missing" not in said
    assert "of 0" not in said
    listed = {one.kind: one for one in compare(kept / "before", kept / "after")}
    assert all(one.rows for one in listed.values())
    changed = {kind for kind, one in listed.items() if one.total}
    # A retry waits for a time that depends on its id, and findings are those on the traffic after an effect.
    assert changed - {"findings", "breakers"} == {"incidents", "transitions", "actions", "deliveries"}
    assert listed["findings"].missing == listed["findings"].added == 0
    assert listed["incidents"].missing == listed["incidents"].added == listed["incidents"].rows

    with checked_out("HEAD~1", tmp_path / "code") as code:
        drive(code, kept / "again")
    again = compare(kept / "before", kept / "again")
    assert [str(one) for one in again if one.total] == []
    assert sum(one.rows for one in again) == sum(one.rows for one in listed.values())


def test_the_first_difference_is_named() -> None:
    old = {("a", "1"): {"n": 1, "told": '{"x": [1, {"y": 2}]}'}, ("b", "None"): {"n": 1, "told": None}}
    new = {("a", "1"): {"n": 1, "told": '{"x": [1, {"y": 3}]}'}, ("c", ""): {"n": 1, "told": None}}
    found = differences("things", old, new)
    assert (found.rows, found.missing, found.added, found.changed) == (2, 1, 1, 1)
    assert found.first == "a 1: told.x.1.y was 2, is 3"
    spaced = {("a", "1"): {"n": 1, "told": '{"x":[1,{"y":2}]}'}, ("b", "None"): {"n": 1, "told": None}}
    assert differences("things", old, spaced).total == 0
