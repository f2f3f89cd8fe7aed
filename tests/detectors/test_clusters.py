"""Sketches of clients: they add up, measure concentration, and leave busy and quiet hours alone."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.clusters import count_clients, inflation, spread, typical
from detectors.records import Column


def ids_of(clients: int, rows: int, seed: int = 0) -> list[str]:
    return [f"user {client}" for client in np.random.default_rng(seed).integers(clients, size=rows)]


def sketch_of(ids: list[str | None]) -> np.ndarray:
    return count_clients(Column.of(ids))


USUAL = typical(np.stack([sketch_of(ids_of(350, 1400, seed)) for seed in range(20)]))


def test_sketches_of_parts_add_up_to_that_of_the_whole() -> None:
    ids = [*ids_of(40, 500), None, None]
    assert (sketch_of(ids) == sketch_of(ids[:123]) + sketch_of(ids[123:])).all()


@pytest.mark.parametrize("shares", [[1.0], [0.7, 0.3], [0.1] * 10, [1 / 300] * 300, [0.5, *[0.001] * 500]])
def test_size_and_number_of_clients_are_close(shares: list[float]) -> None:
    rows = [round(3000 * share) for share in shares]
    size, clients = spread(sketch_of([f"c{i}" for i, count in enumerate(rows) for _ in range(count)]))
    truth = sum(count**2 for count in rows) / sum(rows)
    assert float(size) == pytest.approx(truth, rel=0.3)
    assert float(clients) == pytest.approx(sum(rows) / truth, rel=0.4)


def test_rows_without_an_id_are_clients_of_their_own() -> None:
    size, clients = spread(sketch_of(["a"] * 10 + [None] * 90))
    assert float(size) == pytest.approx((10**2 + 90) / 100)
    assert float(clients) == pytest.approx(100**2 / (10**2 + 90))


def test_one_client_that_sends_most_rows_makes_a_window_as_noisy_as_a_few_rows() -> None:
    sketch = sketch_of(["robot"] * 1000 + ids_of(350, 400))
    effective = 1400 / float(inflation(sketch, USUAL)) ** 2
    assert 4 < effective < 16


def test_a_burst_of_one_client_on_top_of_the_usual_rows_tells_no_more_for_being_long() -> None:
    for rows in (5000, 50_000):
        sketch = sketch_of(["robot"] * rows + ids_of(350, 1400))
        assert 3 < (rows + 1400) / float(inflation(sketch, USUAL)) ** 2 < 10


@pytest.mark.parametrize(("clients", "rows"), [(350, 14_000), (350, 5_600), (3500, 14_000), (60, 240), (350, 1400)])
def test_a_busy_or_a_quiet_hour_is_not_noisier_than_its_rows(clients: int, rows: int) -> None:
    assert float(inflation(sketch_of(ids_of(clients, rows, seed=5)), USUAL)) < 1.15


def test_a_steady_large_client_is_what_the_baseline_knows() -> None:
    usual = typical(np.stack([sketch_of(["robot"] * 1000 + ids_of(350, 400, seed)) for seed in range(9)]))
    assert float(inflation(sketch_of(["robot"] * 1020 + ids_of(350, 380, 50)), usual)) < 1.05


def test_a_baseline_that_hardly_has_ids_says_nothing() -> None:
    rarely = typical(np.stack([sketch_of(["a"] * 40 + [None] * 60)]))
    assert rarely is None
    assert float(inflation(sketch_of(["a"] * 100), rarely)) == 1
    assert typical(np.zeros((3, 129), dtype=np.int64)) is None
    assert float(inflation(np.zeros(129, dtype=np.int64), USUAL)) == 1
