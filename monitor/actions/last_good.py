"""What belongs to the version to go back to: the other version, the commit and the data of the last good stretch. Pure.

The stretch ends when the bad version appeared. What was deployed less than an hour before may be the cause, so it is no
part of the stretch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from monitor.actions.effects import NEVER_TRAFFIC, find_appearance, guilty_version, last_known_good
from monitor.core.action import Releases, Version
from monitor.core.deploy_event import DEPLOY, DeployEvent
from monitor.core.incident import VERSIONS, Incident
from monitor.core.payload import WITH
from monitor.core.prompts import Prompt, recognise

SETTLED = timedelta(hours=1)


def find_target(
    incident: Incident, versions: Sequence[Version], blamed: Sequence[str], releases: Releases
) -> Mapping[str, object] | None:
    """Return the last known good version, with what belongs to it; without the key `with` if nothing is known."""
    target, observed = last_known_good(incident, versions, blamed), guilty_version(incident)
    if target is None or observed is None:
        return target
    appeared = find_appearance(incident, versions)
    role, _ = observed
    good = str(target[role])
    other = next(name for name in VERSIONS if name != role)
    own: dict[str, object] = {}
    settled = [
        one
        for one in versions
        if one.role == other and one.value not in blamed and one.rows >= NEVER_TRAFFIC
        if one.first_seen <= appeared - SETTLED <= one.last_seen
    ]
    if len(settled) == 1:
        own[other] = settled[0].value
        came = [one.value for one in versions if one.role == other and one.first_seen > appeared - SETTLED]
        if len(came) == 1:
            own["instead_of"] = came[0]
    commit = _find_commit(good, appeared, releases.deployments)
    prompt = _find_prompt({**target, **own}, releases.prompts)
    if prompt is not None:
        own["prompt"] = prompt.label
        commit = commit or prompt.commit
    if commit:
        own["commit"] = commit
    data = next((one for one in releases.deployments if one.kind == "data" and one.at <= appeared - SETTLED), None)
    if data is not None:
        own["data"] = data.version or data.commit or data.link
    return {**target, WITH: own} if own else target


def _find_prompt(versions: Mapping[str, object], prompts: Sequence[Prompt]) -> Prompt | None:
    return recognise(str(versions["prompt_version"]), prompts) if "prompt_version" in versions else None


def _find_commit(good: str, appeared: datetime, deployments: Sequence[DeployEvent]) -> str:
    """Return the commit that deployed the good version, else the last one before the stretch ended."""
    deployed = [one for one in deployments if one.kind == DEPLOY and one.commit and one.at < appeared]
    named = [one.commit for one in deployed if one.version == good]
    unnamed = [one.commit for one in deployed if not one.version and one.at <= appeared - SETTLED]
    return [*named, *unnamed, ""][0]
