"""Requests to the API server of Kubernetes."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.actions.receivers.base import Deadline, DeliveryResult, NotDelivered, failure_by_status
from monitor.actions.receivers.kubernetes.config import ClusterConfig
from monitor.actions.receivers.requests import HttpRequest, make_json_request, make_transport, send_request

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
LONGEST_LIST = 16 * 1024 * 1024
"""Maximum size in bytes of a list of ReplicaSets."""


class ClusterApi:
    """Reads and patches objects in a namespace.

    Parameters
    ----------
    config
        Without a token, that of the service account is read for each attempt, since it expires.
    """

    def __init__(self, config: ClusterConfig) -> None:
        self._config = config
        in_cluster = config.token is None and config.ca_file is None
        authority = {"ca_file": config.service_account / "ca.crt"} if in_cluster else {}
        self._transport = make_transport(config.model_copy(update=authority))

    def url(self, group: str, resource: str, name: str = "", query: str = "") -> str:
        """Return the URL of a resource, such as group `apps/v1` and resource `deployments`."""
        base = f"{self._config.base_url.rstrip('/')}/apis/{group}/namespaces/{self._config.namespace}"
        return f"{base}/{resource}{f'/{name}' if name else ''}{f'?{query}' if query else ''}"

    def read(self, url: str, deadline: Deadline) -> dict[str, object]:
        """Return an object or a list; raises :class:`NotDelivered`."""
        request = HttpRequest("GET", url, {"accept": "application/json", **self._authorize()})
        return send_request(self._transport, request, deadline, LONGEST_LIST).read_object()

    def patch(self, request: HttpRequest, deadline: Deadline) -> None:
        """Send a patch; raises :class:`NotDelivered`. A conflict with another change is tried again."""
        sent = HttpRequest(request.method, request.url, {**request.headers, **self._authorize()}, request.body)
        response = self._transport.send(sent, deadline, LONGEST_LIST)
        if response.status == 409:
            raise NotDelivered(DeliveryResult("server", "the object was changed meanwhile", retry=True))
        if not response.succeeded:
            raise NotDelivered(failure_by_status(response.status, response.retry_after, deadline.started_at))

    def _authorize(self) -> Mapping[str, str]:
        token = self._config.token
        if token is not None:
            return {"authorization": f"Bearer {token.get_secret_value()}"}
        try:
            text = (self._config.service_account / "token").read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            detail = "the token of the service account cannot be read; write `token:` outside of a cluster"
            raise NotDelivered(DeliveryResult("auth", detail)) from None
        return {"authorization": f"Bearer {text}"}


def make_patch(url: str, value: object, kind: str, *, is_test: bool = False) -> HttpRequest:
    """Return a patch of an object, without a token; of a test, one that the server checks and does not store."""
    query = "?fieldManager=driftd&dryRun=All" if is_test else "?fieldManager=driftd"
    return make_json_request("PATCH", f"{url}{query}", value, {"content-type": kind})
