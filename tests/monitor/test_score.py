"""`driftd score`: the same values as in Python, whatever the file, and bad lines counted."""

from __future__ import annotations

import gzip
import json
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from detectors import SIGNALS
from detectors.records import Column
from detectors.text.parts import join_context
from tests.support import prefork

DATA = Path(__file__).parents[2] / "benchmarks" / "data"
NAMES = "hallucinated,groundedness,refusal"


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return prefork.run(["score", *map(str, words)])


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    with gzip.open(DATA / "q2_wow.dev.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file][:300]


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "csv", "parquet"])
def test_a_file_is_scored_like_a_column(records: list[dict[str, Any]], ending: str, tmp_path: Path) -> None:
    path, out = tmp_path / f"answers.{ending}", tmp_path / "scores.jsonl"
    plain = [{"id": row["id"], "context": join_context(row["context"]), "response": row["response"]} for row in records]
    text = "".join(json.dumps(row) + "\n" for row in plain)
    if ending == "jsonl":
        path.write_text(text, encoding="utf-8")
    elif ending == "jsonl.gz":
        path.write_bytes(gzip.compress(text.encode()))
    elif ending == "csv":
        pd.DataFrame(plain).to_csv(path, index=False)
    else:
        pd.DataFrame(plain).to_parquet(path)
    ran = run(path, "--signals", NAMES, "-o", out)
    assert ran.returncode == 0, ran.stderr
    told = lines(out)
    assert [line["id"] for line in told] == [row["id"] for row in plain]
    columns = {role: Column.of([row[role] for row in plain]) for role in ("context", "response")}
    for name in NAMES.split(","):
        expected = SIGNALS[name].compute(columns)
        found = [line["signals"][name] for line in told]
        assert [value is None for value in found] == expected.missing.tolist()
        known = [value for value in found if value is not None]
        assert known == pytest.approx(expected.values[~expected.missing].tolist(), abs=1e-12)
    claim = told[0]["evidence"]["hallucinated"][0]
    assert set(claim) == {"type", "start", "end", "score"}
    assert 0 <= claim["start"] < claim["end"] <= len(plain[0]["response"])


def test_a_list_of_passages_and_no_context_and_a_bad_line(tmp_path: Path) -> None:
    path, out = tmp_path / "a.jsonl", tmp_path / "o.jsonl"
    path.write_text(
        '{"id": 1, "context": ["It opened in 1999.", "In Paris."], "response": "It opened in 1999 in Paris."}\n'
        "not json\n"
        '{"id": 2, "response": "It opened in 1999."}\n'
        '{"response": "x", "context": "x y z"}\n'
    )
    ran = run(path, "-o", out)
    assert ran.returncode == 2
    assert "record 2: the line is not valid JSON" in ran.stderr
    told = lines(out)
    assert [line["id"] for line in told] == [1, 2, 4]
    assert told[0]["signals"]["hallucinated"] < 0.5
    assert told[1]["signals"]["hallucinated"] is None
    assert "hallucinated" not in told[1]["evidence"]


def test_a_wrong_signal_and_a_wrong_file_are_sentences(tmp_path: Path) -> None:
    wrong = run(DATA / "q2_wow.dev.jsonl.gz", "--signals", "halucinated")
    assert wrong.returncode == 2
    assert "Did you mean 'hallucinated'?" in wrong.stderr
    gone = run(tmp_path / "nowhere.jsonl")
    assert "there is no file" in gone.stderr
    assert "Traceback" not in wrong.stderr + gone.stderr
