"""Sums of baselines in the background: a turn of the monitor requests one, a job computes it, a later turn stores it.

The monitor uses its previous baseline until the sum is stored.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from monitor.checks.baseline import Baseline
from monitor.core.bounded import complete


@dataclass
class SumRequest:
    """A sum to compute: the stored baseline, the computation, and the function that stores the result."""

    work: Callable[[], Baseline]
    standing: object
    store: Callable[[Baseline], None]
    result: Future[Baseline] = field(default_factory=Future)


class BaselineSum:
    """Holds at most one sum of the baseline of one monitor."""

    def __init__(self) -> None:
        self._request: SumRequest | None = None

    @property
    def is_pending(self) -> bool:
        """Return whether a requested sum is not stored yet."""
        return self._request is not None

    def request(self, request: SumRequest) -> None:
        """Request a sum."""
        self._request = request

    def compute(self) -> bool:
        """Compute the requested sum; return whether there was one."""
        request = self._request
        if request is None or request.result.done():
            return False
        complete(request.result, request.work)
        return True

    def finish(self, standing: object) -> bool:
        """Store a computed sum unless another replica has replaced the stored baseline; return whether it was stored.

        Raises what the computation raised.
        """
        if self._request is None or not self._request.result.done():
            return False
        request, self._request = self._request, None
        summed = request.result.result()
        if standing == request.standing:
            request.store(summed)
        return True
