"""`driftd guard`: files in, a line of JSON a record out, and what the exit code says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from monitor.cli import app
from monitor.config.models import ConfigError

KEY = "AKIA" + "2OGYBAH6QGWTFJ7X"
RECORDS = [
    {"id": "a", "response": "Write to jane@example.com."},
    {"id": 7, "response": "All is well."},
    {"id": "k", "response": f"Use {KEY} now"},
]


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["guard", *map(str, words)])


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture(autouse=True)
def _logging_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitor.core.log.set_up", lambda level: None)


@pytest.fixture
def jsonl(tmp_path: Path) -> Path:
    file = tmp_path / "answers.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
    return file


def test_a_line_a_record(jsonl: Path, tmp_path: Path) -> None:
    result = run(jsonl, "--json", "--config", tmp_path / "none.yaml")
    assert result.exit_code == 0
    said = lines(result)
    assert [(line["id"], line["verdict"]) for line in said] == [("a", "redact"), (7, "allow"), ("k", "block")]
    assert [(f["type"], f["start"], f["end"]) for f in said[0]["findings"]] == [("email_address", 9, 25)]
    assert "3 texts" in result.stderr
    assert KEY not in result.output
    assert "jane" not in result.output


def test_csv_tsv_and_parquet_say_the_same(jsonl: Path, tmp_path: Path) -> None:
    wanted = [(str(line["id"]), line["verdict"], line["findings"]) for line in lines(run(jsonl, "--json"))]
    csv, tsv, parquet = tmp_path / "a.csv", tmp_path / "a.tsv", tmp_path / "a.parquet"
    csv.write_text("\ufeffid,response\n" + "".join(f'{r["id"]},"{r["response"]}"\n' for r in RECORDS))
    tsv.write_text("id\tresponse\n" + "".join(f"{r['id']}\t{r['response']}\n" for r in RECORDS))
    pq.write_table(
        pa.table({"id": [str(r["id"]) for r in RECORDS], "response": [r["response"] for r in RECORDS]}), parquet
    )
    for file in (csv, tsv, parquet):
        assert [(str(line["id"]), line["verdict"], line["findings"]) for line in lines(run(file, "--json"))] == wanted


def test_bad_lines_are_counted_and_end_in_exit_code_2(tmp_path: Path) -> None:
    file = tmp_path / "bad.jsonl"
    good = b'{"text": "jane@example.com"}\n'
    file.write_bytes(good + b"{\n[1]\n\n\xff\n" + b"[" * 100_000 + b"\n" + b'{"text": 5}\n{"other": "x"}\n' + good)
    result = run(file, "--json")
    assert result.exit_code == 2
    assert [line["id"] for line in lines(result)] == [1, 9]
    assert "6 records were not checked" in result.stderr
    assert "record 2: the line is not valid JSON." in result.stderr
    assert "--field" in result.stderr or "none of the fields" in result.stderr or "no text" in result.stderr


def test_rows_of_a_csv_that_do_not_fit_their_header(tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_text("id,text\n1,fine\n2,too,many\n3\n4,jane@example.com\n")
    result = run(file, "--json")
    assert result.exit_code == 2
    assert [line["id"] for line in lines(result)] == ["1", "4"]


def test_exit_code_1_only_when_asked(jsonl: Path) -> None:
    assert run(jsonl, "--policy", "secrets").exit_code == 0
    assert run(jsonl, "--policy", "secrets", "--fail-on", "block").exit_code == 1
    assert run(jsonl, "--policy", "audit", "--fail-on", "block").exit_code == 0


def test_a_field_by_name(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text('{"id": 1, "text": "fine", "context": "jane@example.com"}\n')
    assert lines(run(file, "--json"))[0]["verdict"] == "allow"
    assert lines(run(file, "--json", "--field", "context"))[0]["verdict"] == "redact"


def test_a_policy_in_a_file_and_its_mistakes(jsonl: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("rules:\n  - type: EMAIL_ADDRESS\n    action: block\n")
    assert [line["verdict"] for line in lines(run(jsonl, "--json", "-p", mine))] == ["block", "allow", "allow"]
    for text, words in (
        ("rules:\n  - type: pi\n", ("mine.yaml:2", "'pii'")),
        ("rules:\n  - type: pattern\n    patterns: {x: '(a'}\n", ("mine.yaml:2", "missing )")),
        ("rules: []\n", ("mine.yaml:1",)),
        ("rulez: []\n", ("rulez", "Did you mean 'rules'")),
        ("rules:\n  - type: person\n", ("model",)),
    ):
        mine.write_text(text)
        result = run(jsonl, "-p", mine)
        assert isinstance(result.exception, ConfigError)
        for word in words:
            assert word in str(result.exception), text


def test_a_policy_of_driftd_yaml(jsonl: Path, tmp_path: Path) -> None:
    config = tmp_path / "driftd.yaml"
    config.write_text(
        "monitors:\n  - {name: bot, source: {url: 'sqlite://', table: log, columns: {timestamp: at}}}\n"
        "policies:\n  strict:\n    rules: [{type: pii, action: block}]\n    salt: pepper\n"
    )
    said = lines(run(jsonl, "--json", "-p", "strict", "--config", config))
    assert [line["verdict"] for line in said] == ["block", "allow", "allow"]
    assert len(said[0]["findings"][0]["hash"]) == 16
    result = run(jsonl, "-p", "strikt", "--config", config)
    assert "Did you mean 'strict'" in str(result.exception)


@pytest.mark.parametrize("name", ["none.jsonl", "none.parquet", "x.docx", "."])
def test_files_that_cannot_be_read_say_why(name: str, tmp_path: Path) -> None:
    result = run(tmp_path / name)
    assert isinstance(result.exception, ConfigError)
    assert name.rpartition("/")[2] in str(result.exception) or "folder" in str(result.exception)


def test_out_writes_a_file(jsonl: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    result = run(jsonl, "--json", "--out", out)
    assert result.stdout == ""
    assert len(out.read_text().splitlines()) == 3
