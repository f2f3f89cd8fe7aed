"""Report the events of the demo, read from the databases."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from monitor.alerting.suspects import describe_suspect
from monitor.cli.demo.application import Application
from monitor.cli.demo.receiver import RollbackReceiver
from monitor.cli.output import echo
from monitor.core.plain import plain
from monitor.core.schedule import floor
from monitor.store import reads
from monitor.store.database import Database

BUCKET = timedelta(minutes=1)


class DemoNarrator:
    """Prints each event once, and summarizes them at the end."""

    def __init__(self, database: Database, application: Application, hook: RollbackReceiver) -> None:
        self._database, self._application, self._hook = database, application, hook
        self._printed: set[str] = set()

    def narrate(self, now: datetime) -> None:
        """Print the events that are new in the databases."""
        events: dict[str, str] = {}
        if swapped_at := self._application.first_bad:
            events["swap"] = (
                f"the application swaps its model: ctrl -> doha (without notice to driftd), at {swapped_at:%H:%M:%S}"
            )
        with self._database.read() as connection:
            newest = reads.newest_bucket(connection, "wow-bot")
            for row in reads.incident_rows(connection):
                for step in reads.transition_rows(connection, row.id):
                    events[f"{row.id}{step.state}"] = f"incident {step.state}: {step.reason}"
                if row.suspected_change:
                    suspect = row.suspected_change
                    first_seen = suspect["first_seen"][11:19]
                    events[f"{row.id}why"] = f"suspected: {describe_suspect(suspect)}, first seen {first_seen}"
        for request in self._hook.received:
            word = "valid" if request.signature_valid else "INVALID"
            target = request.payload.get("data", {}).get("target")
            events[f"hook{request.at}"] = f"rollback request received, signature {word}, back to {target}"
        if newest is not None:
            events.setdefault("baseline", "learning the baseline from the first 15 minutes")
        for key, text in events.items():
            if key not in self._printed:
                self._printed.add(key)
                print_event(f"{now:%H:%M:%S}  {text}")

    def computed_until(self) -> datetime | None:
        """Return the end of the newest computed bucket."""
        with self._database.read() as connection:
            newest = reads.newest_bucket(connection, "wow-bot")
        return None if newest is None else newest.start + BUCKET

    def is_finished(self, now: datetime) -> bool:
        """Return whether the daemon has computed all buckets up to a time."""
        until = self.computed_until()
        return until is not None and until >= floor(now, BUCKET) - BUCKET

    def summarize(self) -> dict[str, Any]:
        """Return a summary of the events of the store, the application and the hook."""
        with self._database.read() as connection:
            rows = [row for row in reads.incident_rows(connection) if row.fired_at is not None]
            finished = len(reads.volume_history(connection, "wow-bot", 1000))
            steps = reads.transition_rows(connection, rows[-1].id) if rows else []
        incident = rows[-1] if rows else None
        fired = next((step.reason for step in steps if step.state == "firing"), None)
        request = self._hook.received[0] if self._hook.received else None
        delay = (
            (request.at - self._application.first_bad).total_seconds()
            if request and self._application.first_bad
            else None
        )
        return {
            "records": self._application.written,
            "buckets": finished,
            "incidents": len(rows),
            "incident": None
            if incident is None
            else {
                "opened_at": plain(incident.opened_at),
                "checks": sorted({f"{item['check']}.{item['column']}" for item in incident.evidence.values()}),
                "reason": fired,
                "suspected_change": incident.suspected_change,
                "resolved_at": plain(incident.resolved_at),
            },
            "swapped_at": plain(self._application.first_bad),
            "detection_delay_seconds": delay,
            "rollback": {
                "delivered": request is not None and request.signature_valid,
                "signature_valid": request is not None and request.signature_valid,
                "target": request.payload["data"]["target"] if request and request.signature_valid else None,
            },
            "resolved": incident is not None and incident.state == "resolved",
        }


def print_event(text: str) -> None:
    """Print a line to stderr; stdout is for programs."""
    echo(text, err=True)
