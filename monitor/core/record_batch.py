"""RecordBatch: what sources give and aggregates are made of."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

import numpy as np

from detectors.records import Column, row_count, take, unseen


class RecordBatch(Mapping[str, Column]):
    """Records as columns of the same length.

    A column is known by its role (``timestamp``, ``model_version``, ``question`` …) where the configuration gives it
    one, else by its own name. As a mapping, a batch is what the signals and detectors take.

    Parameters
    ----------
    columns
        By role or name; not copied.

    Examples
    --------
    >>> batch = RecordBatch({"timestamp": Column.floats(np.array([1.0, 2.0])), "plan": Column.of(["a", None])})
    >>> batch.rows, batch.times.tolist(), list(batch.select(["plan", "price"]))
    (2, [1.0, 2.0], ['plan'])
    """

    __slots__ = ("_columns",)

    def __init__(self, columns: Mapping[str, Column]) -> None:
        self._columns = columns if isinstance(columns, dict) else dict(columns)

    def __getitem__(self, name: str) -> Column:
        """Return a column."""
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the columns."""
        return iter(self._columns)

    def __len__(self) -> int:
        """Return the number of columns."""
        return len(self._columns)

    def __contains__(self, name: object) -> bool:
        """Return whether there is a column."""
        return name in self._columns

    @property
    def rows(self) -> int:
        """Number of records."""
        return row_count(self._columns)

    @property
    def times(self) -> np.ndarray:
        """When each record was logged, float64 seconds since 1970, UTC."""
        return self._columns["timestamp"].values

    def take(self, rows: np.ndarray) -> RecordBatch:
        """Return some of the records, by a boolean mask or by positions."""
        return RecordBatch(take(self._columns, rows))

    def select(self, names: Iterable[str]) -> RecordBatch:
        """Return some of the columns, in the order of the names; those that are not there are left out."""
        return RecordBatch({name: self._columns[name] for name in names if name in self._columns})

    def without(self, names: Collection[str]) -> RecordBatch:
        """Return all columns but some."""
        return self.select([name for name in self._columns if name not in names])

    def with_columns(self, columns: Mapping[str, Column]) -> RecordBatch:
        """Return the same records with more columns; of two with one name the new one counts."""
        return RecordBatch({**self._columns, **columns})

    def unseen(self, ids: set[object]) -> RecordBatch:
        """Leave out records whose ``id`` is among those, and add the others' to them; see :func:`records.unseen`."""
        records = unseen(self._columns, ids)
        return self if records is self._columns else RecordBatch(records)
