"""What restrains effects at a time, whatever their incident is: freeze windows, and most monitors firing at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from monitor.config.models import Monitor
from monitor.config.muting import MuteTimes
from monitor.config.receivers import EffectSettings
from monitor.core.firing import FEWEST_MONITORS, FiringMonitors
from monitor.core.incident import Incident

FREEZE = "freeze window"
"""Beginning of the reason, by which stored effects are recognised."""
LONGEST_FREEZE = timedelta(days=14)
"""How far ahead the end of a freeze window is searched."""
STEP = timedelta(minutes=1)
STORM_WITHIN = timedelta(hours=1)
"""Other incidents that fired this long before an incident opened, or later, count as simultaneous."""
STORM_HOLD = timedelta(seconds=10)
"""Time for which an automatic effect waits before it is sent, as others may fire by the same buckets."""


@dataclass(frozen=True)
class Restraints:
    """Why an effect is not sent now.

    Parameters
    ----------
    freeze
        The freeze window during which nothing is changed, and when it ends.
    storm
        That most monitors fire at once, so that an automatic effect waits for approval.
    hold
        Time until an automatic effect is sent; none if there are too few monitors for a storm.
    """

    freeze: str | None = None
    storm: str | None = None
    hold: timedelta = timedelta(0)


NONE = Restraints()


def find_restraints(
    monitor: Monitor, effect: EffectSettings, incident: Incident, firing: FiringMonitors, now: datetime
) -> Restraints:
    """Return what restrains an effect of an incident."""
    return Restraints(
        describe_freeze(monitor.muting.times, effect, now),
        describe_storm(firing, monitor.name, incident.opened_at, now),
        STORM_HOLD if firing.watched >= FEWEST_MONITORS else timedelta(0),
    )


def describe_freeze(times: Mapping[str, MuteTimes], effect: EffectSettings, now: datetime) -> str | None:
    """Return the freeze window that contains a time, and until when; None if there is none."""
    named = [times[name] for name in effect.freeze if name in times]
    current = next((one for one in named if one.contains(now)), None)
    if current is None:
        return None
    end = now + STEP
    while any(one.contains(end) for one in named):
        if end - now >= LONGEST_FREEZE:
            return f"{FREEZE} {current.name}: effects are held until further notice"
        end += STEP
    return f"{FREEZE} {current.name}: effects are held until {end:%Y-%m-%d %H:%M} UTC"


def describe_storm(firing: FiringMonitors, monitor: str, opened_at: datetime, now: datetime) -> str | None:
    """Return that most monitors fire at the same time as an incident; None if they do not."""
    since = opened_at - STORM_WITHIN
    everyone = replace(firing, fired_at={**firing.fired_at, monitor: now})
    if not everyone.are_most(since):
        return None
    count = len(everyone.list_since(since))
    share = f"{count} of {max(count, firing.watched)} monitors"
    return f"{share} fire at the same time: the cause may be the log or the pipeline"
