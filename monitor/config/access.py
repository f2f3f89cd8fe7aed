"""Who may use the server: tokens, a reverse proxy, an OpenID Connect provider, and the roles of their users."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, IPvAnyNetwork, SecretStr, field_validator
from pydantic_core import PydanticCustomError

from monitor.config.sections import Section
from monitor.core.operation import ROLES, Role


class RoleMapping(Section):
    """Which roles the users of another system have."""

    users: dict[str, Role] = {}
    """Roles by user: viewer, responder or admin."""
    groups: dict[str, Role] = {}
    """Roles by group; the highest role of a user counts."""
    default_role: Role | None = None
    """Role of all other users; without it they are refused."""

    def find_role(self, user: str, groups: Sequence[str]) -> Role | None:
        """Return the highest role of a user; None if the user has none."""
        roles = [self.users.get(user), *(self.groups.get(group) for group in groups), self.default_role]
        return max((role for role in roles if role is not None), key=ROLES.index, default=None)


class ProxyConfig(RoleMapping):
    """A reverse proxy that authenticates people; it must remove these headers from the requests of its clients."""

    user_header: str = Field("X-Forwarded-User", pattern=r"^[A-Za-z0-9-]+$")
    """Header with the name of the user."""
    groups_header: str | None = Field(None, pattern=r"^[A-Za-z0-9-]+$")
    """Header with the groups of the user, separated by commas."""
    trusted: list[IPvAnyNetwork] = Field(min_length=1)
    """Addresses of the proxy, such as `10.0.0.0/8`; the headers of other peers are ignored."""


class OidcConfig(RoleMapping):
    """An OpenID Connect provider that authenticates people, such as Keycloak, Entra ID, Okta, Google or Dex."""

    issuer: str = Field(pattern=r"^https?://[^?#]+$")
    """Address of the provider; driftd reads `/.well-known/openid-configuration` below it. Must be https except on
    loopback."""
    client_id: str = Field(min_length=1)
    """The client that the provider knows driftd as; its redirect address is `<external_url>/login/callback`."""
    client_secret: SecretStr
    """Secret of the client; `client_secret_file` reads it from a file."""
    scopes: list[str] = ["openid", "profile", "email"]
    """Scopes that are requested; some providers send groups only with `groups`."""
    name_claim: str = "email"
    """Claim with the name of the user in the audit log; an e-mail address that the provider marks as not verified is
    refused. `sub` never changes, and is not readable with most providers."""
    groups_claim: str = "groups"
    """Claim with the list of groups."""

    @field_validator("issuer")
    @classmethod
    def _check_issuer(cls, issuer: str) -> str:
        parts = urlsplit(issuer)
        if parts.scheme != "https" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise PydanticCustomError(
                "issuer", "`issuer:` must begin with https://, since whoever can change its answers can be any user"
            )
        return issuer

    @field_validator("scopes")
    @classmethod
    def _check_scopes(cls, scopes: list[str]) -> list[str]:
        if "openid" not in scopes:
            raise PydanticCustomError(
                "scopes", "`scopes:` must contain openid; without it the provider sends no ID token"
            )
        return scopes


class AuthConfig(Section):
    """Who may use the server, besides the holders of `token`."""

    required: bool = False
    """Whether everyone needs a token of `driftd tokens create`, also on loopback, and also if `token` is not set."""
    proxy: ProxyConfig | None = None
    """A reverse proxy that authenticates people."""
    oidc: OidcConfig | None = None
    """An OpenID Connect provider that authenticates people; needs `server.external_url` and the extra `oidc`."""


class TlsConfig(Section):
    """TLS of the server itself, from TLS 1.2 on; without it, the server speaks plain HTTP."""

    cert_file: Path
    """PEM file with the certificate and the intermediate ones, relative to this file."""
    key_file: Path
    """PEM file with the unencrypted key of the certificate, relative to this file."""
