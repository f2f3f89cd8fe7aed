"""RecordBatch: a columnar batch of records, as sources yield them and aggregates consume them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

import numpy as np

from detectors.records import Column, row_count, take, unseen


class RecordBatch(Mapping[str, Column]):
    """Records as columns of the same length.

    A column is named by its role (``timestamp``, ``model_version``, ``question`` …) if the configuration assigns one,
    else by its name in the source. Signals and detectors accept a batch as a mapping of columns.

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
        """Return the records selected by a boolean mask or by positions."""
        return RecordBatch(take(self._columns, rows))

    def select(self, names: Iterable[str]) -> RecordBatch:
        """Return the named columns in the given order; names without a column are ignored."""
        return RecordBatch({name: self._columns[name] for name in names if name in self._columns})

    def without(self, names: Collection[str]) -> RecordBatch:
        """Return all columns except the named ones."""
        return self.select([name for name in self._columns if name not in names])

    def with_columns(self, columns: Mapping[str, Column]) -> RecordBatch:
        """Return the records with additional columns, which replace columns of the same name."""
        return RecordBatch({**self._columns, **columns})

    def unseen(self, ids: set[object]) -> RecordBatch:
        """Drop records whose ``id`` is in ``ids``, and add the remaining ids to it; see :func:`records.unseen`."""
        records = unseen(self._columns, ids)
        return self if records is self._columns else RecordBatch(records)
