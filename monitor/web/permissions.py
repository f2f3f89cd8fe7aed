"""The table of what each role and scope may do, by method and path. A route without an entry cannot be served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from monitor.core.operation import Role, has_role
from monitor.web.identity import Identity, find_identity


@dataclass(frozen=True)
class Permission:
    """Who may use an endpoint.

    Parameters
    ----------
    role
        The least role.
    scope
        The scope by which a machine without that role may use it.
    is_open
        Whether everyone may, without a token.
    """

    role: Role = "viewer"
    scope: str | None = None
    is_open: bool = False

    def allows(self, identity: Identity) -> bool:
        """Return whether somebody may use the endpoint."""
        by_role = identity.role is not None and has_role(identity.role, self.role)
        return self.is_open or by_role or (self.scope is not None and self.scope in identity.scopes)


OPEN = Permission(is_open=True)
VIEWER = Permission("viewer")
RESPONDER = Permission("responder")
METRICS = Permission("viewer", "metrics")
BREAKERS = Permission("viewer", "breakers")

PERMISSIONS: Mapping[str, Permission] = {
    "GET /healthz": OPEN,
    "GET /login": OPEN,
    "POST /login": OPEN,
    "GET /login/provider": OPEN,
    "GET /login/callback": OPEN,
    "GET /static/{name:path}": OPEN,
    "POST /slack/interactions": OPEN,  # signed by Slack
    "POST /logout": VIEWER,
    "GET /readyz": METRICS,
    "GET /metrics": METRICS,
    "GET /": VIEWER,
    "GET /monitors/{name}": VIEWER,
    "GET /incidents": VIEWER,
    "GET /incidents/{id}": VIEWER,
    "GET /incidents/{id}/examples": RESPONDER,
    "POST /incidents/{id}/acknowledge": RESPONDER,
    "POST /incidents/{id}/assign": RESPONDER,
    "POST /incidents/{id}/comment": RESPONDER,
    "POST /incidents/{id}/silence": RESPONDER,
    "GET /actions": VIEWER,
    "POST /actions/{id}/approve": RESPONDER,
    "POST /actions/{id}/reject": RESPONDER,
    "POST /actions/{id}/replay": RESPONDER,
    "GET /silences": VIEWER,
    "POST /silences": RESPONDER,
    "POST /silences/{id:int}/end": RESPONDER,
    "GET /audit": VIEWER,
    "GET /monitors/{name}/experiments/{experiment:path}": VIEWER,
    "GET /monitors/{name}/shadows/{shadow:path}": VIEWER,
    "GET /api/v1/status": VIEWER,
    "GET /api/v1/incidents": VIEWER,
    "GET /api/v1/incidents/{id}": VIEWER,
    "POST /api/v1/incidents/{id}/acknowledge": RESPONDER,
    "POST /api/v1/incidents/{id}/assign": RESPONDER,
    "POST /api/v1/incidents/{id}/comment": RESPONDER,
    "GET /api/v1/actions": VIEWER,
    "GET /api/v1/actions/{id}": VIEWER,
    "POST /api/v1/actions/{id}/approve": RESPONDER,
    "POST /api/v1/actions/{id}/reject": RESPONDER,
    "POST /api/v1/actions/{id}/replay": RESPONDER,
    "GET /api/v1/silences": VIEWER,
    "POST /api/v1/silences": RESPONDER,
    "DELETE /api/v1/silences/{number:int}": RESPONDER,
    "GET /api/v1/audit": VIEWER,
    "POST /api/v1/monitors/{name}/reveal": RESPONDER,
    "GET /api/v1/events": VIEWER,
    "POST /api/v1/events": Permission("responder", "events"),
    "GET /api/v1/spend": VIEWER,
    "GET /api/v1/savings": VIEWER,
    "GET /api/v1/experiments": VIEWER,
    "GET /api/v1/shadows": VIEWER,
    "GET /api/v1/prompts": VIEWER,
    "GET /api/v1/prompts/{which:path}": VIEWER,
    "GET /api/v1/breakers": BREAKERS,
    "GET /api/v1/breakers/{name}": BREAKERS,
    "POST /api/v1/breakers/{name}": Permission("responder", "breakers"),
    "POST /api/v1/guard": Permission("responder", "guard"),
}


class Protected:
    """The application of a route, for those who may use it.

    Parameters
    ----------
    permissions
        By method.
    """

    def __init__(self, app: ASGIApp, permissions: Mapping[str, Permission]) -> None:
        self._app = app
        self._permissions = permissions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        permission = self._permissions[method]
        request = Request(scope)
        identity = find_identity(request)
        if permission.allows(identity):
            await self._app(scope, receive, send)
            return
        has = f"the role {identity.role}" if identity.role else f"the scopes {', '.join(sorted(identity.scopes))}"
        needs = f"the role {permission.role}" + (f" or the scope {permission.scope}" if permission.scope else "")
        sentence = f"{identity.name} has {has}; this needs {needs}."
        is_api = scope["path"].startswith("/api/")
        await (JSONResponse({"error": sentence}, 403) if is_api else PlainTextResponse(f"{sentence}\n", 403))(
            scope, receive, send
        )


def protect(routes: Sequence[Route]) -> list[Route]:
    """Protect every route; raises KeyError for one without an entry in the table."""
    for route in routes:
        methods = (route.methods or set()) - {"HEAD"}
        permissions = {method: PERMISSIONS[f"{method} {route.path}"] for method in methods}
        route.app = Protected(route.app, permissions)
    return list(routes)
