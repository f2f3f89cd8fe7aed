"""The client of an OpenID Connect provider: authorization code flow with PKCE (OpenID Connect Core 1.0, RFC 7636)."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import httpx

from monitor.config.access import OidcConfig
from monitor.config.models import ConfigError
from monitor.core.clock import Clock
from monitor.core.operation import LONGEST_NAME

CALLBACK = "/login/callback"
"""Path to which the provider sends people back."""
SECONDS = 10.0
"""Deadline of a request to the provider."""
LARGEST_ANSWER = 1 << 20
METADATA_AGE = timedelta(hours=1)
KEYS_AGE = timedelta(minutes=1)
"""How soon the keys are read again for an ID token that none of them has signed."""
LEEWAY_SECONDS = 60
MOST_GROUPS = 1000
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Signatures that need the provider's private key; `none` and those by a shared secret are refused."""


class ProviderError(Exception):
    """The provider does not answer, or its answer is refused; the message has no claims of a user."""


@dataclass(frozen=True)
class Attempt:
    """What a browser brings back from the provider must fit to what it left with.

    Parameters
    ----------
    state, nonce, verifier
        Random; the state returns in the address, the nonce in the ID token, and the verifier proves to the provider
        that the code is redeemed by who asked for it.
    target
        Path to open afterwards.
    """

    state: str
    nonce: str
    verifier: str
    target: str

    @classmethod
    def begin(cls, target: str) -> Attempt:
        """Return a new attempt."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        return cls(state, nonce, verifier, target)


@dataclass(frozen=True)
class User:
    """A user whom the provider has authenticated."""

    name: str
    groups: tuple[str, ...]


class Provider:
    """Sends people to the provider, and verifies what they bring back.

    Parameters
    ----------
    settings
        Issuer, client and claims.
    external_url
        Our own address.
    clock
        Current time, for the expiry of an ID token.

    Raises
    ------
    ConfigError
        If the extra `oidc` is not installed.
    """

    def __init__(self, settings: OidcConfig, external_url: str, clock: Clock) -> None:
        try:
            import authlib.oidc.core  # noqa: F401, PLC0415  an extra
        except ImportError:
            raise ConfigError('`server: auth: oidc:` needs an extra: pip install "driftd[oidc]".') from None
        self._settings = settings
        self.redirect_uri = external_url.rstrip("/") + CALLBACK
        self._clock = clock
        self._answers: dict[str, tuple[datetime, dict[str, Any]]] = {}

    async def make_url(self, attempt: Attempt) -> str:
        """Return the address at the provider where a browser begins; raises ProviderError."""
        from authlib.oauth2.rfc7636 import create_s256_code_challenge  # noqa: PLC0415  an extra

        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": " ".join(self._settings.scopes),
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": create_s256_code_challenge(attempt.verifier),
            "code_challenge_method": "S256",
        }
        endpoint = await self._find_endpoint("authorization_endpoint")
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    async def authenticate(self, code: str, attempt: Attempt) -> User:
        """Redeem a code, and return the user of the ID token; raises ProviderError."""
        tokens = await self._redeem(code, attempt)
        id_token, access_token = tokens.get("id_token"), tokens.get("access_token")
        if not isinstance(id_token, str) or not isinstance(access_token, str):
            raise ProviderError("the answer has no ID token")
        claims = await self._verify(id_token, access_token, attempt.nonce)
        wanted = (self._settings.name_claim, self._settings.groups_claim)
        if any(claim not in claims for claim in wanted):
            claims = {**await self._read_userinfo(access_token, claims["sub"]), **claims}
        return read_user(claims, self._settings)

    async def _redeem(self, code: str, attempt: Attempt) -> dict[str, Any]:
        secret = self._settings.client_secret.get_secret_value()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": attempt.verifier,
        }
        methods = (await self._metadata()).get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        auth = None
        if "client_secret_basic" in methods:
            auth = httpx.BasicAuth(quote_plus(self._settings.client_id), quote_plus(secret))  # RFC 6749, section 2.3.1
        else:
            form |= {"client_id": self._settings.client_id, "client_secret": secret}
        return await self._request("POST", await self._find_endpoint("token_endpoint"), data=form, auth=auth)

    async def _verify(self, id_token: str, access_token: str, nonce: str) -> dict[str, Any]:
        from authlib.oidc.core import CodeIDToken  # noqa: PLC0415  an extra
        from joserfc import jwt  # noqa: PLC0415
        from joserfc.errors import InvalidKeyIdError, JoseError  # noqa: PLC0415

        try:
            try:
                token = jwt.decode(id_token, await self._load_keys(METADATA_AGE), algorithms=ALGORITHMS)
            except InvalidKeyIdError:  # the provider has changed its keys
                token = jwt.decode(id_token, await self._load_keys(KEYS_AGE), algorithms=ALGORITHMS)
            claims = CodeIDToken(
                token.claims,
                token.header,
                {
                    "iss": {"essential": True, "value": self._settings.issuer},
                    "aud": {"essential": True, "value": self._settings.client_id},
                },
                {"nonce": nonce, "client_id": self._settings.client_id, "access_token": access_token},
            )
            claims.validate(int(self._clock.now().timestamp()), LEEWAY_SECONDS)
        except (JoseError, ValueError, TypeError) as error:
            raise ProviderError(f"the ID token is refused: {type(error).__name__}") from error
        return dict(claims)

    async def _read_userinfo(self, access_token: str, subject: object) -> dict[str, Any]:
        if "userinfo_endpoint" not in await self._metadata():
            return {}
        headers = {"authorization": f"Bearer {access_token}"}
        claims = await self._request("GET", await self._find_endpoint("userinfo_endpoint"), headers=headers)
        if claims.get("sub") != subject:
            raise ProviderError("the user information is that of another subject")
        return claims

    async def _load_keys(self, age: timedelta) -> Any:  # noqa: ANN401
        from joserfc.jwk import KeySet  # noqa: PLC0415  an extra

        keys = await self._load(await self._find_endpoint("jwks_uri"), age)
        return KeySet.import_key_set(keys)  # type: ignore[arg-type]

    async def _find_endpoint(self, name: str) -> str:
        endpoint = (await self._metadata()).get(name)
        if not isinstance(endpoint, str):
            raise ProviderError(f"the metadata has no {name}")
        if urlsplit(endpoint).scheme != urlsplit(self._settings.issuer).scheme:
            raise ProviderError(f"{name} has another scheme than the issuer")
        return endpoint

    async def _metadata(self) -> dict[str, Any]:
        url = f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration"
        metadata = await self._load(url, METADATA_AGE)
        if metadata.get("issuer") != self._settings.issuer:
            raise ProviderError("the metadata is that of another issuer; copy its `issuer` into driftd.yaml exactly")
        return metadata

    async def _load(self, url: str, age: timedelta) -> dict[str, Any]:
        now = self._clock.now()
        kept = self._answers.get(url)
        if kept is None or now - kept[0] >= age:
            kept = self._answers[url] = (now, await self._request("GET", url))
        return kept[1]

    async def _request(self, method: str, url: str, **options: Any) -> dict[str, Any]:  # noqa: ANN401
        try:
            async with (
                asyncio.timeout(SECONDS),
                httpx.AsyncClient(follow_redirects=False, trust_env=False) as client,
                client.stream(method, url, **options) as response,
            ):
                body = b""
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > LARGEST_ANSWER:
                        raise ProviderError("an answer is longer than 1 MiB")
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
            raise ProviderError(f"the provider does not answer: {type(error).__name__}") from error
        if not response.is_success:
            raise ProviderError(f"the provider answers with status {response.status_code}")
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise ProviderError("the provider answers with something else than a JSON object")
        return answer


def read_user(claims: Mapping[str, Any], settings: OidcConfig) -> User:
    """Return the user that verified claims name; raises ProviderError.

    Examples
    --------
    >>> settings = OidcConfig(issuer="https://id.example.com", client_id="driftd", client_secret="secret")
    >>> read_user({"email": "ann@example.com", "groups": ["sre"]}, settings)
    User(name='ann@example.com', groups=('sre',))
    """
    name, groups = claims.get(settings.name_claim), claims.get(settings.groups_claim, [])
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name.strip()) <= LONGEST_NAME:
        raise ProviderError(f"the claim {settings.name_claim} is absent or is no name")
    if settings.name_claim == "email" and claims.get("email_verified") is False:
        raise ProviderError("the e-mail address is not verified")
    listed = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
    return User(name.strip(), tuple(one for one in listed[:MOST_GROUPS] if isinstance(one, str)))
