"""The registry of prompts, from files under a real git to the incident that names the author."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitor.alerting.suspect_names import name_suspects
from monitor.core.incident import Decision, Incident
from monitor.core.prompts import Prompt, catalogue, recognise, template_variables
from monitor.core.yamlfile import ConfigError
from monitor.jobs.promptfiles import read_folder
from tests.support import prefork

AT = datetime(2026, 11, 1, tzinfo=UTC)


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=Jane Doe", "-c", "user.email=jane@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "prompts"
    (made / "support").mkdir(parents=True)
    (made / "support" / "refund.md").write_text(
        "---\nmodel: big-4\nparameters: {temperature: 0.2}\n---\nAnswer {{ question }} from {{ context }}.\n"
    )
    (made / "triage.yaml").write_text(
        "messages:\n- {role: system, content: Be brief.}\n- {role: user, content: '{text}'}\n"
    )
    (made / "README.md").write_text("not a prompt")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "prompts")
    return made


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = folder.parent / "driftd.yaml"
    if not path.exists():
        monitor = {"name": "m", "source": {"url": "sqlite:///log.db", "table": "log", "columns": {"timestamp": "at"}}}
        path.write_text(yaml.safe_dump({"store": f"sqlite:///{folder.parent / 'd.db'}", "monitors": [monitor]}))
        prefork.run(["db", "upgrade", "-c", path]).check_returncode()
    return prefork.run(["prompts", *words, "-c", path])


def told(folder: Path, *words: str) -> Any:
    return json.loads(run(folder, *words, "--json").stdout)


def test_a_version_is_what_it_says_and_git_says_whose_it_is(folder: Path) -> None:
    first = told(folder, "push", str(folder))["prompts"]
    assert [(one["name"], one["version"], one["new"]) for one in first] == [
        ("support/refund", 1, True),
        ("triage", 1, True),
    ]
    assert {one["author"] for one in first} == {"Jane Doe"}
    assert first[0]["variables"] == ["question", "context"]
    assert first[1]["variables"] == ["text"]
    again = told(folder, "push", str(folder))["prompts"]
    assert [one["new"] for one in again] == [False, False]
    (folder / "support" / "refund.md").write_text("Answer {{ question }} politely from {{ context }}.\n")
    changed = told(folder, "push", str(folder))["prompts"][0]
    assert (changed["version"], changed["new"], changed["dirty"]) == (2, True, True)
    diff = run(folder, "diff", "support/refund@1", "support/refund").stdout
    assert "-Answer {{ question }} from {{ context }}." in diff
    assert "+Answer {{ question }} politely from {{ context }}." in diff
    assert "parameters.temperature: 0.2 -> not set" in diff
    assert "model: big-4 -> not set" in diff
    assert "from support/refund@1 by Jane Doe" in diff
    changed = told(folder, "diff", "support/refund@1", "support/refund")
    assert changed["variables"] == {"added": [], "removed": []}
    assert changed["settings"]["model"] == {"from": "big-4", "to": None}
    assert "are identical" in run(folder, "diff", "triage", "triage@1").stdout


def test_a_tag_moves_and_a_wrong_name_gets_a_suggestion(folder: Path) -> None:
    told(folder, "push", str(folder))
    assert run(folder, "tag", "support/refund@1", "production").returncode == 0
    assert told(folder, "show", "support/refund@production")["version"] == 1
    (folder / "support" / "refund.md").write_text("Shorter: {{ question }}\n")
    told(folder, "push", str(folder))
    run(folder, "tag", "support/refund@2", "production")
    assert told(folder, "show", "support/refund@production")["content"]["template"] == "Shorter: {{ question }}"
    wrong = run(folder, "show", "support/refnud")
    assert wrong.returncode != 0
    assert "support/refund" in wrong.stderr
    assert "Traceback" not in wrong.stderr
    none = run(folder, "show", "support/refund@7")
    assert "'support/refund' has no version or tag '7'. Known: 2, 1, production." in none.stderr.replace("\n", " ")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.yaml", "template: x\nmessages: []\n", "must contain either"),
        ("a.yaml", "templates: x\n", "must contain either"),
        ("a.yaml", "template: x\ntemprature: 1\n", "temprature"),
        ("a.json", "{", "cannot be read"),
        ("a.yaml", "messages: [hello]\n", "`role` and `content`"),
        ("a.md", "---\nparameters: 3\n---\nhello", "is a mapping"),
    ],
)
def test_a_file_that_is_no_prompt_is_named(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=said) as told:
        read_folder(tmp_path)
    assert name in str(told.value)


def test_outside_of_git_a_prompt_has_no_author_but_the_same_hash(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"Hello {name}\r\n")
    (tmp_path / "b.j2").write_text("Hello {name}\n")
    one, other = read_folder(tmp_path)
    assert one.hash == other.hash
    assert (one.commit, one.author) == ("", "")


def registry() -> list[Prompt]:
    return [
        Prompt("support/refund", {"template": f"version {number}"}, number, commit="c" * 40, author="Jane")
        for number in (3, 2, 1)
    ]


def test_a_log_may_name_a_version_in_many_ways_but_never_ambiguously() -> None:
    known = registry()
    two = known[1]
    for value in (
        "support/refund@2",
        "support/refund:v2",
        "support/refund-v2",
        "2",
        "v2",
        two.hash,
        two.hash[:7],
        f"sha256:{two.hash}",
    ):
        assert recognise(value, known) == two, value
    for value in ("support/refund@9", two.hash[:6], "", "refund@2", "main", "٢"):
        assert recognise(value, known) is None, value
    several = [*known, Prompt("triage", {"template": "x"}, 2)]
    assert recognise("2", several) is None
    assert recognise("triage 2", several) == several[-1]


def test_variables_of_both_kinds() -> None:
    assert template_variables("Answer {{ question }} from {{ context | trim }}.") == ["question", "context"]
    assert template_variables('{a} and {a} and {b}, {"json": 1}, {{escaped}}') == ["escaped"]
    assert template_variables('{a} and {b}, {"json": 1}') == ["a", "b"]


def test_the_catalogue_lists_traffic_and_strangers() -> None:
    class Seen:
        def __init__(self, value: str, rows: int) -> None:
            self.monitor, self.value, self.rows, self.first_seen, self.last_seen = "m", value, rows, AT, AT

    found = catalogue(
        registry(), registry(), [Seen("support/refund@3", 10), Seen(registry()[0].hash[:9], 5), Seen("mystery", 7)]
    )
    assert sum(one["rows"] for one in found["prompts"][0]["traffic"]) == 15
    assert [one["value"] for one in found["not_registered"]] == ["mystery"]


def test_an_incident_names_the_author_of_the_prompt_that_came_just_before() -> None:
    suspect = {"kind": "prompt_version", "column": "prompt_version", "value": "support/refund@2", "first_seen": "…"}
    incident = Incident(
        "i", "m", "r", "critical", "firing", AT, reason="it rose", suspected_change=suspect, updated_at=AT
    )
    named = name_suspects(Decision(incident, "firing", "it rose"), registry(), [])
    assert named.incident.suspected_change is not None
    assert named.incident.suspected_change["prompt"] == "support/refund@2 by Jane, commit cccccccc"
    assert name_suspects(named, registry(), []) == named
    stranger = replace(incident, suspected_change={**suspect, "value": "mystery"})
    told = name_suspects(Decision(stranger, "firing", "it rose"), registry(), []).incident.suspected_change
    assert told is not None
    assert told["prompt"] is None
