"""`driftd silence`: what it stores, lists and refuses."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support import prefork

FILE = """\
store: sqlite:///driftd.db
monitors:
  - {name: bot, source: {url: "sqlite:///log.db", table: log, columns: {timestamp: at}}}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "driftd.yaml").write_text(FILE)
    return tmp_path / "driftd.yaml"


def silence(path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return prefork.run(["silence", *words, "-c", path])


def test_a_silence_is_added_with_matchers_listed_and_ended(path: Path) -> None:
    prefork.run(["db", "upgrade", "-c", path]).check_returncode()
    both = ["--match", 'column=~"price|cost"', "--match", "severity!=critical"]
    add = ["add", "--monitor", "bot", "--for", "2h", "--comment", "new prices", "--by", "ann", *both]
    assert silence(path, *add).stdout.startswith("silence #1 until ")
    assert silence(path, "add", "--monitor", "*", "--for", "1h", "--rule", "latency").returncode == 0
    one, two = json.loads(silence(path, "list", "--json").stdout)
    assert one["matchers"] == ['column=~"price|cost"', 'severity!="critical"']
    assert (one["monitor"], one["rule"], one["created_by"], one["comment"]) == ("bot", "*", "ann", "new prices")
    assert (two["monitor"], two["rule"], two["matchers"]) == ("*", "latency", [])
    assert 'column=~"price|cost"' in silence(path, "list").stdout
    assert silence(path, "end", "1").stdout == "silence #1 has ended\n"
    assert [row["id"] for row in json.loads(silence(path, "list", "--json").stdout)] == [2]


def test_a_wrong_matcher_is_refused(path: Path) -> None:
    ran = silence(path, "add", "--monitor", "bot", "--for", "2h", "--match", "tenant=acme")
    assert ran.returncode != 0
    assert "--match: 'tenant' is no label" in ran.stderr
