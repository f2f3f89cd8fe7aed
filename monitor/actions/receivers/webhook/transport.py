"""Send a POST request to a checked address, with one deadline for resolution, connection and response."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx

from monitor.actions.receivers.base import Deadline, DeliveryResult, NotDelivered
from monitor.actions.receivers.destination import Destination, Refused, Resolver, Unresolved, check
from monitor.core.bounded import Bounded

LONGEST_ANSWER = 64 * 1024


class WebhookTransport:
    """Posts to a URL.

    Parameters
    ----------
    timeout
        Timeout of an attempt, including resolution, connection, request and response.
    authority
        Certificates of a private authority, trusted instead of the system's. TLS is always verified.
    """

    def __init__(self, url: str, timeout: timedelta, resolve: Resolver, authority: Path | None) -> None:
        self._url = url
        self._timeout = timeout
        self._resolve = resolve
        self._resolving = Bounded()  # the system resolver has no timeout and cannot be interrupted
        self._trust = ssl.create_default_context(cafile=str(authority)) if authority else ssl.create_default_context()

    def post(self, body: bytes, headers: Mapping[str, str], deadline: Deadline) -> tuple[int, str | None]:
        """Return status and Retry-After; raises :class:`NotDelivered`.

        The response body is read up to 64 KiB and discarded.
        """
        until = deadline.within(self._timeout)
        seconds = until.seconds
        try:
            place = self._resolving.call(partial(check, self._url, self._resolve), seconds)
            return asyncio.run(self._post_until(until, place, body, headers))
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

    async def _post_until(
        self, until: Deadline, place: Destination, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, str | None]:
        async with asyncio.timeout(until.seconds):
            return await self._post(place, body, headers)

    async def _post(self, place: Destination, body: bytes, headers: Mapping[str, str]) -> tuple[int, str | None]:
        """Connect to the checked address, so that a changed DNS entry has no effect (DNS rebinding)."""
        address = f"[{place.address}]" if ":" in place.address else place.address
        name = f"[{place.host}]" if ":" in place.host else place.host
        usual = place.port == (443 if place.scheme == "https" else 80)
        sent = {**headers, "host": name if usual else f"{name}:{place.port}"}
        options = {"sni_hostname": place.host} if place.scheme == "https" else {}
        async with (
            httpx.AsyncClient(
                verify=self._trust, trust_env=False, timeout=self._timeout.total_seconds(), follow_redirects=False
            ) as client,
            client.stream(
                "POST",
                f"{place.scheme}://{address}:{place.port}{place.path}",
                content=body,
                headers=sent,
                extensions=options,
            ) as answer,
        ):
            read = 0
            async for chunk in answer.aiter_raw(8192):
                read += len(chunk)
                if read >= LONGEST_ANSWER:
                    break
            return answer.status_code, answer.headers.get("retry-after")


def _not_connected(error: httpx.ConnectError) -> DeliveryResult:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return DeliveryResult("tls", "the certificate or the handshake was rejected")
        cause = cause.__cause__ or cause.__context__
    return DeliveryResult("refused", "the connection failed", retry=True)
