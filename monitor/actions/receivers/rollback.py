"""Roll back to the version in an action: what a service calls it, and whether it still serves the bad one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from monitor.actions.receivers.base import Delivery, DeliveryResult, NotDelivered
from monitor.actions.receivers.fill import fill_text
from monitor.config.effect_receivers import RollbackReceiverConfig
from monitor.core.payload import read_companions


@dataclass(frozen=True)
class VersionChange:
    """The bad version and the one to go back to, as a service calls them."""

    bad: str
    good: str


def read_change(config: RollbackReceiverConfig, delivery: Delivery) -> VersionChange:
    """Return the versions of a rollback; raises :class:`NotDelivered` if the action has none of the right role."""
    data = delivery.payload.get("data") or {}
    target = dict(data.get("target") or {})
    more = read_companions(target)
    good = target.get(config.role, more.get(config.role))
    bad: object = dict(data.get("observed_version") or {}).get(config.role)
    if config.role in more:  # the other version of the target; it may not have changed
        bad = more.get("instead_of", good)
    if not isinstance(good, str) or not isinstance(bad, str):
        raise NotDelivered(DeliveryResult("client", f"the action names no {config.role} to go back to"))
    return VersionChange(name_version(config, bad), name_version(config, good))


def name_version(config: RollbackReceiverConfig, version: str) -> str:
    """Return what the service calls a version of the log."""
    return config.versions.get(version) or fill_text(config.target, {"version": version})


def require_numbers(change: VersionChange, service: str) -> VersionChange:
    """Return versions that are numbers; raises :class:`NotDelivered` if one is not."""
    for version in (change.good, change.bad):
        if not (version.isascii() and version.isdigit()):
            detail = f"a version of {service} is a number: write the numbers of your versions under `versions:`"
            raise NotDelivered(DeliveryResult("client", detail))
    return change


def move_back(pointer: str, current: object, change: VersionChange, move: Callable[[], object]) -> DeliveryResult:
    """Move a pointer, such as an alias, from the bad version to the good one; raises :class:`NotDelivered`.

    Parameters
    ----------
    current
        The version that the pointer has now.
    move
        Moves it.
    """
    if str(current) == change.good:
        return DeliveryResult("delivered", f"{pointer} already points at version {change.good}")
    if str(current) != change.bad:
        is_number = str(current).isascii() and str(current).isdigit()
        where = f"version {current}" if is_number else "another version"
        return DeliveryResult("refused", f"{pointer} points at {where}, not at the suspect")
    move()
    detail = f"{pointer} points at version {change.good} again"
    return DeliveryResult("delivered", detail, receipt={"before": change.bad, "after": change.good})
