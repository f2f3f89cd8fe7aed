"""The house itself: its sizes, its locks, its container, its fixtures."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import create_engine, text

from monitor.config.load import load
from tests.support import prefork, tools
from tests.support.postgres import OwnServer, Server
from tests.support.tools import ROOT

SOURCES = sorted([*ROOT.glob("monitor/**/*.py"), *ROOT.glob("detectors/**/*.py")])

# The top of the repository that every part and every page of the documentation relies on.
PROMISED = (
    ".ci/run",
    ".dockerignore",
    ".gitignore",
    ".pre-commit-config.yaml",
    "Dockerfile",
    "LICENSE",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "dashboards/alerts.yml",
    "deploy/compose.yaml",
    "deploy/driftd.yaml",
    "deploy/prometheus.yml",
    "detectors/__init__.py",
    "detectors/base.py",
    "migrations",
    "monitor/cli/__init__.py",
    "monitor/daemon.py",
    "monitor/pipeline.py",
    "pyproject.toml",
    "requirements-build.lock",
    "requirements-dev.lock",
    "requirements.lock",
    "scripts/ensure-tools",
    "scripts/find-python",
)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# ---- the repository ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PROMISED)
def test_the_repository_has(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("path", [".ci/run", "scripts/ensure-tools", "scripts/find-python"])
def test_scripts_run_and_parse(path: str) -> None:
    assert os.access(ROOT / path, os.X_OK)
    shell = shlex.split((ROOT / path).read_text().splitlines()[0].removeprefix("#!"))[-1]
    subprocess.run([Path(shell).name, "-n", ROOT / path], check=True)


def test_make_names_every_target() -> None:
    said = subprocess.run(["make", "-C", ROOT, "help"], check=True, capture_output=True, text=True).stdout
    named = set(re.findall(r"^  make (\w+) +\S", said, flags=re.MULTILINE))
    assert named >= {"setup", "demo", "test", "check", "faults", "mutants", "bench", "docs", "lock", "clean"}


def test_modules_are_named_after_what_they_do() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert [name_of(path) for path in SOURCES if vague & {path.stem, *path.parent.parts}] == []


def test_no_cap_of_the_design_is_broken() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/check_design.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


# ---- dependencies --------------------------------------------------------------------------------


def test_locks_are_hashed_complete_and_without_addresses() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/check_locks.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for lock in ROOT.glob("requirements*.lock"):
        content = lock.read_text()
        assert content.count("--hash=sha256:") > 5
        assert not re.search(r"://|file:|/\w+/|index", content), lock.name


def test_lock_keeps_pandas_where_evidently_imports() -> None:
    versions = re.findall(r"^pandas(?:\[[a-z,]+\])?==(\d+)\.(\d+)", (ROOT / "requirements.lock").read_text(), re.M)
    assert versions
    assert all((int(major), int(minor)) < (3, 1) for major, minor in versions)


def test_every_dependency_has_a_reason() -> None:
    text_of = (ROOT / "pyproject.toml").read_text()
    project = tomllib.loads(text_of)
    extras = [line for lines in project["project"]["optional-dependencies"].values() for line in lines]
    groups = [line for lines in project["dependency-groups"].values() for line in lines]
    for requirement in [*project["project"]["dependencies"], *extras, *groups]:
        if not requirement.startswith("driftd["):
            assert re.search(rf'"{re.escape(requirement)}",\s+# \w', text_of), f"{requirement} has no reason"


# ---- the container -------------------------------------------------------------------------------


def instructions() -> list[list[tuple[str, str]]]:
    """Return the Dockerfile's instructions, stage by stage; what stands before the first FROM is stage 0."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    stages: list[list[tuple[str, str]]] = [[]]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            if word == "FROM":
                stages.append([])
            stages[-1].append((word, " ".join(rest.split())))
    return stages


def last_stage(word: str) -> list[str]:
    return [rest for found, rest in instructions()[-1] if found == word]


def test_container_is_built_in_stages_from_a_pinned_base() -> None:
    before, *stages = instructions()
    assert len(stages) >= 2
    (base,) = [rest for word, rest in before if word == "ARG"]
    assert re.fullmatch(r"PYTHON_IMAGE=python:3\.\d+-slim(@sha256:[0-9a-f]{64})?", base)
    assert all(stage[0][1].startswith("${PYTHON_IMAGE}") for stage in stages)
    assert [rest for rest in last_stage("COPY") if not rest.startswith("--from=build ")] == []


def test_container_installs_by_hash_only() -> None:
    for stage in instructions():
        assert "ADD" not in {word for word, _ in stage}
        for word, rest in stage:
            if word == "RUN":
                assert not re.search(r"\b(curl|wget|apt-get|apk|git)\b", rest)
                for command in rest.split("&&"):
                    if "pip install" in command and "dist/*.whl" not in command:
                        assert "--require-hashes" in command
                        assert "--no-deps" in command
    assert not any("pip install" in rest for rest in last_stage("RUN"))
    assert any("bin/pip*" in rest and "ensurepip" in rest for rest in last_stage("RUN"))


def test_container_runs_without_rights() -> None:
    (user,) = last_stage("USER")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    words = [word for word, _ in instructions()[-1]]
    assert "RUN" not in words[words.index("USER") :], "nothing is built after the rights are dropped"


def test_container_works_with_a_read_only_root() -> None:
    settings = dict(item.split("=", 1) for rest in last_stage("ENV") for item in shlex.split(rest))
    assert settings["PYTHONDONTWRITEBYTECODE"] == "1"
    assert settings["HOME"] == "/tmp"
    assert settings["DO_NOT_TRACK"] == "1"
    assert "PYTHONHASHSEED" not in settings
    assert [json.loads(rest) for rest in last_stage("VOLUME")] == [["/var/lib/driftd"]]
    assert any("--compile-bytecode" in rest for stage in instructions() for _, rest in stage)


def test_container_starts_ends_and_answers() -> None:
    assert json.loads(last_stage("ENTRYPOINT")[0]) == ["driftd"]
    assert json.loads(last_stage("CMD")[0]) == ["run"]
    assert last_stage("STOPSIGNAL") == ["SIGTERM"]
    assert last_stage("EXPOSE") == ["9478"]
    (health,) = last_stage("HEALTHCHECK")
    assert json.loads(health.partition(" CMD ")[2]) == ["driftd", "health"]
    assert last_stage("LABEL")


def test_container_holds_no_secret() -> None:
    for stage in instructions():
        for word, rest in stage:
            if word in ("ENV", "ARG"):
                assert not re.search(r"secret|token|password|passwd|api_?key|://", rest, re.I), rest
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    assert next(line for line in allowed if not line.startswith("#")) == "*", "an allow list, not a deny list"


def test_container_copies_what_the_wheel_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]
    copied = {part for stage in instructions() for word, rest in stage if word == "COPY" for part in rest.split()}
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    needed = {
        *wheel,
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "requirements.lock",
        "requirements-build.lock",
    }
    assert needed <= copied
    assert needed <= allowed


def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "deploy/compose.yaml").read_text()))


@pytest.mark.parametrize("service", ["driftd", "prometheus", "grafana"])
def test_compose_hardens(service: str) -> None:
    said = compose()["services"][service]
    assert said["read_only"] is True
    assert said["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in said["security_opt"]
    assert said["tmpfs"][0].startswith("/tmp:size=")
    assert said["mem_limit"]
    assert said["pids_limit"] <= 512
    assert not said.get("privileged")
    assert all(port.startswith("127.0.0.1:") for port in said["ports"])
    assert "image" in said
    assert not said["image"].endswith(":latest")


def test_compose_mounts_files_that_exist() -> None:
    for service in compose()["services"].values():
        for volume in service.get("volumes", []):
            origin = volume.split(":")[0]
            if origin.startswith("."):
                assert (ROOT / "deploy" / origin).exists(), origin
                assert volume.endswith(":ro")


def test_compose_configuration_is_valid(tmp_path: Path) -> None:
    (tmp_path / "driftd_token").write_text("t0ken\n")
    written = (ROOT / "deploy/driftd.yaml").read_text().replace("/run/secrets", str(tmp_path))
    (tmp_path / "driftd.yaml").write_text(written)
    config = load(tmp_path / "driftd.yaml", {"SOURCE_URL": "sqlite:///nothing.db"})
    assert config.server.token is not None
    assert config.server.token.get_secret_value() == "t0ken"
    assert config.server.listen.endswith(f":{last_stage('EXPOSE')[0]}")
    assert config.store.get_secret_value().startswith("sqlite:////var/lib/driftd/")


def test_prometheus_accepts_its_configuration(promtool: Path, tmp_path: Path) -> None:
    (tmp_path / "driftd_token").write_text("t0ken")
    written = (ROOT / "deploy/prometheus.yml").read_text()
    assert "driftd:9478" in written
    written = written.replace("/run/secrets", str(tmp_path)).replace("/etc/prometheus/driftd", str(ROOT / "dashboards"))
    (tmp_path / "prometheus.yml").write_text(written)
    done = subprocess.run(
        [promtool, "check", "config", tmp_path / "prometheus.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


# ---- the fixtures --------------------------------------------------------------------------------


def test_a_forked_command_is_what_the_program_is(tmp_path: Path) -> None:
    """It answers alike, in its own folder and environment, and it can be killed."""
    program = Path(sys.executable).with_name("driftd")
    for words in (["version"], ["config", "check", "--config", "none.yaml"]):
        done = subprocess.run([program, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
        forked = prefork.run(words, cwd=tmp_path)
        assert (forked.returncode, forked.stdout, forked.stderr) == (done.returncode, done.stdout, done.stderr)
    environment = {**os.environ, "DRIFTD_LOG_LEVEL": "loud"}
    assert "'loud'" in prefork.run(["version"], env=environment).stderr
    assert Path.cwd() != tmp_path
    with (tmp_path / "log").open("wb") as log:
        command = prefork.Command(["demo", "--folder", tmp_path], log, log)
        with pytest.raises(subprocess.TimeoutExpired):
            command.wait(0.01)
        command.kill()
        assert command.wait(30) == command.returncode == -signal.SIGKILL


def test_postgres_answers(postgres_url: str) -> None:
    engine = create_engine(postgres_url)
    try:
        with engine.connect() as connection:
            assert connection.execute(text("select 1")).scalar() == 1
            assert int(str(connection.execute(text("show server_version_num")).scalar())) >= 160000
            tables = connection.execute(text("select count(*) from pg_tables where schemaname = 'public'"))
            assert tables.scalar() == 0
    finally:
        engine.dispose()


def test_postgres_database_ends_with_its_test_even_when_someone_is_connected(postgres_server: Server) -> None:
    with postgres_server.database() as url:
        engine = create_engine(url)
        lingering = engine.connect()
        name = engine.url.database
        assert lingering.execute(text("select current_database()")).scalar() == name
    lingering.invalidate()
    engine.dispose()
    with postgres_server.connect() as connection:
        assert connection.execute("select 1 from pg_database where datname = %s", (name,)).fetchone() is None


def test_postgres_own_server_is_closed_to_others(postgres_server: Server) -> None:
    if not isinstance(postgres_server, OwnServer):
        pytest.skip("the server comes from DRIFTD_TEST_POSTGRES")
    assert stat.S_IMODE(postgres_server.folder.stat().st_mode) == 0o700
    assert postgres_server.url.host == "127.0.0.1"
    assert postgres_server.url.password


def test_store_url_comes_in_both_kinds(store_url: str, request: pytest.FixtureRequest) -> None:
    assert store_url.startswith(request.node.callspec.params["store_url"])


def test_missing_tool_skips_on_a_desk_and_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "")
    with pytest.raises(pytest.skip.Exception, match="NO SUCH-TOOL HERE"):
        tools.need("such-tool")
    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.fail.Exception, match="NO SUCH-TOOL HERE"):
        tools.need("such-tool")


@pytest.mark.xdist_group("scaffold")
def test_tests_of_a_group_are_assigned_to_one_worker(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("loadgroup", False):
        assert request.node.nodeid.endswith("@scaffold")
