"""HTTP requests and responses of receivers, and previews of requests; :mod:`.http` sends them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, cast
from urllib.parse import quote_plus, urlsplit

from pydantic import SecretStr

from monitor.actions.receivers.base import Deadline, DeliveryResult, NotDelivered, RequestPreview, failure_by_status
from monitor.actions.receivers.destination import Resolver, system_resolver
from monitor.config.receivers import HttpReceiverConfig

LONGEST_ANSWER = 64 * 1024
"""Maximum size of a response in bytes, unless a receiver needs more."""
JSON_BODY = {"content-type": "application/json", "accept": "application/json"}
HIDDEN = "…"
SHOWN_HEADERS = frozenset({"content-type", "accept", "user-agent", "idempotency-key", "webhook-id"})
"""Headers whose values are never secret."""


@dataclass(frozen=True)
class HttpRequest:
    """A request to send."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class HttpResponse:
    """Status, Retry-After and the beginning of the body of a response.

    Parameters
    ----------
    complete
        Whether ``body`` is the whole body.
    """

    status: int
    retry_after: str | None
    body: bytes = b""
    complete: bool = True

    @property
    def succeeded(self) -> bool:
        """Return whether the status is 2xx."""
        return 200 <= self.status < 300

    def read_object(self) -> dict[str, object]:
        """Return the JSON object of the body; raises :class:`NotDelivered`."""
        if not self.complete:
            raise NotDelivered(DeliveryResult("other", f"the response exceeds {len(self.body):,} bytes"))
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise NotDelivered(DeliveryResult("other", "the response is not a JSON object", retry=True))
        return cast("dict[str, object]", value)


class Transport(Protocol):
    """What sends a request."""

    def send(self, request: HttpRequest, deadline: Deadline, most: int = LONGEST_ANSWER) -> HttpResponse:
        """Send a request once and return the response; raises :class:`NotDelivered`."""


def make_transport(settings: HttpReceiverConfig, resolve: Resolver = system_resolver) -> Transport:
    """Create the transport of a receiver."""
    from monitor.actions.receivers.http import HttpTransport

    return HttpTransport(settings.timeout, resolve, settings.ca_file)


def deliver_request(
    transport: Transport, request: HttpRequest, deadline: Deadline, *, duplicate: int | None = None
) -> DeliveryResult:
    """Send a request whose response matters only by its status; does not raise.

    Parameters
    ----------
    duplicate
        Status of a request that was already processed.
    """
    try:
        response = transport.send(request, deadline)
    except NotDelivered as failure:
        return failure.result
    if response.succeeded:
        return DeliveryResult("delivered", f"status {response.status}")
    if response.status == duplicate:
        return DeliveryResult("delivered", f"status {response.status}: already processed")
    return failure_by_status(response.status, response.retry_after, deadline.started_at)


def send_request(
    transport: Transport, request: HttpRequest, deadline: Deadline, most: int = LONGEST_ANSWER
) -> HttpResponse:
    """Send a request and return its response; raises :class:`NotDelivered` also if the status is not 2xx."""
    response = transport.send(request, deadline, most)
    if not response.succeeded:
        raise NotDelivered(failure_by_status(response.status, response.retry_after, deadline.started_at))
    return response


def authorize(
    token: SecretStr | None, username: str | None = None, password: SecretStr | None = None
) -> dict[str, str]:
    """Return the header of a bearer token or of basic authentication; none without a login."""
    if token is not None:
        return {"authorization": f"Bearer {token.get_secret_value()}"}
    if username is None or password is None:
        return {}
    login = base64.b64encode(f"{username}:{password.get_secret_value()}".encode()).decode()
    return {"authorization": f"Basic {login}"}


def make_json_request(method: str, url: str, value: object, headers: Mapping[str, str]) -> HttpRequest:
    """Return a request with a JSON body; raises :class:`NotDelivered` if the value cannot be serialised."""
    try:
        body = json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError):
        raise NotDelivered(DeliveryResult("client", "the payload cannot be serialised as JSON")) from None
    return HttpRequest(method, url, {**JSON_BODY, **headers}, body)


def preview_request(request: HttpRequest, secrets: Sequence[str] = (), note: str = "") -> RequestPreview:
    """Return a request without secrets: headers that may have one, and all occurrences of ``secrets``, are hidden."""
    headers = {
        name.lower(): value if name.lower() in SHOWN_HEADERS else HIDDEN for name, value in request.headers.items()
    }
    body = _hide(request.body.decode("utf-8", "replace"), secrets)
    return RequestPreview(request.method, _hide(request.url, secrets), headers, body, note)


def hide_path(url: str) -> str:
    """Return a URL that is a secret without what follows its host."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return HIDDEN
    return f"{parts.scheme}://{host}/{HIDDEN}"


def _hide(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        for form in (secret, json.dumps(secret)[1:-1], quote_plus(secret)):
            text = text.replace(form, HIDDEN) if form else text
    return text
