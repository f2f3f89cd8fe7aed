"""The command line itself: its version, and how fast it can say anything at all."""

from __future__ import annotations

import gc
import io
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import structlog
from typer.testing import CliRunner

from monitor import __version__
from monitor.cli import app
from monitor.cli.output import print_table
from monitor.cli.registry import COMMANDS
from monitor.core import log
from monitor.web.serve import settle_memory

IDENTITY = "299dfb48-2d65-5dd3-aafa-eb44bcdf8d6c"
HEAVY = ("evidently", "pandas", "dask", "onnxruntime", "presidio_analyzer", "sqlglot", "wordllama")


def test_it_tells_its_version() -> None:
    told = CliRunner().invoke(app, ["--version"])
    assert (told.exit_code, told.output) == (0, f"driftd {__version__}\n")


def test_the_help_has_one_line_for_each_command() -> None:
    lines = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80"}).output.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in lines] == list(COMMANDS)
    assert max(map(len, lines)) <= 80


def test_what_is_heavy_is_imported_where_it_is_used_only() -> None:
    code = f"import sys, monitor.cli, monitor.cli.run as _; print(*sorted({set(HEAVY)!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=240)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize(("status", "code"), [(200, 0), (204, 0), (302, 1), (503, 1)])
def test_health_exits_as_the_daemon_answers(status: int, code: int) -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        done = CliRunner().invoke(app, ["health", "--listen", f"127.0.0.1:{server.server_port}"])
        thread.join()
    said = f"127.0.0.1:{server.server_port} answers with status {status}\n" if code else ""
    assert (done.exit_code, done.output) == (code, said)


@pytest.mark.parametrize("listen", ["127.0.0.1:1", "127.0.0.1:port"])
def test_health_says_where_nothing_answers(listen: str) -> None:
    done = CliRunner().invoke(app, ["health", "--listen", listen])
    assert done.exit_code == 1
    assert done.stderr.startswith(f"no answer from {listen}: ")


def test_logs_go_to_the_standard_error_of_the_moment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("sys.stderr", io.StringIO())
        log.set_up(pretty=False)
        sys.stderr.close()
    structlog.get_logger("test").info("heard")
    assert '"event": "heard"' in capsys.readouterr().err


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """Return a function that prints a table and returns its lines."""

    def lines_of(heads: Sequence[str], *rows: Sequence[object]) -> list[str]:
        print_table(heads, rows, "")
        return capsys.readouterr().out.splitlines()

    return lines_of


def test_a_sentence_is_wrapped_within_its_column(
    printed: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = ["shop", "the source has not answered for an hour"]
    assert printed(("monitor", "detail"), row)[1] == "shop     the source has not answered for an hour"
    monkeypatch.setenv("COLUMNS", "34")
    lines = ["monitor  detail", "shop     the source has not", "         answered for an hour"]
    assert printed(("monitor", "detail"), row) == lines


def test_what_does_not_fit_is_printed_below_its_row(
    printed: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    heads = ("id", "state", "monitor", "segment", "opened_at", "reason")
    opened = datetime(2026, 11, 29, 18, 2, tzinfo=UTC)
    row = [IDENTITY, "firing", "checkout", None, opened, f"the error rate {'rose ' * 30}by 1.5 %"]
    monkeypatch.delenv("COLUMNS", raising=False)
    lines = printed(heads, row)
    assert lines[:2] == [
        f"id{' ' * 36}state   monitor   segment",
        f"{IDENTITY}  firing  checkout  -",
    ]
    assert lines[2:4] == ["    opened_at 2026-11-29 18:02:00", f"    the error rate {'rose ' * 12}".rstrip()]
    assert max(map(len, lines)) <= 80
    assert " ".join(" ".join(lines[3:]).split()) == row[-1]
    monkeypatch.setenv("COLUMNS", "400")
    assert printed(heads, row)[1].endswith(f"-        2026-11-29 18:02:00  {row[-1]}")


@pytest.mark.parametrize("width", ["20", "80", "200"])
def test_a_value_without_spaces_is_never_cut(
    width: str, printed: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    name = "x" * 120
    assert name in " ".join(printed(("column", "type", "why"), [name, "text", "is the id"]))


def test_what_was_loaded_is_no_longer_looked_through_by_garbage_collection() -> None:
    gc.unfreeze()
    try:
        settle_memory()
        assert gc.get_freeze_count() > 10_000
    finally:
        gc.unfreeze()
