"""The log makes nobody wait: a pipe that is not read, one that is closed, and what is said of the lost lines."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog

from monitor.core import log
from tests.support.process import eventually

LOG = structlog.get_logger("test")
F_SETPIPE_SZ = 1031


@contextmanager
def pipe_for_errors(monkeypatch: pytest.MonkeyPatch, most: int = 5) -> Iterator[int]:
    """Lend the end of a pipe of 4 KiB; the other is standard error, through a buffer of a few lines."""
    import fcntl

    reader, writer = os.pipe()
    fcntl.fcntl(writer, F_SETPIPE_SZ, 4096)
    monkeypatch.setattr(log, "Buffer", lambda descriptor: REAL(descriptor, most))
    monkeypatch.setattr(sys, "stderr", os.fdopen(os.dup(writer), "w"))
    log.set_up("info")
    os.close(writer)
    with sys.stderr, log.buffer_stderr():
        yield reader


REAL = log.Buffer


def read_lines(reader: int, until: str) -> list[dict[str, Any]]:
    """Read lines until one tells of an event."""
    text = ""
    while f'"{until}"' not in text or not text.endswith("\n"):
        text += os.read(reader, 65536).decode()
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def test_lines_arrive_whole_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    with pipe_for_errors(monkeypatch, 1000) as reader:
        for number in range(500):
            LOG.info("counted", number=number)
        LOG.info("end")
        lines = read_lines(reader, "end")
        assert [line["number"] for line in lines[:-1]] == list(range(500))
        os.close(reader)


def test_a_pipe_that_nobody_reads_makes_nobody_wait_and_the_loss_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pipe_for_errors(monkeypatch) as reader:
        os.write(sys.stderr.fileno(), b" " * 4095 + b"\n")  # the pipe is full
        for number in range(2000):
            LOG.info("counted", number=number)
        logging.getLogger("elsewhere").warning("of a library")
        dropped = log.count_dropped()
        assert dropped > 1000
        lines = read_lines(reader, "log_lines_dropped")
        told = [line for line in lines if line["event"] == "log_lines_dropped"]
        numbers = [line["number"] for line in lines if line["event"] == "counted"]
        assert [line["count"] for line in told] == [dropped]
        assert numbers[:5] == [0, 1, 2, 3, 4]  # the oldest were kept
        LOG.info("end")
        assert [line["event"] for line in read_lines(reader, "end")] == ["end"]
        os.close(reader)


def test_what_lasts_is_logged_once_and_then_with_the_number_of_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, for example, fails a turn every second, each time with a traceback."""
    seconds = [0.0]
    monkeypatch.setattr(log.RepeatFilter.__init__, "__defaults__", (lambda: seconds[0],))
    with pipe_for_errors(monkeypatch, 1000) as reader:
        for turn in range(700):
            seconds[0] = float(turn)
            for error in (OSError("disk full"), OSError("disk full"), ValueError() if turn == 5 else None):
                try:
                    if error:
                        raise error
                except (OSError, ValueError):
                    LOG.exception("turn_failed", monitor="shop", number=turn)
            LOG.warning("turn_failed", monitor="other")
            LOG.warning("reload_failed")
        LOG.info("end")
        lines = read_lines(reader, "end")
        os.close(reader)
    turns = [line for line in lines if line["event"] == "turn_failed"]
    assert [(line["monitor"], line.get("number"), line.get("repeated")) for line in turns] == [
        ("shop", 0, None),
        ("other", None, None),
        ("shop", 5, None),
        ("shop", 600, 1199),
        ("other", None, 599),
    ]
    assert [line["exception"].splitlines()[-1] for line in turns if "exception" in line] == [
        "OSError: disk full",
        "ValueError",
        "OSError: disk full",
    ]
    assert sum(line["event"] == "reload_failed" for line in lines) == 700


def test_the_filter_forgets_what_was_longest_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "MOST_KEPT", 2)
    repeats = log.RepeatFilter(lambda: 0.0)
    assert [repeats.count({"event": name}) for name in "aababca"] == [0, None, 0, None, None, 0, 0]


def test_a_closed_pipe_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    with pipe_for_errors(monkeypatch) as reader:
        os.close(reader)
        LOG.info("nobody reads this")
        eventually(lambda: log.count_dropped() == 1, 60, "the line to be dropped")
        LOG.info("nor this")
        eventually(lambda: log.count_dropped() == 2, 60, "the line to be dropped")  # and no line about it


def test_the_end_of_the_process_waits_for_the_log_only_so_long(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    buffer = log.Buffer(writer)
    buffer.write("x" * 1_000_000 + "\n")
    buffer.drain(0.1)  # nobody reads
    assert len(os.read(reader, 10)) == 10
    os.close(reader)
    with (tmp_path / "log").open("w") as file:
        buffer = log.Buffer(file.fileno())
        buffer.write("one\n")
        buffer.write("two\n")
        buffer.drain(30)
    assert (tmp_path / "log").read_text() == "one\ntwo\n"


def test_a_traceback_quotes_no_personal_data_and_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    values = ("jane.roe@example.com", "ghp_" + "a1B2c3D4e5" * 3 + "f6G7h8")
    with pipe_for_errors(monkeypatch) as reader:
        try:
            float(" ".join(values))
        except ValueError:
            LOG.exception("failed")
        (line,) = read_lines(reader, "failed")
        os.close(reader)
    assert "could not convert string to float: '[EMAIL_ADDRESS] [GITHUB_TOKEN]'" in line["exception"]
    assert not [value for value in values if value in line["exception"]]
