"""/api/v1/breakers: answered from memory, so that a request does not depend on our database.

GET changes nothing and takes no probe. POST asks for permission to send a request, and takes a probe where probes are
counted per bucket. A share of requests as probes is drawn at random without bookkeeping, so an application that only
uses GET sends probes too, and its breaker can close again.

A thread reads all breakers once a second and replaces the snapshot. An answer has the time of its snapshot; if that is
too old, `on_unknown` determines the answer.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from detectors.binning import LONGEST_CATEGORY
from detectors.cost.breaker import Breaker, standing
from monitor.actions.breaker_values import budget_column, stored_value
from monitor.config.models import Config, Monitor
from monitor.config.money import BreakerSpec
from monitor.config.sections import nearest
from monitor.core.clock import Clock
from monitor.store import breakers
from monitor.store.database import Database

LOG = structlog.get_logger(__name__)
EVERY = timedelta(seconds=1)
BUCKETS_UNTIL_UNKNOWN = 3
MOST_COUNTED = 10_000


@dataclass(frozen=True)
class BreakerSnapshot:
    """The newest read of the breakers and its time."""

    read_at: datetime | None = None
    rows: Mapping[tuple[str, str], Breaker] = field(default_factory=dict)
    as_of: Mapping[str, datetime] = field(default_factory=dict)


class Board:
    """Keeps all breakers of a configuration in memory.

    Parameters
    ----------
    database, config, clock
        As for :func:`monitor.web.app.create_app`.
    """

    def __init__(
        self,
        database: Database,
        config: Config,
        clock: Clock,
        every: timedelta = EVERY,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._clock = clock
        self._every = every
        self._specs = {spec.name: (monitor, spec) for monitor in config.monitors for spec in monitor.breakers}
        self._snapshot = BreakerSnapshot()
        self._failing = False
        self._chance = chance
        self._claimed: dict[tuple[str, str], tuple[int, int]] = {}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Read once, then continue in a thread; without breakers nothing is read."""
        if not self._specs:
            return
        self.refresh()
        self._thread = threading.Thread(target=self._work, name="breakers", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop reading; a hanging read is left to its daemon thread."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(1)

    def _work(self) -> None:
        while not self._stopping.wait(self._every.total_seconds()):
            self.refresh()

    def refresh(self) -> None:
        """Read the breakers; on an error the previous snapshot remains."""
        at = self._clock.now()
        try:
            for monitor, spec in self._specs.values():
                if budget_column(monitor, spec):
                    monitor.hash_key()  # so that no request waits for the store
            with self._database.read() as connection:
                rows = breakers.rows(connection, list(self._specs))
        except Exception as error:  # noqa: BLE001  the thread must go on; the answers tell their age
            if not self._failing:
                LOG.warning("breakers_not_read", error=type(error).__name__)
            self._failing = True
            return
        self._failing = False
        standing_breakers = {(row.name, row.value): breakers.breaker_from(row) for row in rows}
        self._snapshot = BreakerSnapshot(at, standing_breakers, breakers.newest_bucket_ends(rows))

    async def one(self, request: Request) -> Response:
        """Answer whether a request is allowed; `?tenant=…` (the dimension of the budget) selects the value."""
        name = request.path_params["name"]
        if name not in self._specs:
            names = sorted(self._specs)
            return JSONResponse({"error": f"There is no breaker of that name.{nearest(name, names)}"}, 404)
        monitor, spec = self._specs[name]
        by = budget_column(monitor, spec)
        value = request.query_params.get(by) if by else ""
        if not value and by:
            return JSONResponse({"error": f"This breaker has a state per {by}; add `?{by}=…`."}, 400)
        claim = request.method == "POST"
        stored = stored_value(monitor, spec, (value or "")[:LONGEST_CATEGORY])
        return JSONResponse(self.answer(name, stored, claim=claim))

    async def all(self, _request: Request) -> Response:
        """Answer with the state of every breaker, and of each of its values that is not closed."""
        state = self._snapshot
        entries_of_breakers = []
        for name, (monitor, spec) in self._specs.items():
            by = budget_column(monitor, spec)
            values = [value for key, value in state.rows if key == name and (value or not by)] or ([] if by else [""])
            entries = [self.answer(name, value, peek=True) for value in values]
            open_entries = [entry for entry in entries if not by or entry["state"] != "closed"]
            entries_of_breakers.append({"breaker": name, "monitor": monitor.name, "by": by, "standing": open_entries})
        return JSONResponse({"breakers": entries_of_breakers})

    def answer(self, name: str, value: str, *, peek: bool = False, claim: bool = False) -> dict[str, Any]:
        """Return the answer for one value.

        Parameters
        ----------
        peek
            Only report the state: no request depends on the answer, so no probe is allowed.
        claim
            Take a probe where probes are counted.
        """
        monitor, spec = self._specs[name]
        snapshot, now = self._snapshot, self._clock.now()
        as_of = snapshot.as_of.get(name)
        stored = snapshot.rows.get((name, value)) or Breaker("closed", as_of or now, "no state change yet")
        current = standing(stored, now, renews=spec.renews)
        age = (now - as_of).total_seconds() if as_of else None
        is_recent = age is not None and age <= unknown_after(monitor, spec).total_seconds()
        sure = is_recent or current.is_held(now) or (current.state == "open" and current.until is not None)
        state, reason = (current.state, current.reason) if sure else (spec.on_unknown, _unknown(spec, as_of))
        allow = state == "closed"
        if state == "half_open" and not peek:
            allow = self._admit(monitor, spec, value, now, claim=claim)
            if spec.probes >= 1 and not claim:
                reason += f"; a POST to this address takes one of {spec.probes:g} probes of each bucket"
        return {
            "breaker": name,
            "monitor": monitor.name,
            "value": value or None,
            "state": state,
            "allow": allow,
            "reason": reason,
            "since": current.since.isoformat() if sure else None,
            "until": current.until.isoformat() if sure and current.until else None,
            "by": current.who if sure else None,
            "knowledge": {
                "known": sure,
                "as_of": as_of.isoformat() if as_of else None,
                "age_seconds": None if age is None else round(age, 3),
                "read_seconds_ago": round((now - snapshot.read_at).total_seconds(), 3) if snapshot.read_at else None,
            },
            "on_unknown": spec.on_unknown,
        }

    def _admit(self, monitor: Monitor, spec: BreakerSpec, value: str, now: datetime, *, claim: bool) -> bool:
        """Allow a random share of the requests, or the first ``probes`` of each bucket that ask by POST."""
        if spec.probes < 1:
            return self._chance() < spec.probes
        if not claim:
            return False
        if len(self._claimed) > MOST_COUNTED:
            self._claimed.clear()
        bucket = int(now.timestamp() // monitor.bucket.total_seconds())
        before, count = self._claimed.get((spec.name, value), (bucket, 0))
        count = count + 1 if before == bucket else 1
        self._claimed[spec.name, value] = (bucket, count)
        return count <= spec.probes


def _unknown(spec: BreakerSpec, as_of: datetime | None) -> str:
    what = "requests are allowed" if spec.on_unknown == "closed" else "requests are refused"
    since = f"the newest data are of {as_of.isoformat()}" if as_of else "no data yet"
    return f"{since}: on_unknown is {spec.on_unknown}, so {what}"


def unknown_after(monitor: Monitor, spec: BreakerSpec) -> timedelta:
    """Return the maximum age of a state; beyond it `on_unknown` applies."""
    return spec.unknown_after or BUCKETS_UNTIL_UNKNOWN * monitor.bucket + monitor.settle
