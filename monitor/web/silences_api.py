"""The API of silences and of the audit log."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import cast

from pydantic_core import PydanticCustomError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from monitor.config.sections import parse_duration
from monitor.core.clock import Clock
from monitor.core.operation import AddSilence, EndSilence, Operation, SilenceIncident
from monitor.store import audit, silences
from monitor.store.database import Database, decision_time
from monitor.store.incidents import find_incident
from monitor.store.operations import perform
from monitor.web.bodies import answer_json, parse_object, parse_texts
from monitor.web.endpoints import Endpoints, parse_limit
from monitor.web.identity import find_author

KEYS = ("for", "incident", "monitor", "rule", "matchers", "reason", "by")


class SilencesApi:
    """The endpoints under /api/v1/silences and /api/v1/audit."""

    def __init__(self, database: Database, monitors: Collection[str], clock: Clock) -> None:
        self._database = database
        self._monitors = monitors
        self._clock = clock

    def routes(self, endpoints: Endpoints) -> list[Route]:
        """Return the routes."""
        address = "/api/v1/silences"
        return [
            Route(address, endpoints.reading(self.list)),
            Route(address, endpoints.writing(self.add), methods=["POST"]),
            Route(f"{address}/{{number:int}}", endpoints.writing(self.end), methods=["DELETE"]),
            Route("/api/v1/audit", endpoints.reading(self.audit)),
        ]

    def list(self, _request: Request) -> Response:
        """Return the silences that have not ended."""
        with self._database.read() as connection:
            rows = silences.list_silences(connection, decision_time(connection, self._clock))
        return answer_json({"silences": rows})

    def add(self, request: Request, body: bytes) -> Response:
        """Add a silence: `{"for": "2h", "incident": ...}` or `{"for": "2h", "monitor": ..., "matchers": [...]}`."""
        given = parse_object(body, KEYS)
        author = find_author(request, str(given.get("by", "")))
        return answer_json(perform(self._database, self._parse(given), author, self._clock), 201)

    def end(self, request: Request, body: bytes) -> Response:
        """End a silence now."""
        given = parse_texts(body, ("by", "reason"))
        operation = EndSilence(request.path_params["number"], reason=given.get("reason", ""))
        author = find_author(request, given.get("by", ""))
        return answer_json(perform(self._database, operation, author, self._clock))

    def audit(self, request: Request) -> Response:
        """Return the audit log, newest first; filters: `?incident=`, `?limit=`."""
        prefix = request.query_params.get("incident")
        with self._database.read() as connection:
            incident = find_incident(connection, prefix).id if prefix else None
            entries = audit.load_entries(connection, incident=incident, most=parse_limit(request))
        return answer_json({"audit": entries})

    def _parse(self, given: dict[str, object]) -> Operation:
        length, reason = _parse_length(given.get("for")), str(given.get("reason", ""))
        if "incident" in given:
            return SilenceIncident(str(given["incident"]), length, reason=reason)
        monitor, matchers = str(given.get("monitor", "")), given.get("matchers", [])
        if monitor != "*" and monitor not in self._monitors:
            raise LookupError(f"There is no monitor {monitor!r}; * silences all.")
        if not isinstance(matchers, list) or not all(isinstance(text, str) for text in matchers):
            raise ValueError("`matchers` must be a list of texts.")
        return AddSilence(length, monitor, str(given.get("rule", "*")), matchers, reason=reason)


def _parse_length(given: object) -> timedelta:
    try:
        length = parse_duration(given)
    except PydanticCustomError as error:
        raise ValueError(f"`for`: {error.message()}.") from None
    except OverflowError:
        raise ValueError("`for` is too long.") from None
    return cast("timedelta", length)
