"""Sign and verify requests as defined by Standard Webhooks."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

TOLERANCE = timedelta(minutes=5)


def parse_keys(secrets: str) -> list[bytes]:
    """Return the keys of secrets separated by spaces: base64 after ``whsec_``, else the bytes of the secret."""
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
    """Return the three headers of Standard Webhooks for the bytes of a body.

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
    marks = [base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in parse_keys(secrets)]
    return {
        "webhook-id": identity,
        "webhook-timestamp": seconds,
        "webhook-signature": " ".join(f"v1,{mark}" for mark in marks),
    }


def verify(secrets: str, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
    """Return whether a request has a valid signature and a timestamp within five minutes; for use in receivers.

    Parameters
    ----------
    headers
        Headers with lower-case names.
    """
    try:
        identity, seconds = headers["webhook-id"], int(headers["webhook-timestamp"])
        signatures = headers["webhook-signature"].split()
    except (KeyError, ValueError):
        return False
    if abs(now.timestamp() - seconds) > TOLERANCE.total_seconds():
        return False
    ours = sign(secrets, identity, datetime.fromtimestamp(seconds, UTC), body)["webhook-signature"].split()
    return any(hmac.compare_digest(mine.encode(), theirs.encode()) for mine in ours for theirs in signatures)
