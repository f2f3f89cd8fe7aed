"""The tutorial, walked through: its files are written, its commands are run, and what it shows is what they print."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import prefork
from tests.support.process import eventually, free_port, running

pytestmark = pytest.mark.xdist_group("waiting")  # one after the other, beside tests that compute

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
BLOCK = re.compile(r"(?:<!-- (?P<order>\w+)(?:: (?P<name>\S+))? -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL)
RANGE = re.compile(r"baseline: \{from: .*\}")


@dataclass(frozen=True)
class Block:
    """A fenced block with the comment before it: ``file: NAME``, ``run``, ``start: NAME`` or ``shows: NAME``."""

    order: str
    name: str
    kind: str
    text: str


def blocks(text: str) -> Iterator[Block]:
    """Yield the blocks; a text without a comment is what the block before it shows."""
    before = Block("", "", "", "")
    for match in BLOCK.finditer(text):
        order, name = match["order"] or "", match["name"] or ""
        if not order and match["kind"] == "text":
            order, name = "shows", before.name
        before = Block(order, name, match["kind"], match["text"])
        yield before


def masked(line: str) -> str:
    """Take out of a line what differs from run to run: ids, numbers, and the widths of columns."""
    without_ids = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", line)
    return " ".join(re.sub(r"\d[\d.,:]*(e-?\d+)?", "0", without_ids).split())


def shows(expected: str, printed: str) -> bool:
    """Say whether lines were printed in this order; `…` stands for any text, alone in a line for any lines."""
    parts = [re.escape(masked(line)).replace("…", "[^\n]*") for line in expected.strip().splitlines()]
    pattern = "\n".join(".*" if part == "[^\n]*" else part for part in parts)
    return re.search(pattern, "\n".join(map(masked, printed.splitlines())), re.DOTALL) is not None


def test_what_is_shown_is_compared() -> None:
    assert shows("a 1\n…\nb: 2.5 of …", "a  7\nmore\nlines\nb: 3e-05 of x\nend")
    assert not shows("a 1\nb 2", "a 1\nmore\nb 2")
    assert not shows("a 1", "b 1")


@pytest.mark.timeout(900)
def test_the_tutorial_ends_with_an_alert(tmp_path: Path) -> None:
    receiver, page = free_port(), free_port()
    text = PAGE.read_text(encoding="utf-8").replace("8900", str(receiver))
    programs = tmp_path / "bin"
    programs.mkdir()
    environment = {**prefork.install(programs), "LANG": "C.UTF-8"}
    environment.pop("DRIFTD_CONFIG", None)
    printed, trusted = "", ""
    with ExitStack() as stack:
        for block in blocks(text):
            log = tmp_path / f"{block.name}.log"
            if block.order == "file":
                content = RANGE.sub(trusted, block.text) if trusted else block.text
                listen = f"server: {{listen: 127.0.0.1:{page}}}\n" if block.kind == "yaml" else ""
                (tmp_path / block.name).write_text(content + listen, encoding="utf-8")
            elif block.order == "run":
                done = subprocess.run(
                    ["sh", "-c", block.text], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
                )
                assert done.stderr == ""
                printed = done.stdout
                if found := RANGE.search(printed):
                    trusted = trusted or found.group()
            elif block.order == "start":
                stack.enter_context(running(block.text.split(), log=log, env=environment, cwd=tmp_path))
            elif block.order == "shows" and not block.name:
                assert shows(block.text, printed), printed
            elif block.order == "shows":
                eventually(lambda log=log, block=block: shows(block.text, log.read_text()), 300, log.name)  # type: ignore[misc]
        alert = (tmp_path / "receiver.log").read_text()
        assert "distance_km" in alert
