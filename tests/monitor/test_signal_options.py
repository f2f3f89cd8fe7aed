"""Signals with options: read from the file, checked with sentences, part of what a baseline is, and computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detectors import SIGNALS
from detectors.records import Column
from monitor.baselines.definition import definition
from monitor.config.load import load
from monitor.config.models import Config, ConfigError, Monitor
from monitor.config.signals import resolve
from monitor.core.record_batch import RecordBatch
from monitor.profiling.features import choose
from monitor.profiling.learn import Learner
from monitor.profiling.profiler import Profiler
from monitor.profiling.signals import with_signals
from monitor.profiling.source_columns import columns_to_read
from monitor.sources.base import ColumnInfo

FILE = """\
monitors:
  - name: bot
    source:
      url: sqlite:///log.db
      table: log
      columns: {timestamp: t, response: r, mood: m}
    signals:
      - refusal
      - json_schema: {schema_file: answer.json}
      - matches: {pattern: "^ID-\\\\d+", name: has_ticket}
      - matches: {pattern: refund, ignore_case: true, name: refund}
      - truncation
    checks: [drift, quality]
"""
SCHEMA = '{"type": "object", "required": ["answer"]}'


def write(folder: Path, text: str = FILE, schema: str = SCHEMA) -> Path:
    (folder / "answer.json").write_text(schema + "\n", encoding="utf-8")
    path = folder / "driftd.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def monitor(folder: Path, text: str = FILE, schema: str = SCHEMA) -> Monitor:
    return load(write(folder, text, schema), {}).monitors[0]


def test_signals_are_made_of_their_options(tmp_path: Path) -> None:
    made = resolve(monitor(tmp_path).signals)
    assert [signal.name for signal in made] == ["refusal", "json_schema", "has_ticket", "refund", "truncation"]
    assert made[0] is SIGNALS["refusal"]
    records = RecordBatch({"response": Column.of(['{"answer": 1}', "ID-12 Refund", None])})
    columns = with_signals(records, monitor(tmp_path).signals)
    assert columns["json_schema"].values[:2].tolist() == [1.0, 0.0]
    assert columns["has_ticket"].values[:2].tolist() == [0.0, 1.0]
    assert columns["refund"].values[:2].tolist() == [0.0, 1.0]
    assert columns["refund"].missing.tolist() == [False, False, True]


def test_the_same_configuration_gives_the_same_objects(tmp_path: Path) -> None:
    assert resolve(monitor(tmp_path).signals) is resolve(monitor(tmp_path).signals)


WRONG = [
    ("- refusal", "- refusl", 8, "signals[0]", "Did you mean 'refusal'"),
    ("- json_schema:", "- json_schem:", 9, "signals[1].json_schem", "Did you mean 'json_schema'"),
    ("ignore_case: true", "ignore_cas: true", 11, "signals[3].matches.ignore_cas", "Did you mean 'ignore_case'"),
    ("ignore_case: true", "ignore_case: [1]", 11, "signals[3].matches.ignore_case", "valid boolean"),
    ("pattern: refund, ", "", 11, "signals[3].matches", "needs the option 'pattern'"),
    ("pattern: refund", "pattern: 5", 11, "signals[3].matches.pattern", "valid string"),
    ("pattern: refund", 'pattern: "(?=x)"', 11, "signals[3].matches", "Look-around"),
    ("name: refund", "name: has_ticket", 11, "signals[3].matches", "two signals named 'has_ticket'"),
    ("name: refund", "name: mood", 11, "signals[3].matches.name", "the name of a column already"),
    ("name: refund", 'name: "Re fund"', 11, "signals[3].matches.name", "lower-case letters"),
    ("schema_file: answer.json", "schema_file: nope.json", 9, "json_schema.schema_file", "cannot be read"),
    ("- truncation", "- truncation: {limit: 5}", 12, "truncation.limit", "is not an option of the signal truncation"),
    ("- truncation", "- {truncation: {}, refusal: {}}", 12, "signals[4]", "one name with its options"),
    ("- truncation", "- truncation: yes", 12, "signals[4]", "mapping"),
    ("- truncation", "- refusal", 12, "signals[4]", "two signals named 'refusal'"),
]


@pytest.mark.parametrize(("old", "new", "line", "key", "says"), WRONG, ids=[row[4][:30] for row in WRONG])
def test_an_error_names_line_key_and_remedy(tmp_path: Path, old: str, new: str, line: int, key: str, says: str) -> None:
    assert old in FILE
    path = write(tmp_path, FILE.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert f"{path}:{line}: " in str(caught.value)
    assert key in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize(("schema", "says"), [("{", "is not JSON"), ('{"type": "strin"}', "at `type`")])
def test_a_wrong_schema_file_is_told_where_it_is_named(tmp_path: Path, schema: str, says: str) -> None:
    with pytest.raises(ConfigError, match=r"driftd.yaml:9: monitors\[0\].signals\[1\].json_schema: ") as caught:
        monitor(tmp_path, schema=schema)
    assert says in str(caught.value)


def test_what_the_schema_file_holds_is_part_of_what_a_baseline_is(tmp_path: Path) -> None:
    first = definition(monitor(tmp_path, FILE, SCHEMA))
    assert first == definition(monitor(tmp_path, FILE, SCHEMA))
    assert first != definition(monitor(tmp_path, FILE, SCHEMA.replace("answer", "reply")))
    assert first != definition(monitor(tmp_path, FILE.replace("ID-", "NO-"), SCHEMA))


def test_a_signal_without_options_is_written_as_before(tmp_path: Path) -> None:
    """So that baselines that were learnt before options existed stay."""
    plain = monitor(tmp_path, FILE[: FILE.index("      - json_schema")] + "    checks: [drift]\n")
    assert plain.model_dump(mode="json")["signals"] == ["refusal"]


def test_the_engine_profiles_configured_signals(tmp_path: Path) -> None:
    watched = monitor(tmp_path)
    infos = [ColumnInfo(name, name, "text", "text", name, 100, 0.0, 100) for name in ("timestamp", "response")]
    kinds = {choice.name: choice.kind for choice in choose(watched, infos) if choice.kind}
    assert [name for name in kinds if name != "truncation"] == ["refusal", "json_schema", "has_ticket", "refund"]
    texts = ["ID-1 refund", "I'm sorry, but I can't help with that.", '{"answer": 2}', "ID-2"] * 75
    reasons = ["stop", "length", None] * 100
    columns = {"response": Column.of(texts), "finish_reason": Column.of(reasons)}
    records = RecordBatch({"timestamp": Column.floats(np.arange(300.0)), **columns})
    learner = Learner(kinds)
    learner.add(with_signals(records, watched.signals))
    layouts = learner.layouts()
    asked = columns_to_read(watched, layouts, {"response": "text", "finish_reason": "text", "has_ticket": "text"})
    assert set(asked) == {"response", "finish_reason"}
    profiler = Profiler(watched, layouts)
    profiler.add(records)
    profiles = profiler.profiles()[None]
    means = {name: profiles[name].mean for name in kinds}
    assert means == pytest.approx(
        {"refusal": 0.25, "json_schema": 0.25, "has_ticket": 0.5, "refund": 0.25, "truncation": 1 / 3}
    )


def test_a_signal_that_would_hide_a_column_of_the_source_is_refused(tmp_path: Path) -> None:
    infos = [ColumnInfo(name, name, "text", "text", None, 100, 0.0, 3) for name in ("refund", "other")]
    with pytest.raises(ConfigError, match="'refund' is a column of the source and a signal"):
        choose(monitor(tmp_path), infos)


def test_a_configuration_that_was_not_read_from_a_file_is_checked_when_it_is_used() -> None:
    source = {"url": "sqlite://", "table": "t", "columns": {"timestamp": "t"}}
    config = Config.model_validate({"monitors": [{"name": "x", "source": source, "signals": [{"matches": {}}]}]})
    with pytest.raises(ConfigError, match="needs the option 'pattern'"):
        resolve(config.monitors[0].signals)
