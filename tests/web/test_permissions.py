"""Who may use which endpoint: roles, scopes, tokens, sessions and their forms."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from starlette.routing import Route

from monitor.core.access_token import SCOPES, hash_secret, new_secret
from monitor.core.clock import SystemClock
from monitor.core.operation import ROLES, Author, CreateToken, RefusedOperation, RevokeToken, Role, has_role
from monitor.store import audit, tokens
from monitor.store.database import Database
from monitor.store.operations import perform
from monitor.web.app import create_app
from monitor.web.identity import Identity
from monitor.web.permissions import PERMISSIONS, protect
from tests.support.hand import Hand
from tests.web.conftest import Serve, with_token
from tests.web.seed import Seed, configuration

ADMIN = Author("root", "cli", "admin")
OPTIONAL = {"POST /slack/interactions", "GET /login/provider", "GET /login/callback"}
"""Served only if a receiver has a signing secret, and if there is a provider."""
OPEN = {"GET /healthz", "GET /login", "POST /login", "GET /static/{name:path}"} | OPTIONAL
BY_SCOPE = {
    "events": {"POST /api/v1/events"},
    "metrics": {"GET /metrics", "GET /readyz"},
    "guard": {"POST /api/v1/guard"},
    "breakers": {"GET /api/v1/breakers", "GET /api/v1/breakers/{name}", "POST /api/v1/breakers/{name}"},
}
FOR_RESPONDERS = {
    *(f"POST /api/v1/incidents/{{id}}/{kind}" for kind in ("acknowledge", "assign", "comment")),
    *(f"POST /api/v1/actions/{{id}}/{kind}" for kind in ("approve", "reject", "replay")),
    "POST /api/v1/silences",
    "DELETE /api/v1/silences/{number:int}",
    "POST /api/v1/events",
    "POST /api/v1/guard",
    "POST /api/v1/breakers/{name}",
    "GET /incidents/{id}/examples",
    *(f"POST /incidents/{{id}}/{kind}" for kind in ("acknowledge", "assign", "comment", "silence")),
    *(f"POST /actions/{{id}}/{kind}" for kind in ("approve", "reject", "replay")),
    "POST /silences",
    "POST /silences/{id:int}/end",
    "POST /api/v1/monitors/{name}/reveal",
}


def make(database: Database, name: str, role: Role | None = None, *scopes: str, **more: Any) -> dict[str, str]:
    """Create a token; return the header that has it."""
    secret = new_secret()
    perform(database, CreateToken(name, hash_secret(secret), role, scopes, **more), ADMIN)
    return {"authorization": f"Bearer {secret}"}


def locked(url: str = "sqlite://") -> Any:
    return configuration(url, auth={"required": True})


def send(client: httpx.Client, entry: str, headers: dict[str, str]) -> int:
    method, path = entry.split(" ")
    path = re.sub(r"\{\w+:int\}", "1", path)
    path = re.sub(r"\{[^}]*\}", "none", path)
    if method == "GET":
        return client.get(path, headers=headers).status_code
    if not path.startswith("/api/"):
        headers = {**headers, "origin": str(client.base_url).rstrip("/")}
        return client.post(path, headers=headers).status_code
    return client.request(method, path, json={}, headers=headers).status_code


def test_every_route_has_an_entry_and_every_entry_a_route(database: Database) -> None:
    app = create_app(database, configuration("sqlite://"), SystemClock())
    served = {
        f"{method} {route.path}"
        for route in app.routes
        if isinstance(route, Route)
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert served == set(PERMISSIONS) - OPTIONAL


def test_a_route_without_an_entry_is_not_served() -> None:
    with pytest.raises(KeyError, match="/secret"):
        protect([Route("/secret", lambda _: None)])


@pytest.mark.parametrize("role", ROLES)
def test_each_role_may_do_what_the_table_says(role: Role) -> None:
    allowed = {entry for entry, permission in PERMISSIONS.items() if permission.allows(Identity("ann", role))}
    assert allowed == set(PERMISSIONS) - (FOR_RESPONDERS if role == "viewer" else set())


@pytest.mark.parametrize("scope", SCOPES)
def test_each_scope_permits_only_its_endpoints(scope: str) -> None:
    machine = Identity("ci", None, frozenset({scope}))
    assert {entry for entry, permission in PERMISSIONS.items() if permission.allows(machine)} == OPEN | BY_SCOPE[scope]


def test_the_server_follows_the_table_for_every_endpoint_and_role(database: Database, seed: Seed, serve: Serve) -> None:
    client = serve(locked())
    keys: dict[str, tuple[Identity, dict[str, str]]] = {
        role: (Identity(role, role), make(database, role, role)) for role in ROLES
    }
    for scope in SCOPES:
        keys[scope] = (Identity(scope, None, frozenset({scope})), make(database, scope, None, scope))
    for entry, permission in PERMISSIONS.items():
        if permission.is_open:
            continue
        assert send(client, entry, {}) == 401, entry
        for name, (identity, headers) in keys.items():
            status = send(client, entry, headers)
            assert (status == 403) is not permission.allows(identity), (entry, name, status)
            assert status not in (401, 500), (entry, name)


def test_the_name_of_the_token_is_the_author(database: Database, seed: Seed, serve: Serve) -> None:
    client, ann = serve(locked()), make(database, "ann", "responder")
    body = {"for": "1h", "monitor": "*", "by": "eve"}
    entry = client.post("/api/v1/silences", json=body, headers=ann).json()
    assert (entry["by"], entry["role"], entry["verified"]) == ("ann", "responder", True)
    viewer = client.post("/api/v1/silences", json=body, headers=make(database, "vic", "viewer"))
    assert viewer.status_code == 403
    assert viewer.json()["error"] == "vic has the role viewer; this needs the role responder."


def test_a_revoked_or_expired_token_is_refused_within_ten_seconds(database: Database, seed: Seed, serve: Serve) -> None:
    clock = Hand(datetime.now(UTC))
    client = serve(locked(), clock=clock)
    ann, ben = make(database, "ann", "viewer"), make(database, "ben", "viewer", length=timedelta(hours=1))
    assert [client.get("/api/v1/status", headers=who).status_code for who in (ann, ben)] == [200, 200]
    perform(database, RevokeToken("ann"), ADMIN)
    clock.moment += timedelta(seconds=11)
    assert [client.get("/api/v1/status", headers=who).status_code for who in (ann, ben)] == [401, 200]
    clock.moment += timedelta(hours=1)
    assert client.get("/api/v1/status", headers=ben).status_code == 401


def sign_in(client: httpx.Client, headers: dict[str, str]) -> httpx.Response:
    own = {"origin": str(client.base_url).rstrip("/")}
    return client.post("/login", data={"token": headers["authorization"].split(" ")[1]}, headers=own)


def test_a_session_ends_with_its_token_and_with_signing_out(database: Database, seed: Seed, serve: Serve) -> None:
    clock = Hand(datetime.now(UTC))
    client = serve(locked(), clock=clock)
    ann = make(database, "ann", "viewer")
    assert sign_in(client, ann).status_code == 303
    cookie = client.cookies["driftd_session"]
    page = client.get("/").text
    csrf = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)
    assert csrf
    assert cookie not in page
    own = {"origin": str(client.base_url).rstrip("/")}
    assert client.post("/logout", data={"csrf": "0" * 64}, headers=own).status_code == 403
    assert client.post("/logout", data={"csrf": csrf[1]}, headers={"origin": "https://evil.example"}).status_code == 403
    assert client.get("/api/v1/status").status_code == 200
    assert client.post("/logout", data={"csrf": csrf[1]}, headers=own).status_code == 303
    kept = {"cookie": f"driftd_session={cookie}"}
    assert client.get("/api/v1/status", headers=kept).status_code == 401
    sign_in(client, ann)
    perform(database, RevokeToken("ann"), ADMIN)
    clock.moment += timedelta(seconds=11)
    assert client.get("/api/v1/status").status_code == 401


def test_a_form_needs_the_token_of_its_session(database: Database, seed: Seed, serve: Serve) -> None:
    client = serve(locked())
    sign_in(client, make(database, "ann", "responder"))
    own = {"origin": str(client.base_url).rstrip("/")}
    fields = {"monitor": "*", "hours": "1"}
    assert client.post("/silences", data=fields, headers=own).status_code == 403
    assert client.post("/silences", data={**fields, "csrf": "é"}, headers=own).status_code == 403
    csrf = re.search(r'name="csrf" value="([0-9a-f]{64})"', client.get("/silences").text)
    assert csrf
    assert client.post("/silences", data={**fields, "csrf": csrf[1]}, headers=own).status_code == 303
    with database.read() as connection:
        (entry, _) = audit.load_entries(connection)
    assert (entry.by, entry.channel, entry.verified) == ("ann", "web", True)


def test_a_machine_does_not_sign_in(database: Database, seed: Seed, serve: Serve) -> None:
    answer = sign_in(serve(locked()), make(database, "ci", None, "events"))
    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


def test_known_tokens_count_while_the_store_is_away(
    database: Database, seed: Seed, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Hand(datetime.now(UTC))
    client = serve(locked(), clock=clock)
    app, other = make(database, "app", None, "breakers"), make(database, "other", None, "breakers")
    assert client.get("/api/v1/breakers", headers=app).status_code == 200

    def fail(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr("monitor.web.directory.store.find_token", fail)
    clock.moment += timedelta(minutes=5)
    assert client.get("/api/v1/breakers", headers=app).status_code == 200
    assert client.get("/api/v1/breakers", headers=other).status_code == 503
    clock.moment += timedelta(minutes=6)
    assert client.get("/api/v1/breakers", headers=app).status_code == 503


def test_the_last_use_is_written_at_most_once_an_hour(database: Database, seed: Seed, serve: Serve) -> None:
    clock = Hand(datetime.now(UTC))
    client, ann = serve(locked(), clock=clock), make(database, "ann", "viewer")

    def used() -> datetime | None:
        client.get("/api/v1/status", headers=ann)
        with database.read() as connection:
            token = tokens.load_token(connection, "ann")
        assert token is not None
        return token.last_used_at

    start = clock.moment
    assert used() == start
    clock.moment += timedelta(minutes=59)
    assert used() == start
    clock.moment += timedelta(minutes=1)
    assert used() == start + timedelta(hours=1)


def test_only_the_hash_of_a_token_is_stored_and_its_life_is_in_the_log(database: Database, seed: Seed) -> None:
    secret = make(database, "ann", "responder")["authorization"].split(" ")[1]
    with pytest.raises(RefusedOperation, match="there is a token 'ann' already"):
        make(database, "ann", "admin")
    perform(database, RevokeToken("ann", reason="left"), ADMIN)
    with pytest.raises(RefusedOperation, match="was revoked at"):
        perform(database, RevokeToken("ann"), ADMIN)
    with database.read() as connection:
        log = audit.load_entries(connection)
        dump = "\n".join(connection.connection.driver_connection.iterdump())  # type: ignore[union-attr]
    assert [(one.operation, one.result, one.subject) for one in reversed(log)] == [
        ("create_token", "done", "ann"),
        ("create_token", "refused", "ann"),
        ("revoke_token", "done", "ann"),
        ("revoke_token", "refused", "ann"),
    ]
    assert secret not in dump
    assert hash_secret(secret) in dump


def test_a_role_includes_those_below() -> None:
    assert [[has_role(role, least) for least in ROLES] for role in ROLES] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


def test_the_token_of_the_configuration_is_an_admin_beside_named_tokens(
    database: Database, seed: Seed, serve: Serve
) -> None:
    client = serve(with_token("sqlite://"))
    assert client.get("/metrics", headers={"authorization": "Bearer correct horse"}).status_code == 200
    assert client.get("/metrics", headers=make(database, "prometheus", None, "metrics")).status_code == 200
    assert client.get("/", headers=make(database, "grafana", None, "metrics")).status_code == 403


def proxied(**more: Any) -> Any:
    proxy = {"trusted": ["127.0.0.0/8"], "groups_header": "X-Forwarded-Groups", "groups": {"sre": "responder"}, **more}
    return configuration("sqlite://", auth={"proxy": proxy})


@pytest.mark.parametrize(
    ("settings", "headers", "status"),
    [
        ({}, [], 401),
        ({}, [("x-forwarded-user", "ann")], 401),
        ({"default_role": "viewer"}, [("x-forwarded-user", "ann")], 403),
        ({"users": {"ann": "admin"}}, [("x-forwarded-user", "ann")], 201),
        ({}, [("x-forwarded-user", "ann"), ("x-forwarded-groups", "dev, sre")], 201),
        ({"groups_header": None}, [("x-forwarded-user", "ann"), ("x-forwarded-groups", "sre")], 401),
        ({"trusted": ["10.0.0.0/8"]}, [("x-forwarded-user", "ann"), ("x-forwarded-groups", "sre")], 401),
        ({"users": {"ann": "admin"}}, [("x-forwarded-user", "ann"), ("x-forwarded-user", "eve")], 401),
        ({"users": {"": "admin"}}, [("x-forwarded-user", "")], 401),
        (
            {"default_role": "viewer"},
            [("x-forwarded-user", "ann"), ("x-forwarded-groups", "sre"), ("x-forwarded-groups", "dev")],
            403,
        ),
    ],
)
def test_a_trusted_proxy_names_the_user(
    settings: dict[str, Any], headers: list[tuple[str, str]], status: int, seed: Seed, serve: Serve
) -> None:
    answer = serve(proxied(**settings)).post(
        "/api/v1/silences", json={"for": "1h", "monitor": "*", "by": "eve"}, headers=headers
    )
    assert answer.status_code == status
    if status == 201:
        assert (answer.json()["by"], answer.json()["verified"]) == ("ann", True)
