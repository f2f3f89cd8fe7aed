"""Parameters of which `make test` takes some and `make nightly` the others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def nightly_except(values: Iterable[Any], *fast: Any) -> list[Any]:
    """Return all values of a parameter; those that are not among the fast ones run in `make nightly` only."""
    return [value if value in fast else nightly(value) for value in values]


def nightly(value: Any) -> Any:
    """Return a parameter that runs in `make nightly` only; a tuple is several parameters."""
    parts = value if isinstance(value, tuple) else (value,)
    return pytest.param(*parts, marks=pytest.mark.nightly)


ON_POSTGRESQL_NIGHTLY = pytest.mark.parametrize("migrated_url", ["sqlite", nightly("postgresql")], indirect=True)
"""Marks a test whose behaviour hardly depends on the store: on PostgreSQL it runs in `make nightly` only."""
