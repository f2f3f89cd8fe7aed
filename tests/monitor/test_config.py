"""Every error of a configuration names file, line, key, what was found and what is allowed."""

from __future__ import annotations

import json
import re
import textwrap
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import SecretStr, ValidationError
from structlog.testing import capture_logs

from monitor.actions.receivers.slack.config import SlackConfig
from monitor.actions.receivers.webhook.config import WebhookConfig
from monitor.config.checks import MODELS, DriftConfig
from monitor.config.load import json_schema, load
from monitor.config.models import Config, ConfigError
from monitor.config.sections import check_database_url
from monitor.store.database import Database, StoreError
from tests.support import prefork
from tests.support.tools import ROOT

GOOD = """\
store: sqlite:///x.db
slack: {token: ${TOKEN}, channel: "#ml"}
actions:
  back:
    webhook: {url: "https://deploy.example/rollback", secret_file: secret.txt}
    not_after: 10m
monitors:
  - name: bot
    source:
      url: sqlite:///log.db
      table: "Größe \\"x\\""
      columns:
        timestamp: {column: created, unit: ms}
        model_version: model
    bucket: 5m
    window: 1h
    baseline: {from: 2026-11-01, to: 2026-11-15T12:00:00+02:00}
    signals: [novelty]
    checks:
      - drift: {columns: [novelty], method: psi, threshold: 0.3}
      - missing: {max_increase: 0.1}
      - schema
    rules:
      - when: [drift.novelty, missing]
        for: 10m
        do: [slack, back]
"""
ENVIRONMENT = {"TOKEN": "xoxb-1"}


def write(folder: Path, text: str) -> Path:
    (folder / "secret.txt").write_text("whsec_abc\n")
    path = folder / "driftd.yaml"
    path.write_text(text)
    return path


def test_a_good_file_is_read_as_meant(tmp_path: Path) -> None:
    config = load(write(tmp_path, GOOD), ENVIRONMENT)
    monitor = config.monitors[0]
    assert monitor.source.table == 'Größe "x"'
    assert monitor.source.columns["timestamp"].unit == "ms"
    assert monitor.baseline.start == datetime(2026, 11, 1, tzinfo=UTC)
    assert monitor.baseline.end == datetime(2026, 11, 15, 10, tzinfo=UTC)
    assert [check.kind for check in monitor.checks] == ["drift", "missing", "schema"]
    assert isinstance(monitor.checks[0], DriftConfig)
    assert monitor.checks[0].method == ["psi"]
    assert monitor.rules[0].buckets(monitor.rules[0].for_, monitor.bucket) == 2
    back, slack = config.receivers["back"], config.receivers["slack"]
    assert isinstance(back, WebhookConfig)
    assert isinstance(slack, SlackConfig)
    assert back.secret.get_secret_value() == "whsec_abc"
    assert slack.token.get_secret_value() == "xoxb-1"
    assert back.effect is not None
    assert (back.effect.kind, back.effect.mode) == ("rollback", "approve")


def test_secrets_are_masked_wherever_the_configuration_is_shown(tmp_path: Path) -> None:
    config = load(write(tmp_path, GOOD), ENVIRONMENT)
    for shown in (repr(config), str(config), config.model_dump_json()):
        assert "whsec_abc" not in shown
        assert "xoxb-1" not in shown


WRONG = [
    ("window: 1h", "windw: 1h", 16, "monitors[0].windw", "Did you mean 'window'"),
    ("bucket: 5m", "bucket: 5 minutes", 15, "monitors[0].bucket", "expected a duration"),
    ("bucket: 5m", "bucket: 7m", 8, "monitors[0]", "whole number of buckets"),
    ("- schema", "- shema", 22, "monitors[0].checks[2].shema", "Did you mean 'schema'"),
    ("method: psi", "method: pssi", 20, "monitors[0].checks[0]", "Did you mean 'psi'"),
    ("method: psi", "method: evidently:andersen", 20, "monitors[0].checks[0]", "Did you mean 'evidently:anderson'"),
    ("method: psi", "method: evidently:perc_text_content_drift", 20, "monitors[0].checks[0]", "trains a classifier"),
    ("method: psi, threshold: 0.3", "method: evidently:ks, threshold: 5", 20, "monitors[0].checks[0]", "below 1"),
    ("[novelty]\n    checks", "[novlty]\n    checks", 18, "monitors[0].signals[0]", "Did you mean 'novelty'"),
    ("do: [slack, back]", "do: [slack, bakc]", 26, "monitors[0].rules[0].do[1]", "Did you mean 'back'"),
    ("[drift.novelty, missing]", "[drft.novelty]", 24, "monitors[0].rules[0].when[0]", "Did you mean 'drift'"),
    ("from: 2026-11-01,", "from: first of november,", 17, "monitors[0].baseline.from", "ISO 8601"),
    ("to: 2026-11-15T12:00:00+02:00", "rolling: 14d", 17, "monitors[0].baseline", "exactly one of"),
    ("to: 2026-11-15T12:00:00+02:00", "previous: 7d", 17, "monitors[0].baseline", "goes with `rolling:` only"),
    ("from: 2026-11-01, to: 2026-11-15T12:00:00+02:00", "previous: 30m", 8, "monitors[0]", "at least `window:`"),
    ("from: 2026-11-01, to: 2026-11-15T12:00:00+02:00", "previous: 8d", 8, "monitors[0]", "at most half of `rolling:`"),
    ("model_version: model", "model_versoin: model", 14, "columns.model_versoin", "Did you mean 'model_version'"),
    ("unit: ms", "unit: msec", 13, "columns.timestamp.unit", "'ms'"),
    ("secret_file: secret.txt", "secret_file: nope.txt", 5, "webhook.secret_file", "cannot be read"),
    ("${TOKEN}", "${TOKEN_X}", 2, "slack.token", "TOKEN_X is not set"),
    ("timestamp: {column: created, unit: ms}", "id: x", 9, "monitors[0].source", "must map `timestamp`"),
    ("name: bot", "name: bot\n    name: again", 9, "monitors[0].name", "duplicate key"),
    ("threshold: 0.3", "threshold: high", 20, "threshold", "'high'"),
    ("threshold: 0.3", "treshold: 0.3", 20, "monitors[0].checks[0].drift.treshold", "Did you mean 'threshold'"),
    ("threshold: 0.3", "daily: 5", 20, "checks[0].drift.daily", "not a key of drift, but of spend. Allowed: columns,"),
    ("threshold: 0.3", "signal: x", 20, "checks[0].drift.signal", "not a key of drift, but of rate and slo."),
    ("threshold: 0.3", "kind: psi", 20, "checks[0].drift.kind", "unknown key 'kind'. Allowed: columns,"),
    (
        "missing: {max_increase: 0.1}",
        "missing:\n          max_increase: 2",
        22,
        "missing.max_increase",
        "less than or equal",
    ),
    ("- schema", "- rate: {max: 0.1}", 22, "monitors[0].checks[2].rate", "a rate check needs `signal:`"),
    ("- schema", "- slo: {signal: x}", 22, "monitors[0].checks[2].slo", "an slo check needs `signal:`"),
    ("- schema", "- spend", 22, "monitors[0].checks[2].spend", "a budget needs `daily:`"),
    ("- schema", "- performance: {method: psi}", 22, "checks[2].performance.method", "unknown value 'psi'"),
    ("    table:", "    query: select 1\n      table:", 9, "monitors[0].source", "not both"),
]


@pytest.mark.parametrize(("old", "new", "line", "key", "says"), WRONG, ids=[row[1][:30] for row in WRONG])
def test_an_error_names_line_key_and_remedy(tmp_path: Path, old: str, new: str, line: int, key: str, says: str) -> None:
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        load(path, ENVIRONMENT)
    text = str(caught.value)
    assert f"{path}:{line}: " in text
    assert key in text
    assert says in text


@pytest.mark.parametrize("kind", ["webhook", "slack"])
def test_only_receivers_for_people_take_a_digest(tmp_path: Path, kind: str) -> None:
    hook = 'kind: webhook, url: "https://deploy.example/x", secret: whsec_YWJj'
    slack = 'kind: slack, token: xoxb-1, channel: "#ml"'
    settings = {"webhook": hook, "slack": slack}[kind]
    text = GOOD[: GOOD.index("slack: {token")] + "receivers:\n  team: {%s%s}\n" + GOOD[GOOD.index("monitors:") :]
    text = text.replace("[slack, back]", "[team]")
    load(write(tmp_path, text % (settings, "")), ENVIRONMENT)
    load(write(tmp_path, text % (settings, ", digest: null")), ENVIRONMENT)
    merged = write(tmp_path, text % (settings, ", digest: {incidents: 3}"))
    if kind == "slack":
        load(merged, ENVIRONMENT)
        return
    with pytest.raises(ConfigError, match=r"only messages to people are merged; remove `digest:`"):
        load(merged, ENVIRONMENT)


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("[novelty]\n    checks", "[novlty]\n    checks").replace("do: [slack, back]", "do: [slak]")
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, text), ENVIRONMENT)
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize("text", ["a: [", "- 1", "5", "", "\t", "a: !!python/object:os.system x", "\x00"])
def test_what_is_no_configuration_gets_a_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, text), {})
    assert str(tmp_path / "driftd.yaml") in str(caught.value)


def lines_of(refused: pytest.ExceptionInfo[ConfigError]) -> list[str]:
    return str(refused.value).splitlines()


EXPONENTIAL = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in pairwise("abcdefghij")
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("monitors: &a [*a]", ":1: monitors[0]: an alias refers to a part that contains it; write the value itself."),
        ("monitors: &a {x: *a}", ":1: monitors.x: an alias refers to a part that contains it; write the value itself."),
        (EXPONENTIAL, "this is not valid YAML: its aliases stand for more than 100000 values."),
        ("monitors: " + "[" * 3000, "this is not valid YAML: line 1 has more than 50 levels."),
        ("# " + "x" * 1_000_000, "this is not valid YAML: it has 1000002 characters; the most are 1000000."),
        ("? [a, b]\n: x", ":1: (top): a key must be a word, not a list or a mapping."),
        ("monitors: " + "9" * 5000, " is no int."),
        ("monitors: !!timestamp soon", ":1: monitors: 'soon' is no timestamp."),
    ],
)
def test_a_file_that_stands_for_too_much_gets_one_sentence(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        load(write(tmp_path, text), {})
    (line,) = lines_of(refused)
    assert line.endswith(says)
    assert len(line) < 300


SECRET_PART = "hunter2"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://u:p@hunter2@db/app", "contains an @; write it as %40"),
        ("postgresql://u:hunter2@db:54x2/app", "is no port"),
        ("postgresql://u:hunter2@db:99999/app", "is no port"),
        ("postgresql://u:hunter2@[::1]:x/app", "is no port"),
        ("postgresql+asyncpg://u:hunter2@db/app", "the driver asyncpg is asynchronous"),
        ("sqlite+aiosqlite:///hunter2.db", "write sqlite://"),
        ('"postgresql://u:p"hunter2"@db/app"', "not valid YAML"),
        ("'postgresql://u:p'hunter2'@db/app'", "not valid YAML"),
        ('"postgresql://u:p\\qhunter2@db/app"', "not valid YAML"),
        ("[postgresql://u:p, hunter2", "not valid YAML"),
        ("!hunter2 x", "has a tag that driftd does not know"),
        ("!!int hunter2", "the value is no int"),
        ("*hunter2", "not valid YAML"),
        ("{hunter2: x}", "invalid value a mapping"),
    ],
)
@pytest.mark.parametrize("key", ["url", "store"])
def test_an_address_is_never_quoted(url: str, says: str, key: str, tmp_path: Path) -> None:
    text = GOOD.replace({"url": "sqlite:///log.db", "store": "sqlite:///x.db"}[key], url, 1)
    with pytest.raises(ConfigError) as refused:
        load(write(tmp_path, text), ENVIRONMENT)
    assert SECRET_PART not in str(refused.value)
    assert says in str(refused.value)


def test_a_value_with_a_comma_in_braces_is_not_quoted_either(tmp_path: Path) -> None:
    text = "monitors: [{name: a, source: {url: postgresql://u:p,hunter2@db/app, table: t, columns: {timestamp: at}}}]"
    with pytest.raises(ConfigError) as refused:
        load(write(tmp_path, text), {})
    assert SECRET_PART not in str(refused.value)
    assert "the value of 'url' contains a comma; put it in quotes" in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p%40x@db:5432/app",
        "postgresql://db/app?host=/run/postgresql",
        "postgresql://u@[::1]:5432/app",
        "clickhouse://u:p@db:8443/app",
        "sqlite:///a@b@c.db",
    ],
)
def test_a_valid_address_is_accepted(url: str) -> None:
    assert check_database_url(SecretStr(url)).get_secret_value() == url


def test_a_port_above_the_highest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"server.listen: .*expected a port of at most 65535"):
        load(write(tmp_path, GOOD + "\nserver: {listen: '127.0.0.1:70000'}\n"), ENVIRONMENT)


@pytest.mark.parametrize("url", ["postgresql://u:hunter2@db:x/app", "postgresql+asyncpg://u:hunter2@db/app"])
def test_an_address_of_the_command_line_gets_a_sentence(url: str) -> None:
    with pytest.raises(StoreError) as refused:
        Database(url)
    assert SECRET_PART not in str(refused.value)


def test_a_file_without_monitors_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"driftd.yaml:1: monitors: invalid value \[\]: .*at least 1"):
        load(write(tmp_path, "monitors: []\n"), {})


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="driftd init"):
        load(tmp_path / "nowhere.yaml", {})


def test_the_schema_is_json_and_knows_the_aliases() -> None:
    schema = json.dumps(json_schema())
    for word in ('"from"', '"for"', '"monitors"', '"catch_up"'):
        assert word in schema


def test_a_default_of_the_schema_is_written_as_in_the_file() -> None:
    schema = json_schema()["$defs"]
    assert schema["Monitor"]["properties"]["catch_up"]["default"] == "7d"
    assert schema["SloConfig"]["properties"]["period"]["default"] == "30d"


GOOD_CHECKS: list[Any] = [
    "drift",
    {"drift": None},
    {"drift": {"method": "psi", "columns": ["a"], "threshold": 0.2}},
    {"drift": {"method": ["psi", "evidently:anderson"]}},
    {"quality": {"max_increase": 0.1, "segments": False}},
    {"performance": {"decision": 0.4, "labels_after": "14d", "positive": "yes"}},
    {"latency": {"p95": "1h30m", "p50": 2}},
    {"rate": {"signal": "refusal", "max": 0.1, "labels_from": "judge"}},
    {"slo": {"signal": "refusal", "objective": 0.99, "burn": "page"}},
    {"spend": {"daily": 20, "by": "tenant", "limits": {"a": 50, "b": {"daily": 80, "monthly": 900}}}},
    {"spend": {"per_request_tokens": 1600, "threshold": 0.1, "name": "long"}},
    {"freshness": {"max_age": "1h"}},
    {"volume": {"threshold": 0.4}},
]
WRONG_CHECKS: list[Any] = [
    "shema",
    "rate",
    "slo",
    "spend",
    {"drift": {}, "quality": {}},
    {"drift": {"daily": 5}},
    {"drift": {"kind": "drift"}},
    {"drift": {"method": "pssi"}},
    {"drift": {"threshold": 0}},
    {"performance": {"method": "psi"}},
    {"missing": {"max_increase": 2}},
    {"volume": {"max_age": "1h"}},
    {"rate": {"max": 0.1}},
    {"rate": {"signal": "refusal", "objective": 0.9}},
    {"slo": {"signal": "refusal", "objective": 1.5}},
    {"latency": {"p95": "soon"}},
    {"spend": {"daily": 5, "p95": "2s"}},
]


def monitor_with(check: Any) -> dict[str, Any]:
    source = {"url": "sqlite:///log.db", "table": "t", "columns": {"timestamp": "at"}}
    return {"monitors": [{"name": "bot", "source": source, "signals": ["refusal"], "checks": [check]}]}


@cache
def schema_of_checks() -> jsonschema.Draft202012Validator:
    schema = {"$ref": "#/$defs/Monitor/properties/checks", "$defs": json_schema()["$defs"]}
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("check", GOOD_CHECKS, ids=str)
def test_the_schema_and_the_models_accept_the_same_checks(check: Any) -> None:
    Config.model_validate(monitor_with(check))
    schema_of_checks().validate([check])


@pytest.mark.parametrize("check", WRONG_CHECKS, ids=str)
def test_the_schema_and_the_models_refuse_the_same_checks(check: Any) -> None:
    with pytest.raises(ValidationError):
        Config.model_validate(monitor_with(check))
    with pytest.raises(jsonschema.ValidationError):
        schema_of_checks().validate([check])


def test_the_schema_of_a_check_kind_has_its_own_keys_only() -> None:
    definitions = json_schema()["$defs"]
    assert set(definitions["SloConfig"]["properties"]) == {
        *("name", "traffic", "signal", "objective", "period", "burn", "min_samples"),
    }
    for model in {*MODELS.values()}:
        definition = definitions[model.__name__]
        assert definition["additionalProperties"] is False
        assert set(definition["properties"]) == set(model.key_names())


def documented_checks() -> list[Any]:
    """Return every entry of `checks:` in the pages of the documentation and in the configurations that are shipped."""
    pages = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
    blocks = [block for page in pages for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)]
    story = (ROOT / "monitor/cli/demo/configuration.py").read_text().replace("{{", "{").replace("}}", "}")
    entries: list[Any] = []
    for block in [*blocks, story, (ROOT / "deploy/driftd.yaml").read_text()]:
        for found in re.finditer(r"^( *)checks:.*(?:\n\1 .*|\n\1- .*)*", block, re.MULTILINE):
            entries += yaml.safe_load(textwrap.dedent(found[0]))["checks"]
    return entries


def test_the_checks_of_the_documentation_are_valid() -> None:
    entries = documented_checks()
    assert len(entries) > 10
    for entry in entries:
        Config.model_validate(monitor_with(entry))
        schema_of_checks().validate([entry])


OLD_KEYS = {
    "'max_increase' is an old name; write `threshold:`.": "drift: {columns: [novelty], max_increase: 0.3}",
    "latency does not use 'method'; remove it.": "latency: {p95: 2s, method: auto}",
    "freshness does not use 'segments'; remove it.": "freshness: {max_age: 1h, segments: false}",
}


@pytest.mark.parametrize(("advice", "entry"), OLD_KEYS.items(), ids=str)
def test_a_key_of_an_old_form_works_and_is_warned_about_once(tmp_path: Path, advice: str, entry: str) -> None:
    path = write(tmp_path, GOOD.replace("drift: {columns: [novelty], method: psi, threshold: 0.3}", entry))
    with capture_logs() as logs:
        first, second = load(path, ENVIRONMENT), load(path, ENVIRONMENT)
    kind, key = entry.split(":")[0], advice.split("'")[1]
    place = f"{path}:20: monitors[0].checks[0].{kind}.{key}: "
    assert [line for line in logs if line["log_level"] == "warning"] == [
        {"event": "deprecated", "key": place + advice, "log_level": "warning"}
    ]
    assert first.monitors[0].checks == second.monitors[0].checks


def test_the_new_form_of_an_old_key_wins() -> None:
    (check,) = Config.model_validate(monitor_with({"drift": {"max_increase": 0.3}})).monitors[0].checks
    assert check == DriftConfig(threshold=0.3)
    both = {"drift": {"max_increase": 0.3, "threshold": 0.2}}
    (check,) = Config.model_validate(monitor_with(both)).monitors[0].checks
    assert check == DriftConfig(threshold=0.2)


def test_durations_add_up(tmp_path: Path) -> None:
    config = load(write(tmp_path, GOOD.replace("window: 1h", "window: 1h30m")), ENVIRONMENT)
    assert config.monitors[0].window == timedelta(minutes=90)


EMPTY = ["token_file: empty.txt", "token:", 'token: ""', 'token: "  "', "token: ${NOTHING}", "token: ${UNSET:-}"]


@pytest.mark.parametrize("token", EMPTY)
@pytest.mark.parametrize("section", ["server", "slack"])
def test_an_empty_token_is_an_error_and_never_no_authentication(tmp_path: Path, section: str, token: str) -> None:
    (tmp_path / "empty.txt").write_text(" \n\n")
    more = ', channel: "#ml"' if section == "slack" else ""
    rest = GOOD.replace('slack: {token: ${TOKEN}, channel: "#ml"}\n', "slack: {token: x, channel: c}\n")
    lines = [line for line in rest.splitlines(keepends=True) if not line.startswith(section)]
    path = write(tmp_path, f"{section}: {{{token}{more}}}\n" + "".join(lines))
    with pytest.raises(ConfigError, match=rf"^\S*driftd.yaml:1: {section}\.token\S* .*is empty; [^\n]*$"):
        load(path, {"NOTHING": ""})


@pytest.mark.parametrize("command", [["run"], ["config", "check"]])
def test_the_command_line_ends_with_2_when_the_token_is_empty(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "token").write_text("\n")
    monitor = {"name": "bot", "source": {"url": "sqlite://", "table": "t", "columns": {"timestamp": "at"}}}
    settings = {"server": {"listen": "127.0.0.1:0", "token_file": "token"}, "monitors": [monitor]}
    (tmp_path / "driftd.yaml").write_text(json.dumps(settings))
    done = prefork.run(command, cwd=tmp_path)
    assert done.returncode == 2
    assert "server.token_file: the file 'token' is empty" in done.stderr


BESIDE = """\
store: sqlite:///state/driftd.db
monitors:
  - name: bot
    source: {url: "sqlite:///log.db?timeout=3", table: log, columns: {timestamp: at, response: said, context: given}}
    baseline: {file: trusted.csv}
    signals:
      - entailment: {model: nli.onnx, tokenizer: tokenizer.json}
evaluations:
  - suite: suite.yaml
"""


def test_every_relative_path_is_beside_the_file_and_not_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, elsewhere = tmp_path / "etc", tmp_path / "elsewhere"
    for made in (folder, elsewhere):
        made.mkdir()
    for name in ("nli.onnx", "tokenizer.json"):
        (folder / name).touch()
    write(folder, BESIDE)
    monkeypatch.chdir(elsewhere)
    config = load(Path("../etc/driftd.yaml"), {})
    (monitor,) = config.monitors
    at = elsewhere / "../etc"
    assert config.store.get_secret_value() == f"sqlite:///{at}/state/driftd.db"
    assert monitor.source.url.get_secret_value() == f"sqlite:///{at}/log.db?timeout=3"
    assert monitor.baseline.file is not None
    assert monitor.baseline.file.resolve() == folder / "trusted.csv"
    (entry,) = monitor.signals
    assert isinstance(entry, dict)
    assert {Path(str(file)).resolve() for file in (entry["entailment"] or {}).values()} == {
        folder / "nli.onnx",
        folder / "tokenizer.json",
    }
    assert config.evaluations[0].suite.resolve() == folder / "suite.yaml"


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////var/lib/driftd/driftd.db",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:driftd.db?uri=true",
        "postgresql+psycopg://driftd@db/driftd",
        "no URL",
    ],
)
def test_a_url_that_names_no_relative_file_stays_as_it_is(tmp_path: Path, url: str) -> None:
    text = BESIDE.split("    baseline:")[0].replace("sqlite:///state/driftd.db", f'"{url}"')
    config = load(write(tmp_path, text), {})
    assert config.store.get_secret_value() == url


def test_without_a_store_it_is_beside_the_file_too(tmp_path: Path) -> None:
    text = BESIDE.split("    baseline:")[0].split("\n", 1)[1]
    assert load(write(tmp_path, text), {}).store.get_secret_value() == f"sqlite:///{tmp_path}/driftd.db"
