"""The forms of the web pages: approve, reject, acknowledge, assign, comment and silence, without a script."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from monitor.core.clock import Clock
from monitor.core.operation import (
    LONGEST_NAME,
    Acknowledge,
    AddSilence,
    Approve,
    Assign,
    AuditEntry,
    Author,
    Comment,
    EndSilence,
    Operation,
    OperationError,
    Reject,
    Replay,
    SilenceIncident,
)
from monitor.store.database import Database
from monitor.store.operations import perform
from monitor.web.access import client_address
from monitor.web.csrf import check_csrf
from monitor.web.endpoints import Endpoints
from monitor.web.identity import find_author
from monitor.web.templating import Renderer
from monitor.web.viewer import NAME_COOKIE

Fields = Mapping[str, str]
MOST_FIELDS = 12
NAME_SECONDS = 400 * 86400
ON_ACTIONS: Mapping[str, Callable[[str, Fields], Operation]] = {
    "approve": lambda identity, given: Approve(identity, reason=given.get("reason", "")),
    "reject": lambda identity, given: Reject(identity, reason=given.get("reason", "")),
    "replay": lambda identity, given: Replay(identity, reason=given.get("reason", "")),
}
ON_INCIDENTS: Mapping[str, Callable[[str, Fields], Operation]] = {
    "acknowledge": lambda identity, given: Acknowledge(identity, reason=given.get("reason", "")),
    "assign": lambda identity, given: Assign(identity, given.get("assignee", ""), reason=given.get("reason", "")),
    "comment": lambda identity, given: Comment(identity, reason=given.get("reason", "")),
    "silence": lambda identity, given: SilenceIncident(identity, parse_hours(given), reason=given.get("reason", "")),
}


class Forms:
    """Performs what the forms of the pages ask for, and returns to the page."""

    def __init__(self, database: Database, clock: Clock, renderer: Renderer) -> None:
        self._database = database
        self._clock = clock
        self._renderer = renderer

    def routes(self, endpoints: Endpoints) -> list[Route]:
        """Return the routes; each redirects to the page of its subject."""
        places: list[tuple[str, Callable[[Request, Fields], tuple[Operation, str | None]]]] = [
            *((f"/actions/{{id}}/{name}", partial(_on_subject, make)) for name, make in ON_ACTIONS.items()),
            *((f"/incidents/{{id}}/{name}", partial(_on_subject, make)) for name, make in ON_INCIDENTS.items()),
            ("/silences", _add_silence),
            ("/silences/{id:int}/end", _end_silence),
        ]
        return [Route(place, endpoints.writing(partial(self.send, work)), methods=["POST"]) for place, work in places]

    def send(
        self, work: Callable[[Request, Fields], tuple[Operation, str | None]], request: Request, body: bytes
    ) -> Response:
        """Perform the operation of a form, then show its incident or the list that it belongs to."""
        given = parse_form(body)
        check_csrf(request, given.get("csrf", ""))
        author = find_form_author(request, given)
        try:
            operation, place = work(request, given)
            entry = perform(self._database, operation, author, self._clock)
        except OperationError as error:
            return self._renderer.refusal(str(error))
        response = RedirectResponse(place or _page_of(entry), 303)
        if given.get("by", "").strip():
            name = given["by"].strip().encode("utf-8").hex()
            response.set_cookie(NAME_COOKIE, name, max_age=NAME_SECONDS, httponly=True, samesite="strict")
        return response


def parse_form(body: bytes) -> dict[str, str]:
    """Return the fields of a form.

    Raises
    ------
    ValueError
        If there are too many.
    """
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise ValueError(f"A form has at most {MOST_FIELDS} fields.") from None
    return {name: values[0].replace("\r\n", "\n") for name, values in fields.items()}


def find_form_author(request: Request, given: Fields) -> Author:
    """Return who sent a form; where nobody signs in, the stated name, else the address of the browser."""
    name = given.get("by", "").strip()[:LONGEST_NAME] or f"unnamed at {client_address(request)}"
    return find_author(request, name, "web")


def parse_hours(given: Fields) -> timedelta:
    """Return the length of a silence."""
    text = given.get("hours", "")
    if not (text.isascii() and text.isdigit() and len(text) <= 4):  # noqa: PLR2004
        raise OperationError("the hours of a silence must be a whole number")
    return timedelta(hours=int(text))


def _on_subject(
    make: Callable[[str, Fields], Operation], request: Request, given: Fields
) -> tuple[Operation, str | None]:
    return make(request.path_params["id"], given), None


def _add_silence(_request: Request, given: Fields) -> tuple[Operation, str | None]:
    matchers = [line.strip() for line in given.get("matchers", "").splitlines() if line.strip()]
    names = (given.get("monitor", "").strip() or "*", given.get("rule", "").strip() or "*")
    return AddSilence(parse_hours(given), *names, matchers, reason=given.get("reason", "")), "/silences"


def _end_silence(request: Request, given: Fields) -> tuple[Operation, str | None]:
    return EndSilence(request.path_params["id"], reason=given.get("reason", "")), "/silences"


def _page_of(entry: AuditEntry) -> str:
    return f"/incidents/{entry.incident}" if entry.incident else "/actions"
