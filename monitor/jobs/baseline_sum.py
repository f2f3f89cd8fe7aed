"""The sum of a baseline takes long: one turn of its monitor requests it, a job computes it, a later turn stores it.

Until it is stored, the monitor goes on with the baseline that it has.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from monitor.checks.baseline import Baseline
from monitor.core.bounded import complete


@dataclass
class SumRequest:
    """What is to be computed, for which stored baseline, and what stores the result."""

    work: Callable[[], Baseline]
    standing: object
    store: Callable[[Baseline], None]
    result: Future[Baseline] = field(default_factory=Future)


class BaselineSum:
    """At most one sum of the baseline of one monitor."""

    def __init__(self) -> None:
        self._request: SumRequest | None = None

    @property
    def is_pending(self) -> bool:
        """Say whether a sum is requested that is not stored."""
        return self._request is not None

    def request(self, request: SumRequest) -> None:
        """Request a sum."""
        self._request = request

    def compute(self) -> bool:
        """Compute what is requested; says whether there was something to compute."""
        request = self._request
        if request is None or request.result.done():
            return False
        complete(request.result, request.work)
        return True

    def finish(self, standing: object) -> bool:
        """Store a sum that is ready and say so, unless the stored baseline is another by now: a replica was faster.

        Raises what the computation raised.
        """
        if self._request is None or not self._request.result.done():
            return False
        request, self._request = self._request, None
        summed = request.result.result()
        if standing == request.standing:
            request.store(summed)
        return True
