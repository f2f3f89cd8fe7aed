"""The API that looks up a pseudonym in the source, for those who may see example records."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from monitor.config.models import Config
from monitor.core.clock import Clock
from monitor.core.operation import Reveal
from monitor.jobs.reveal import reveal
from monitor.sources.base import SourceError
from monitor.store.database import Database
from monitor.web.bodies import answer_json, parse_texts
from monitor.web.endpoints import Endpoints
from monitor.web.identity import find_author

KEYS = ("column", "hash", "reason", "by")


class RevealApi:
    """The endpoint that looks up a pseudonym."""

    def __init__(self, database: Database, config: Config, clock: Clock) -> None:
        self._database = database
        self._config = config
        self._clock = clock

    def routes(self, endpoints: Endpoints) -> list[Route]:
        """Return the route."""
        return [Route("/api/v1/monitors/{name}/reveal", endpoints.writing(self.reveal), methods=["POST"])]

    def reveal(self, request: Request, body: bytes) -> Response:
        """Return the value of a hash: `{"column": "tenant", "hash": "id:…", "reason": …}`."""
        if not self._config.server.examples:
            raise LookupError("Values are not looked up: set `server.examples: true`.")
        monitor = next((one for one in self._config.monitors if one.name == request.path_params["name"]), None)
        if monitor is None:
            raise LookupError("There is no such monitor.")
        given = parse_texts(body, KEYS)
        detail = {"pseudonym": given.get("hash", "")}
        wanted = Reveal(given.get("column", ""), detail, monitor.name, reason=given.get("reason", ""))
        try:
            value = reveal(self._database, monitor, wanted, find_author(request, given.get("by", "")), self._clock)
        except SourceError as error:
            return _answer_error(error)
        return answer_json({"monitor": monitor.name, "column": wanted.column, **detail, "value": value})


def _answer_error(error: SourceError) -> Response:
    return answer_json({"error": str(error)}, 404 if error.reason == "missing_column" else 503)
