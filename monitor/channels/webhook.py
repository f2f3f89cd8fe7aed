"""Webhooks after Standard Webhooks: one signed POST, one deadline for all of it, one outcome."""

from __future__ import annotations

import asyncio
import base64
import binascii
import email.utils
import hashlib
import hmac
import json
import ssl
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import httpx

from monitor.channels.base import Message, Outcome
from monitor.channels.destination import Destination, Refused, Resolver, Unresolved, check, system_resolver
from monitor.core.tasks import Bounded

TOLERANCE = timedelta(minutes=5)
LONGEST_ANSWER = 64 * 1024
LONGEST_PAUSE = timedelta(hours=1)


def keys_of(secrets: str) -> list[bytes]:
    """Return the keys of one or more secrets, separated by spaces: ``whsec_`` is base64, anything else its bytes."""
    keys = []
    for secret in secrets.split():
        if secret.startswith("whsec_"):
            try:
                keys.append(base64.b64decode(secret.removeprefix("whsec_"), validate=True))
                continue
            except binascii.Error:
                pass
        keys.append(secret.encode())
    return keys


def sign(secrets: str, identity: str, moment: datetime, body: bytes) -> dict[str, str]:
    """Return the three headers of Standard Webhooks over the exact bytes of a body.

    Examples
    --------
    >>> from datetime import datetime, UTC
    >>> moment = datetime(2021, 2, 24, 18, 17, 51, tzinfo=UTC)
    >>> sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek",
    ...      datetime.fromtimestamp(1614265330, UTC), b'{"test": 2432232314}')["webhook-signature"]
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    seconds = str(int(moment.timestamp()))
    signed = f"{identity}.{seconds}.".encode() + body
    marks = [base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys_of(secrets)]
    return {
        "webhook-id": identity,
        "webhook-timestamp": seconds,
        "webhook-signature": " ".join(f"v1,{mark}" for mark in marks),
    }


def verify(secrets: str, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
    """Say whether a request is ours and not older or newer than five minutes: copy this to your receiver.

    Parameters
    ----------
    headers
        With lower-case names.
    """
    try:
        identity, seconds = headers["webhook-id"], int(headers["webhook-timestamp"])
        given = headers["webhook-signature"].split()
    except (KeyError, ValueError):
        return False
    if abs(now.timestamp() - seconds) > TOLERANCE.total_seconds():
        return False
    ours = sign(secrets, identity, datetime.fromtimestamp(seconds, UTC), body)["webhook-signature"].split()
    return any(hmac.compare_digest(mine.encode(), theirs.encode()) for mine in ours for theirs in given)


class Webhook:
    """Posts messages to one URL.

    Parameters
    ----------
    url, secrets
        Of the configuration; several secrets, separated by spaces, sign while one is rotated.
    timeout
        Deadline of one attempt: name, connection, request and answer together.
    authority
        Certificates to trust instead of the usual ones, for a private authority. TLS is always verified.
    """

    def __init__(
        self,
        url: str,
        secrets: str,
        timeout: timedelta = timedelta(seconds=10),
        resolve: Resolver = system_resolver,
        authority: Path | None = None,
    ) -> None:
        self._url = url
        self._secrets = secrets
        self._timeout = timeout
        self._resolve = resolve
        self._resolving = Bounded()  # a resolver waits as long as it likes, and cannot be interrupted
        self._trust = ssl.create_default_context(cafile=str(authority)) if authority else ssl.create_default_context()

    def deliver(self, message: Message, now: datetime) -> Outcome:
        """Try once; the answer's body is read up to 64 KiB and thrown away."""
        body = json.dumps(message.payload, allow_nan=False, separators=(",", ":")).encode()
        headers = {"content-type": "application/json", "user-agent": "driftd", "accept-encoding": "identity"}
        headers.update(sign(self._secrets, message.id, now, body))
        try:
            ends = time.monotonic() + self._timeout.total_seconds()
            place = self._resolving.call(partial(check, self._url, self._resolve), self._timeout.total_seconds())
            return asyncio.run(self._within_deadline(place, body, headers, now, ends - time.monotonic()))
        except TimeoutError:
            return Outcome("timeout", f"no answer within {self._timeout.total_seconds():g} s", retry=True)
        except Unresolved as error:
            return Outcome("dns", str(error), retry=True)
        except Refused as error:
            return Outcome("refused", str(error))
        except httpx.ConnectError as error:
            return _not_connected(error)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return Outcome("other", type(error).__name__, retry=True)

    async def _within_deadline(
        self, place: Destination, body: bytes, headers: Mapping[str, str], now: datetime, seconds: float
    ) -> Outcome:
        async with asyncio.timeout(seconds):
            return await self._post(place, body, headers, now)

    async def _post(self, place: Destination, body: bytes, headers: Mapping[str, str], now: datetime) -> Outcome:
        """Connect to the checked address, so that a name that changes its mind meanwhile changes nothing."""
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
            return judge_status(answer.status_code, answer.headers.get("retry-after"), now)


def _not_connected(error: httpx.ConnectError) -> Outcome:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return Outcome("tls", "the certificate or the handshake was refused")
        cause = cause.__cause__ or cause.__context__
    return Outcome("refused", "nothing accepts connections there", retry=True)


def judge_status(status: int, retry_after: str | None, now: datetime) -> Outcome:
    """Return what a status means. Only 2xx delivers, and 409: somebody has done it already."""
    pause = pause_of(retry_after, now)
    said = f"status {status}"
    if 200 <= status < 300:
        return Outcome("delivered", said)
    if status == 409:
        return Outcome("delivered", "status 409: it was done already")
    if status in (401, 403):
        return Outcome("auth", said)
    if status == 429:
        return Outcome("rate_limited", said, retry=True, retry_after=pause)
    if status in (408, 425):
        return Outcome("timeout", said, retry=True, retry_after=pause)
    if status >= 500:
        return Outcome("server", said, retry=True, retry_after=pause)
    return Outcome("client", said)


def pause_of(text: str | None, now: datetime) -> timedelta | None:
    """Read Retry-After, seconds or a date; the outbox never waits for less than its own back-off, or for very long."""
    if not text:
        return None
    try:
        pause = timedelta(seconds=min(float(text), LONGEST_PAUSE.total_seconds()))
    except (ValueError, OverflowError):
        try:
            moment = email.utils.parsedate_to_datetime(text)
        except (TypeError, ValueError):
            return None
        pause = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now
    return min(max(pause, timedelta(0)), LONGEST_PAUSE)
