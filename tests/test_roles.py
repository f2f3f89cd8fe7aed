"""Traffic that is not served changes nothing that driftd finds, decides or sends about served traffic."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.replay.compare import differences
from benchmarks.roles import measure

BUCKETS = 24


@pytest.mark.nightly
def test_other_traffic_changes_nothing_by_a_byte(tmp_path: Path) -> None:
    found, share = measure(tmp_path / "run", BUCKETS, seed=0)
    assert share > 0.1
    assert all(one.rows for one in found)
    assert [str(one) for one in found if one.total] == []


def test_a_changed_byte_is_a_difference() -> None:
    old, new = ({("bot", "a"): {"payload": text}} for text in ('{"rows": 53}', '{"rows": 56}'))
    assert differences("actions", old, new).changed == 1
