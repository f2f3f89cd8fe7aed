"""Columns that do not vary: measured, calibrated and replayed without a numerical warning on the terminal."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
import yaml

from detectors import DETECTORS, Column, Criterion, Profile, assess, learn_numeric
from detectors.null_distribution import CalibratedNull, learn_null
from tests.support.world import DRIFTD

START = datetime(2026, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
COLUMNS = {
    "zero": "REAL",
    "five": "REAL",
    "huge": "REAL",
    "flag": "REAL",
    "hit": "REAL",
    "rare": "REAL",
    "empty": "REAL",
    "same": "TEXT",
    "late": "REAL",
    "tail": "REAL",
}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Three days of columns that hold one value, nearly one value, or none; the last hours are another matter."""
    rng = np.random.default_rng(0)
    url = f"sqlite:///{tmp_path / 'log.db'}"
    engine = sa.create_engine(url)
    rows = []
    for n in range(3 * 24 * 40):
        at = START + n * HOUR / 40
        last = at >= START + 71 * HOUR
        rows.append(
            {
                "at": at.strftime("%Y-%m-%d %H:%M:%S.%f"),
                "zero": float(last and n % 40 == 0),
                "five": 5.0 + last,
                "huge": 1e300,
                "flag": float(rng.random() < 0.5),
                "hit": float(n == 500),
                "rare": float(rng.random() < 1e-3),
                "empty": None,
                "same": "yes",
                "late": 1.0 if n > 800 else None,
                "tail": float(rng.standard_cauchy()),
            }
        )
    with engine.begin() as connection:
        kinds = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        connection.execute(sa.text(f"CREATE TABLE log (at TEXT, {kinds})"))
        names = ["at", *COLUMNS]
        connection.execute(sa.text(f"INSERT INTO log VALUES ({', '.join(f':{name}' for name in names)})"), rows)
    monitor = {
        "name": "calm",
        "source": {"url": url, "table": "log", "columns": {"timestamp": "at"}},
        "bucket": "30m",
        "window": "3h",
        "settle": "0s",
        "min_samples": 50,
        "segments": ["same"],
        "baseline": {"from": START.isoformat(), "to": (START + 48 * HOUR).isoformat()},
        "features": list(COLUMNS),
        "checks": [
            "quality",
            {
                "drift": {
                    "method": [
                        "kolmogorov_smirnov",
                        "rank",
                        "spread",
                        "mean",
                        "quantile",
                        "wasserstein",
                        "psi",
                        "jensen_shannon",
                        "chi_square",
                        "hellinger",
                        "energy",
                        "anderson_darling",
                        "share",
                        "cusum",
                        "correlation",
                        "mmd",
                    ]
                }
            },
        ],
    }
    path = tmp_path / "driftd.yaml"
    path.write_text(yaml.safe_dump({"store": f"sqlite:///{tmp_path / 'driftd.db'}", "monitors": [monitor]}))
    yield tmp_path
    engine.dispose()


@pytest.mark.parametrize(
    "words",
    [
        ["check", "--at", (START + 72 * HOUR).isoformat()],
        ["backtest", "--from", (START + 48 * HOUR).isoformat(), "--to", (START + 72 * HOUR).isoformat()],
    ],
)
def test_no_numerical_warning_reaches_the_terminal(folder: Path, words: list[str]) -> None:
    environment = {**os.environ, "PYTHONWARNINGS": "always::RuntimeWarning"}
    done = subprocess.run(
        [str(DRIFTD), *words, "--config", str(folder / "driftd.yaml")],
        cwd=folder,
        env=environment,
        timeout=300,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    assert "Warning" not in done.stderr
    assert "Warning" not in done.stdout


def sides(values: np.ndarray, seen: np.ndarray) -> tuple[Profile, Profile]:
    layout = learn_numeric(values, values.min(), values.max())
    return Profile.of(Column.floats(values), layout), Profile.of(Column.floats(seen), layout)


@pytest.mark.parametrize("name", [name for name, one in DETECTORS.items() if "numeric" in one.kinds])
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_constant_is_measured_against_every_kind_of_window_without_a_warning(name: str) -> None:
    """The null is learnt from windows of the constant itself, so it has neither noise nor wander."""
    detector = DETECTORS[name]
    for value in (0.0, 5.0, -1e-300, 1e300):
        constant = np.full(5000, value)
        quiet = detector.measure(*sides(constant, constant[:400]))
        null = learn_null(np.full(60, quiet.statistic), np.full(60, quiet.noise), 12.0)
        assert null is not None
        others = (constant[:0], constant[:1], constant[:400], np.append(constant[:399], 1.0), np.full(400, 1.0))
        steps = [np.append(constant[:399], value + away * (abs(value) or 1.0)) for away in 10.0 ** np.arange(-16, 7, 2)]
        for seen in (*others, *steps):
            old, new = sides(constant, seen)
            for limit in (0.5, 5.0, 50.0, 5000.0):
                found = assess(
                    detector,
                    old,
                    new,
                    column="x",
                    criterion=Criterion(calibrated=CalibratedNull(null, limit), min_samples=1),
                )
                assert found.p_value is None or 0 <= found.p_value <= 1
                assert found.threshold is None or found.threshold >= 0
