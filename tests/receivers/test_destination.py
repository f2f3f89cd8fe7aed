"""Addresses that stand for others: IPv4 inside IPv6 is judged as what it is, and translators are refused."""

from __future__ import annotations

import pytest

from monitor.actions.receivers.destination import Refused, check


def resolved(url: str, *addresses: str) -> str:
    return check(url, lambda _host, _port: addresses).address


@pytest.mark.parametrize("address", ["::ffff:127.0.0.1", "::ffff:10.1.2.3", "::ffff:192.168.0.9"])
def test_a_mapped_private_address_is_private(address: str) -> None:
    assert resolved("http://deploy.internal/", address) == address


def test_a_mapped_public_address_needs_https() -> None:
    assert resolved("https://example.com/", "::ffff:8.8.8.8") == "::ffff:8.8.8.8"
    with pytest.raises(Refused, match="plain http"):
        resolved("http://example.com/", "::ffff:8.8.8.8")


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("::ffff:169.254.169.254", "link-local"),
        ("::ffff:0.0.0.0", "unspecified"),
        ("::ffff:0.1.2.3", "this network"),
        ("::ffff:224.0.0.1", "multicast"),
        ("::ffff:240.0.0.1", "reserved"),
        ("64:ff9b::a9fe:a9fe", "reserved"),
        ("64:ff9b::7f00:1", "reserved"),
        ("64:ff9b:1::a9fe:a9fe", "reserved"),
        ("::127.0.0.1", "reserved"),
        ("240.0.0.1", "reserved"),
    ],
)
def test_an_embedded_address_that_no_receiver_has_is_refused(address: str, why: str) -> None:
    for addresses in ((address,), ("8.8.8.8", address)):
        with pytest.raises(Refused, match=why):
            resolved("https://example.com/", *addresses)
