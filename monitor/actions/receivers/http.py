"""Send an HTTP request to a checked address, with one deadline for resolution, connection and response."""

from __future__ import annotations

import asyncio
import ssl
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx

from monitor.actions.receivers.base import Deadline, DeliveryResult, NotDelivered
from monitor.actions.receivers.destination import Destination, Refused, Resolver, Unresolved, check, system_resolver
from monitor.actions.receivers.requests import LONGEST_ANSWER, HttpRequest, HttpResponse
from monitor.core.bounded import Bounded

USER_AGENT = {"user-agent": "driftd", "accept-encoding": "identity"}


class HttpTransport:
    """Sends requests. Redirects are not followed, proxies are not used, and TLS is always verified.

    Parameters
    ----------
    timeout
        Timeout of a request, including resolution, connection and response.
    authority
        File with the certificates of a private authority, trusted instead of the system's and read for each request.
    """

    def __init__(self, timeout: timedelta, resolve: Resolver = system_resolver, authority: Path | None = None) -> None:
        self._timeout = timeout
        self._resolve = resolve
        self._resolving = Bounded()  # the system resolver has no timeout and cannot be interrupted
        self._authority = authority
        self._trust = None if authority else ssl.create_default_context()

    def send(self, request: HttpRequest, deadline: Deadline, most: int = LONGEST_ANSWER) -> HttpResponse:
        """Send a request once and return the response; raises :class:`NotDelivered`.

        The body of the response is read up to ``most`` bytes.
        """
        until = deadline.within(self._timeout)
        seconds = until.seconds
        try:
            place = self._resolving.call(partial(check, request.url, self._resolve), seconds)
            return asyncio.run(self._send_until(until, place, request, most))
        except TimeoutError:
            result = DeliveryResult("timeout", f"no answer within {seconds:.3g} s", retry=True)
        except Unresolved as error:
            result = DeliveryResult("dns", str(error), retry=True)
        except Refused as error:
            result = DeliveryResult("refused", str(error))
        except httpx.ConnectError as error:
            result = _not_connected(error)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            result = DeliveryResult("other", type(error).__name__, retry=True)
        raise NotDelivered(result)

    async def _send_until(self, until: Deadline, place: Destination, request: HttpRequest, most: int) -> HttpResponse:
        async with asyncio.timeout(until.seconds):
            return await self._send(place, request, most)

    async def _send(self, place: Destination, request: HttpRequest, most: int) -> HttpResponse:
        """Connect to the checked address, so that a changed DNS entry has no effect (DNS rebinding)."""
        address = f"[{place.address}]" if ":" in place.address else place.address
        name = f"[{place.host}]" if ":" in place.host else place.host
        usual = place.port == (443 if place.scheme == "https" else 80)
        sent = {**USER_AGENT, **request.headers, "host": name if usual else f"{name}:{place.port}"}
        options = {"sni_hostname": place.host} if place.scheme == "https" else {}
        timeout = self._timeout.total_seconds()
        async with (
            httpx.AsyncClient(
                verify=self._read_trust(place.scheme), trust_env=False, timeout=timeout, follow_redirects=False
            ) as client,
            client.stream(
                request.method,
                f"{place.scheme}://{address}:{place.port}{place.path}",
                content=request.body,
                headers=sent,
                extensions=options,
            ) as answer,
        ):
            body, complete = await _read(answer, most)
            return HttpResponse(answer.status_code, answer.headers.get("retry-after"), body, complete)

    def _read_trust(self, scheme: str) -> ssl.SSLContext:
        if self._trust is not None:
            return self._trust
        if scheme == "http":
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            return ssl.create_default_context(cafile=str(self._authority))
        except (OSError, ssl.SSLError):
            raise NotDelivered(DeliveryResult("tls", "the certificates of `ca_file:` cannot be read")) from None


async def _read(answer: httpx.Response, most: int) -> tuple[bytes, bool]:
    parts, size = [], 0
    async for chunk in answer.aiter_raw(8192):
        parts.append(chunk)
        size += len(chunk)
        if size > most:
            return b"".join(parts)[:most], False
    return b"".join(parts), True


def _not_connected(error: httpx.ConnectError) -> DeliveryResult:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return DeliveryResult("tls", "the certificate or the handshake was rejected")
        cause = cause.__cause__ or cause.__context__
    return DeliveryResult("refused", "the connection failed", retry=True)
