"""Suites as people write them: what is read, and what is said about mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from monitor.core.yamlfile import ConfigError
from monitor.jobs.evals.suite import Suite, load

GOOD = """
name: support-bot
endpoint:
  url: https://llm.example/v1
  model: small-7b
  api_key: ${KEY}
parameters: {temperature: 0.7, max_tokens: 200}
repeat: 3
system: Be brief.
expect:
  - {signal: response_length, max: 400}
judge:
  endpoint: {url: https://judge.example/v1, model: big}
  rubric: polite
  sample: 0.5
cases:
  - id: refund
    prompt: "Can I get my money back? {context}"
    context: Refunds within 14 days.
    expected: 14 days
    tags: [billing]
    expect: [contains, {regex: '(?i)refund', name: names it, weight: 2}, {signal: novelty, max: 0.9}, judge]
  - id: sum
    messages: [{role: user, content: "2 + 2?"}]
    expect: [{numeric: 4}, {json_schema: {type: integer}}]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "suite.yaml"
    path.write_text(text)
    return path


def said(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(write(folder, text), environment={"KEY": "sk-very-secret"})
    return str(caught.value)


def test_a_suite_is_read(tmp_path: Path) -> None:
    suite = load(write(tmp_path, GOOD), environment={"KEY": "sk-very-secret"})
    assert suite.endpoint is not None
    assert suite.endpoint.api_key is not None
    assert suite.endpoint.api_key.get_secret_value() == "sk-very-secret"
    assert "sk-very-secret" not in repr(suite) + str(suite.model_dump(mode="json"))
    refund = suite.cases[0]
    assert [one.called for one in suite.expectations(refund)] == [
        "response_length",
        "contains",
        "names it",
        "novelty",
        "judge",
    ]
    assert refund.sent(suite.system) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Can I get my money back? Refunds within 14 days."},
    ]


def test_the_key_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-filed\n")
    suite = load(write(tmp_path, GOOD.replace("api_key: ${KEY}", "api_key_file: key")), environment={})
    assert suite.endpoint is not None
    assert suite.endpoint.api_key is not None
    assert suite.endpoint.api_key.get_secret_value() == "sk-filed"


def test_cases_and_schemas_may_stand_in_files(tmp_path: Path) -> None:
    (tmp_path / "cases.jsonl").write_text('{"id": "a", "prompt": "x", "expected": "y"}\n\n{"id": "b", "prompt": "é"}\n')
    (tmp_path / "schema.json").write_text('{"type": "object"}')
    text = "name: s\nanswers: a.jsonl\ncases: cases.jsonl\nexpect: [{json_schema: schema.json}]\n"
    suite = load(write(tmp_path, text))
    assert [case.id for case in suite.cases] == ["a", "b"]
    assert suite.expect[0].value == {"type": "object"}
    assert suite.answers == tmp_path / "a.jsonl"


def test_given_answers_win_over_the_endpoint(tmp_path: Path) -> None:
    suite = load(write(tmp_path, GOOD), tmp_path / "given.jsonl", environment={"KEY": "x"})
    assert suite.endpoint is None
    assert suite.answers == tmp_path / "given.jsonl"


@pytest.mark.parametrize(
    ("old", "new", "line", "sentence"),
    [
        ("repeat: 3", "repeats: 3", 8, "repeats: unknown key 'repeats'.*Did you mean 'repeat'"),
        ("repeat: 3", "repeat: 0", 8, "repeat: invalid value 0: input should be greater than or equal to 1"),
        ("signal: response_length", "signal: respnse_length", 11, "'respnse_length' is not a signal. Allowed: "),
        ("{signal: response_length, max: 400}", "{signal: response_length}", 11, "a signal needs `max:` or `min:`"),
        ("- {signal: response_length, max: 400}", "- contians", 11, "unknown key 'contians'.*'contains'"),
        ("- {signal: response_length, max: 400}", "- {regex: '(', max: 3}", 11, "unknown key 'max'"),
        ("- {signal: response_length, max: 400}", "- {regex: '(a)\\1'}", 11, "is not a pattern of RE2"),
        ("{type: integer}", "{type: intger}", 25, "this is not a JSON schema: 'intger'"),
        ("{type: integer}", "nowhere.json", 25, "the schema 'nowhere.json' cannot be read"),
        ("numeric: 4", "numeric: four", 25, "`numeric:` needs a number"),
        ("expected: 14 days\n    ", "", 17, "'refund' has no `expected:`"),
        ("context: Refunds within 14 days.", "expected: x", 20, "duplicate key 'expected'"),
        ("id: sum", "id: refund", 17, "'refund' occurs 2 times; ids must be unique"),
        (
            'messages: [{role: user, content: "2 + 2?"}]',
            "tags: []",
            23,
            "give exactly one of `prompt:` and `messages:`",
        ),
        ("api_key: ${KEY}", "api_key: ${NO_SUCH_KEY}", 6, "NO_SUCH_KEY is not set"),
        (
            "name: support-bot",
            "name: support-bot\nanswers: a.jsonl",
            2,
            "exactly one of `endpoint:`, `answers:` and `traffic:`",
        ),
        (
            "expected: 14 days",
            "expected: true",
            20,
            "expected: invalid value True: give a text, a number, or a list of texts",
        ),
        ("rubric: polite", "", 12, "judge: the key 'rubric' is missing"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, old: str, new: str, line: int, sentence: str) -> None:
    import re

    assert old in GOOD
    text = said(tmp_path, GOOD.replace(old, new, 1))
    assert re.search(sentence, text), text
    assert "sk-very-secret" not in text
    numbers = [int(found) for found in re.findall(r"suite\.yaml:(\d+):", text)]
    assert numbers
    assert min(abs(number - line) for number in numbers) <= 2, text


def test_a_judge_that_is_expected_must_be_configured(tmp_path: Path) -> None:
    start = GOOD.index("judge:\n")
    assert "needs a judge, and the suite has none" in said(tmp_path, GOOD[:start] + GOOD[GOOD.index("cases:") :])


def test_mistakes_in_a_file_of_cases_name_its_line(tmp_path: Path) -> None:
    text = "name: s\nanswers: a.jsonl\ncases: cases.jsonl\nexpect: [exact]\n"
    for lines, sentence in (
        ('{"id": "a", "prompt": "x", "expected": "y"}\n{"id": "b"}\n', "cases.jsonl:2: .*give exactly one of"),
        ('{"id": "a", "promt": "x"}\n', "cases.jsonl:1: promt: unknown key 'promt'.*'prompt'"),
        ("{\n", "cases.jsonl:1: .*this line is not JSON"),
        ("[1]\n", "cases.jsonl:1: .*a line must be one object"),
        ('{"id": "a", "prompt": "x"}\n', "'a' has no `expected:`"),
    ):
        (tmp_path / "cases.jsonl").write_text(lines)
        import re

        assert re.search(sentence, said(tmp_path, text)), sentence
    (tmp_path / "cases.jsonl").unlink()
    assert "cases.jsonl: cannot be read" in said(tmp_path, text)


def test_a_missing_suite_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        load(tmp_path / "no.yaml")


def test_only_what_is_asked_and_expected_makes_a_case_another_one(tmp_path: Path) -> None:
    suite = load(write(tmp_path, GOOD), environment={"KEY": "x"})

    def changed(**update: object) -> str:
        data = {**json.loads(suite.cases[0].model_dump_json()), **update}
        case = type(suite.cases[0]).model_validate(data)
        return suite.definition(case)

    same = suite.definition(suite.cases[0])
    assert changed() == same
    assert changed(tags=["other"]) == same
    assert changed(prompt="Other?") != same
    assert changed(expected="15 days") != same
    other = Suite.model_validate({**suite.model_dump(), "expect": []})
    assert other.definition(suite.cases[0]) != same
