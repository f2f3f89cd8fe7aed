"""Registry: named objects that are imported on first use."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping, MutableMapping
from functools import cache
from pkgutil import resolve_name
from typing import TypeVar, cast

T_co = TypeVar("T_co", covariant=True)
_import = cache(resolve_name)


class Registry(Mapping[str, T_co]):
    """Mapping of names to objects whose modules are imported on first use.

    Listing, counting and testing names imports nothing. Looking up a name imports the module of its entry.

    Parameters
    ----------
    entries
        Name to ``module:attribute``. If the attribute is a mapping, the object is its value for the name, so that one
        module can define several entries.

    Examples
    --------
    >>> registry = Registry({"psi": "detectors.drift.psi:DETECTOR", "p95": "detectors.quality.percentile:TARGETS"})
    >>> list(registry), "psi" in registry
    (['psi', 'p95'], True)
    >>> registry["psi"].unit, registry["p95"].title
    ('1', 'p95')
    >>> list(registry | Registry({"missing": "detectors.quality.missing:DETECTOR"}))
    ['psi', 'p95', 'missing']
    """

    def __init__(self, entries: MutableMapping[str, str]) -> None:
        self.entries = entries

    def __getitem__(self, name: str) -> T_co:
        """Import the module of an entry and return its object."""
        target = _import(self.entries[name])
        return cast("T_co", target[name] if isinstance(target, Mapping) else target)

    def __contains__(self, name: object) -> bool:
        """Return whether the name exists, without importing its module."""
        return name in self.entries

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names in the order in which they were registered."""
        return iter(self.entries)

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self.entries)

    def __or__(self, other: Registry[T_co]) -> Registry[T_co]:
        """Return a view of the entries of both; entries of ``other`` take precedence."""
        return Registry(ChainMap(other.entries, self.entries))
