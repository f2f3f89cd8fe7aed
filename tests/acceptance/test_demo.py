"""The demo tells its story: the model that was swapped is found, named, and undone."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support import prefork
from tests.support.process import free_port


def test_the_demo_finds_the_swapped_model(tmp_path: Path) -> None:
    command = ["demo", "--no-serve", "--json"]
    place = ["--folder", str(tmp_path), "--listen", f"127.0.0.1:{free_port()}"]
    done = prefork.run([*command, *place], timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    assert told["incidents"] == 1
    assert "rate.hallucinated" in told["incident"]["checks"]
    assert told["incident"]["suspected_change"]["value"] == "doha"
    assert told["incident"]["opened_at"] >= told["swapped_at"][:16]
    assert not told["rollback"]["delivered"] or told["rollback"]["target"]["model_version"] == "ctrl"
    assert "Traceback" not in done.stderr
