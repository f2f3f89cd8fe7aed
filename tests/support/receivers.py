"""Settings of receivers, and an attempt to deliver to one."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from monitor.actions.receivers import make_receivers
from monitor.actions.receivers.base import Deadline, Delivery, DeliveryResult, Receiver
from monitor.config.receivers import ReceiverConfig, config_model, read_receiver
from monitor.core.payload import ActionKind

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SMTP = ("email",)
"""Kinds that speak SMTP; the others speak HTTP."""
SECRET = "whsec_c2VjcmV0LW9mLXRoZS1ob29r"


MESSAGE = Delivery("id-1", "firing", {"type": "driftd.incident.firing", "data": {"headline": "bot: it rose"}}, NOW)


def effect(bad: str = "7", good: str = "6", role: str = "model_version", kind: ActionKind = "rollback") -> Delivery:
    """Return an effect that goes back from one version to another one."""
    payload = {
        "type": f"driftd.{kind}",
        "timestamp": NOW.isoformat(),
        "data": {
            "monitor": "bot",
            "severity": "critical",
            "headline": "bot: hallucination rate 63 %",
            "incident": {"id": "incident-1", "state": "firing", "rule": "answers", "opened_at": NOW.isoformat()},
            "observed_version": {role: bad},
            "target": {role: good, "rows": 900, "last_seen": NOW.isoformat()},
        },
    }
    return Delivery("id-1", kind, payload, NOW)  # type: ignore[arg-type]


def delivery_for(kind: str) -> Delivery:
    """Return what a kind of receiver gets: an effect about versions of its example, or a message."""
    config = read_receiver(config_model(kind).example)
    if config.effect_settings is None:
        return MESSAGE
    good, bad = list(getattr(config, "versions", {}) or {"6": "", "7": ""})[:2]
    return effect(bad, good, getattr(config, "role", "model_version"))


def settings_of(kind: str, **settings: Any) -> ReceiverConfig:
    """Return the example of a kind with other settings."""
    return read_receiver({**config_model(kind).example, **settings})


def slack_settings(url: str = "http://127.0.0.1:1") -> ReceiverConfig:
    """Return the settings of a Slack channel whose API listens at an address."""
    return settings_of("slack", base_url=f"{url}/api/", channel="#ml")


def receiver_at(kind: str, url: str, **settings: Any) -> Receiver:
    """Return the receiver of a kind that listens at an address."""
    place: dict[str, Any] = {config_model(kind).address_key: url}
    if kind in SMTP:
        place = {"server": urlsplit(url).netloc, "security": "none", "username": None, "password": None}
    config = settings_of(kind, **place, **settings)
    return make_receivers({kind: config})[kind]


def attempt(receiver: Receiver, delivery: Delivery, seconds: float = 10.0) -> DeliveryResult:
    """Deliver once, with so many seconds for it."""
    return receiver.deliver(delivery, Deadline.after(NOW, timedelta(seconds=seconds)))


def make_certificate(folder: Path, name: str) -> Path:
    """Make a self-signed certificate for a host: `cert.pem` and `key.pem` in the folder."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    made += ["-addext", f"subjectAltName=DNS:{name}", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(made, check=True, capture_output=True)
    return folder
