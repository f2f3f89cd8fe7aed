"""Records as columns: the input of signals and profiles.

A :class:`Column` distinguishes *missing* (a database NULL) from *not a number*, which pandas does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Column:
    """Values of one column in the order of rows.

    Parameters
    ----------
    values
        Shape (rows,), either ``float64`` or ``object``; values of missing rows are arbitrary.
    missing
        Shape (rows,), bool: true where the database has NULL.
    """

    values: np.ndarray
    missing: np.ndarray

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.values)

    @classmethod
    def of(cls, values: Iterable[object]) -> Column:
        """Create a column from Python objects; None is missing.

        Examples
        --------
        >>> Column.of(["a", None]).missing.tolist()
        [False, True]
        """
        listed = list(values)
        data = np.empty(len(listed), dtype=object)
        data[:] = listed
        return cls(data, np.fromiter((value is None for value in listed), dtype=bool, count=len(listed)))

    @classmethod
    def floats(cls, values: np.ndarray, missing: np.ndarray | None = None) -> Column:
        """Create a numeric column; by default nothing is missing."""
        data = np.asarray(values, dtype=np.float64)
        return cls(data, np.zeros(len(data), dtype=bool) if missing is None else missing)

    def take(self, rows: np.ndarray) -> Column:
        """Select rows by a boolean mask or by indices."""
        return Column(self.values[rows], self.missing[rows])


Records = Mapping[str, Column]


def row_count(records: Records) -> int:
    """Return the number of rows of records whose columns are equally long."""
    return len(next(iter(records.values()))) if records else 0


def take(records: Records, rows: np.ndarray) -> dict[str, Column]:
    """Select the same rows of every column."""
    return {name: column.take(rows) for name, column in records.items()}


def concatenate(parts: Iterable[Records]) -> dict[str, Column]:
    """Concatenate pages of the same columns."""
    pages = list(parts)
    if len(pages) <= 1:
        return dict(pages[0]) if pages else {}
    return {
        name: Column(
            np.concatenate([page[name].values for page in pages]),
            np.concatenate([page[name].missing for page in pages]),
        )
        for name in pages[0]
    }


def unseen(page: Records, keys: set[object]) -> Records:
    """Remove records whose ``id`` is in ``keys``, and add the ids of the others; without an ``id``, keep all records.

    Examples
    --------
    >>> keys: set[object] = {1}
    >>> unseen({"id": Column.of([1, 2, 2, None])}, keys)["id"].values.tolist(), keys
    ([2, None], {1, 2})
    """
    ids = page.get("id")
    if ids is None:
        return page
    keep = np.ones(len(ids), dtype=bool)
    for row in np.flatnonzero(~ids.missing):
        key = ids.values[row]
        keep[row] = key not in keys
        keys.add(key)
    return page if keep.all() else take(page, keep)
