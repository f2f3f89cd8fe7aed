"""The bill of materials, the licences, and the audit of locked packages."""

from __future__ import annotations

import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.version import Version

from scripts import audit, sbom
from scripts.audit import is_within
from scripts.check_locks import read
from tests.support.tools import ROOT

NOW = datetime(2026, 11, 30, tzinfo=UTC)
LOCKED = read(ROOT / "requirements.lock", [])
UVICORN = next(iter(LOCKED["uvicorn"]))


@pytest.fixture
def bom(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1793491200")
    assert sbom.main([]) == 0
    return dict(json.loads(capsys.readouterr().out))


def test_the_bill_of_materials_meets_the_published_schema(bom: dict[str, Any]) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(json.dumps(bom)) is None
    assert validator.validate_str(json.dumps({**bom, "component": []})) is not None, "the schema refuses something"


def test_it_has_every_locked_package_with_its_hashes_and_nothing_else(bom: dict[str, Any]) -> None:
    listed = {(one["name"], one["version"]) for one in bom["components"] if one["purl"].startswith("pkg:pypi/")}
    assert listed == {(name, version) for name, versions in LOCKED.items() for version in versions}
    hashes = {
        one["value"] for part in bom["components"] for one in part.get("properties", []) if "sha256" in one["name"]
    }
    text = (ROOT / "requirements.lock").read_text()
    assert len(hashes) > 500
    assert all(f"sha256:{one}" in text for one in hashes)
    assert {one["name"] for one in bom["components"] if one["purl"].startswith("pkg:npm/")} == {"htmx.org", "uplot"}
    assert bom["metadata"]["timestamp"] == "2026-11-01T00:00:00+00:00"


def test_its_dependencies_are_those_of_the_packages(bom: dict[str, Any]) -> None:
    edges = {one["ref"].rpartition("@")[0]: one["dependsOn"] for one in bom["dependencies"]}
    direct = {ref.rpartition("@")[0].removeprefix("pkg:pypi/") for ref in edges["pkg:pypi/driftd"]}
    assert {"uvicorn", "numpy", "opentelemetry-sdk"} <= direct
    assert "h11" not in direct
    assert any(ref.startswith("pkg:pypi/h11@") for ref in edges["pkg:pypi/uvicorn"])
    known = {one["bom-ref"] for one in bom["components"]}
    assert all(set(refs) <= known for refs in edges.values())


def test_it_is_the_same_each_time(bom: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert sbom.main([]) == 0
    assert json.loads(capsys.readouterr().out) == bom


def test_licences_are_those_of_the_metadata_and_what_is_not_known_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert sbom.main(["--licenses"]) == 0
    printed = capsys.readouterr()
    licences = {line.split()[0]: line[61:].strip() for line in printed.out.split("\n\n")[0].splitlines()}
    assert licences["psycopg"] == "LGPL-3.0-only"
    assert licences["pydantic"] == "MIT"
    assert licences["uplot"] == "MIT"
    assert len(licences) >= len(LOCKED)
    unknown = {name for name, licence in licences.items() if licence == "not known"}
    assert all(name in printed.err for name in unknown)
    assert len(unknown) < 10


def advisory(events: list[dict[str, str]] | None = None, **changes: Any) -> dict[str, Any]:
    affected = {
        "package": {"ecosystem": "PyPI", "name": "Uvicorn"},
        "ranges": [{"type": "ECOSYSTEM", "events": events or [{"introduced": "0"}, {"fixed": "9999"}]}],
    }
    made = {"id": "PYSEC-1", "aliases": ["CVE-1"], "modified": "2026-11-20T00:00:00Z", "summary": "It leaks."}
    return {**made, "affected": [affected], **changes}


def run(data: Path | None, *words: str) -> int:
    return audit.main([*(["--data", str(data)] if data else []), *words], NOW)


@pytest.mark.parametrize("form", ["file", "folder", "archive", "yaml"])
def test_a_vulnerability_is_found_in_each_form_of_a_copy(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, path = json.dumps(advisory()), tmp_path / "data"
    if form == "file":
        (path := tmp_path / "one.json").write_text(text)
    elif form == "archive":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("PYSEC-1.json", text)
            archive.writestr("GHSA-1.json", json.dumps(advisory(id="GHSA-1")))
    else:
        (path / "vulns/uvicorn").mkdir(parents=True)
        (path / "vulns/uvicorn" / f"PYSEC-1.{'json' if form == 'folder' else 'yaml'}").write_text(text)
    assert run(path) == 1
    lines = capsys.readouterr().out.splitlines()
    names = "GHSA-1 = CVE-1" if form == "archive" else "PYSEC-1 = CVE-1"
    assert lines[0] == f"uvicorn {UVICORN}: {names}: It leaks. (fixed in 9999)"
    assert lines[-1].endswith("advisories up to 2026-11-20: 1 known vulnerabilities")


@pytest.mark.parametrize(
    "changes",
    [
        {"events": [{"introduced": "0"}, {"fixed": "0.0.1"}]},
        {"events": [{"introduced": "9999"}]},
        {"withdrawn": "2026-11-21T00:00:00Z"},
        {"affected": [{"package": {"ecosystem": "npm", "name": "uvicorn"}, "versions": [UVICORN]}]},
        {"affected": [{"package": {"ecosystem": "PyPI", "name": "not-locked"}, "versions": [UVICORN]}]},
    ],
)
def test_what_does_not_concern_a_locked_version_is_no_problem(changes: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(json.dumps(advisory(**changes)))
    assert run(tmp_path) == 0


def test_a_listed_version_is_affected_without_a_range(tmp_path: Path) -> None:
    listed = [{"package": {"ecosystem": "PyPI", "name": "uvicorn"}, "versions": [UVICORN]}]
    (tmp_path / "one.json").write_text(json.dumps(advisory(affected=listed)))
    assert run(tmp_path) == 1


@pytest.mark.parametrize(
    ("version", "inside"),
    [("0.9", False), ("1.0", True), ("1.4", True), ("1.5", False), ("2.0", True), ("2.1", True), ("2.2", False)],
)
def test_ranges_begin_and_end_as_their_events_say(version: str, inside: bool) -> None:
    events = [{"introduced": "2.0"}, {"last_affected": "2.1"}, {"introduced": "1.0"}, {"fixed": "1.5"}]
    assert is_within(Version(version), events) is inside


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "name a copy of the advisories with --data"),
        ({}, "has no advisories"),
        ({"one.json": "[]"}, "is no advisory in the OSV format"),
        ({"one.json": json.dumps(advisory(modified="2026-01-01T00:00:00Z"))}, "the newest advisory is of 2026-01-01"),
    ],
)
def test_without_usable_data_nothing_is_known(
    content: dict[str, str] | None, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in (content or {}).items():
        (tmp_path / name).write_text(text)
    assert run(None if content is None else tmp_path) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("Nothing is known about vulnerabilities: ")
    assert reason in printed.err
    assert printed.out == ""
    assert run(tmp_path / "missing") == 2
