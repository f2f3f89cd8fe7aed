"""The API of single incidents: read one, acknowledge it, assign it, comment on it."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from monitor.core.clock import Clock
from monitor.core.operation import Acknowledge, Assign, Comment, Operation
from monitor.core.plain import plain
from monitor.store import audit, incidents, reads
from monitor.store.database import Database
from monitor.store.operations import perform
from monitor.web.bodies import parse_texts
from monitor.web.endpoints import Endpoint, Endpoints
from monitor.web.identity import find_author

KINDS: tuple[type[Acknowledge | Assign | Comment], ...] = (Acknowledge, Assign, Comment)
KEYS = ("by", "reason", "assignee")


class ResponsesApi:
    """The endpoints under /api/v1/incidents/{id}; an id may be shortened to its first characters."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def routes(self, endpoints: Endpoints) -> list[Route]:
        """Return the routes."""
        address = "/api/v1/incidents/{id}"
        writes: list[tuple[str, Endpoint]] = [
            (f"{address}/{kind.name}", endpoints.writing(partial(self.respond, kind))) for kind in KINDS
        ]
        return [
            Route(address, endpoints.reading(self.incident)),
            *(Route(place, endpoint, methods=["POST"]) for place, endpoint in writes),
        ]

    def incident(self, request: Request) -> Response:
        """Return an incident with its transitions and responses."""
        with self._database.read() as connection:
            incident = incidents.find_incident(connection, request.path_params["id"])
            steps = reads.transition_rows(connection, incident.id)
            rows = audit.load_responses(connection, [incident.id])
            handling = audit.load_handling(connection, [incident.id]).get(incident.id)
        entry = {**vars(incident), "transitions": steps, "responses": rows, "handling": handling}
        return JSONResponse(plain(entry))

    def respond(self, kind: type[Acknowledge | Assign | Comment], request: Request, body: bytes) -> Response:
        """Store a response: `{"by": ..., "reason": ..., "assignee": ...}`; the reason of a comment is its text."""
        given = parse_texts(body, KEYS)
        identity, reason = request.path_params["id"], given.get("reason", "")
        operation: Operation
        if issubclass(kind, Assign):
            operation = Assign(identity, given.get("assignee", ""), reason=reason)
        else:
            operation = kind(identity, reason=reason)
        author = find_author(request, given.get("by", ""))
        return JSONResponse(plain(perform(self._database, operation, author, self._clock)), 201)
