"""The API of actions: list them, read one with its request, approve, reject and resend it."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from monitor.actions.receivers.preview import preview_action
from monitor.config.models import Config
from monitor.core.clock import Clock
from monitor.core.operation import Approve, Reject, Replay
from monitor.store import reads
from monitor.store.database import Database
from monitor.store.operations import perform
from monitor.store.resolutions import find_action
from monitor.store.rows import ActionRow
from monitor.web.bodies import answer_json, parse_texts
from monitor.web.endpoints import Endpoints, parse_limit
from monitor.web.identity import find_author

KINDS: tuple[type[Approve | Reject | Replay], ...] = (Approve, Reject, Replay)
HIDDEN = ("fence", "owner", "lease_until", "next_attempt_at")


class ActionsApi:
    """The endpoints under /api/v1/actions; an id may be shortened to its first characters."""

    def __init__(self, database: Database, config: Config, clock: Clock) -> None:
        self._database = database
        self._receivers = config.receivers
        self._clock = clock

    def routes(self, endpoints: Endpoints) -> list[Route]:
        """Return the routes."""
        address = "/api/v1/actions"
        return [
            Route(address, endpoints.reading(self.list)),
            Route(f"{address}/{{id}}", endpoints.reading(self.one)),
            *(
                Route(f"{address}/{{id}}/{kind.name}", endpoints.writing(partial(self.resolve, kind)), methods=["POST"])
                for kind in KINDS
            ),
        ]

    def list(self, request: Request) -> Response:
        """Return the outbox, newest first; filters: `?incident=`, `?state=`, `?limit=`."""
        query = request.query_params
        with self._database.read() as connection:
            rows = reads.action_rows(
                connection, incident=query.get("incident"), state=query.get("state"), most=parse_limit(request)
            )
        return answer_json({"actions": [_entry(row) for row in rows]})

    def one(self, request: Request) -> Response:
        """Return an action with the request that sends it, if its receiver is configured; secrets are hidden."""
        with self._database.read() as connection:
            row = find_action(connection, request.path_params["id"])
        return answer_json({**_entry(row), "request": preview_action(self._receivers.get(row.name), row)})

    def resolve(self, kind: type[Approve | Reject | Replay], request: Request, body: bytes) -> Response:
        """Approve, reject or resend an action; the body may have a `reason`."""
        given = parse_texts(body, ("by", "reason"))
        operation = kind(request.path_params["id"], reason=given.get("reason", ""))
        author = find_author(request, given.get("by", ""))
        return answer_json(perform(self._database, operation, author, self._clock))


def _entry(row: ActionRow) -> dict[str, object]:
    return {name: value for name, value in vars(row).items() if name not in HIDDEN}
