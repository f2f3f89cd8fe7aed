"""Programs that tests drive. A missing one is a loud skip on a desk, and a failure in CI."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNPACKED = ROOT / ".tools" / "usr" / "bin"

# Distributions call some programs by other names.
NAMES = {
    "alertmanager": ("prometheus-alertmanager", "alertmanager"),
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
}


def in_ci() -> bool:
    """Say whether a missing tool is a failure."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false", "no")


def find(tool: str) -> Path | None:
    """Look a program up in .tools, where ``scripts/ensure-tools`` unpacks, and then in PATH."""
    for name in NAMES.get(tool, (tool,)):
        found = shutil.which(name, path=UNPACKED) or shutil.which(name)
        if found:
            return Path(found)
    return None


def need(tool: str) -> Path:
    """Return the program's path, or end the test: skipped on a desk, failed in CI."""
    found = find(tool)
    if found is None:
        missing(tool, "run scripts/ensure-tools, or put it into PATH")
    return found


def missing(tool: str, remedy: str) -> NoReturn:
    """End the test because ``tool`` is not here."""
    message = f"NO {tool.upper()} HERE: {remedy}"
    if in_ci():
        pytest.fail(f"{message}. In CI every tool must be there.", pytrace=False)
    pytest.skip(message)
