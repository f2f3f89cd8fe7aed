"""Name the author, commit and link of suspected versions, from the registry of prompts and from deploy events. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from monitor.core.deploy_event import DEPLOY, DeployEvent
from monitor.core.incident import VERSIONS, Decision
from monitor.core.payload import Suspect
from monitor.core.prompts import Prompt, recognise


def name_suspects(decision: Decision, prompts: Sequence[Prompt], events: Sequence[DeployEvent]) -> Decision:
    """Add who made and deployed the suspects that prompts, or deploy events, newest first, describe."""
    incident = decision.incident
    leader = incident.suspected_change
    named = replace(
        incident,
        suspected_change=leader and _name(leader, prompts, events),
        suspects=[_name(suspect, prompts, events) for suspect in incident.suspects],
    )
    return replace(decision, incident=named)


def _name(suspect: Suspect, prompts: Sequence[Prompt], events: Sequence[DeployEvent]) -> Suspect:
    return _add_deployment(_add_prompt(suspect, prompts), events)


def _add_prompt(suspect: Suspect, prompts: Sequence[Prompt]) -> Suspect:
    """Add author and commit to a prompt version that is in the registry."""
    if suspect["kind"] != "prompt_version" or "prompt" in suspect:
        return suspect
    prompt = recognise(str(suspect["value"]), prompts)
    return {**suspect, "prompt": prompt.sentence() if prompt else None}


def _add_deployment(suspect: Suspect, events: Sequence[DeployEvent]) -> Suspect:
    """Add the deploy event of a suspect: the event itself, else the newest one of its version."""
    if suspect["kind"] not in (*VERSIONS, DEPLOY) or suspect.get("prompt") or "commit" in suspect:
        return suspect
    for event in events:
        is_own = (event.kind, event.change.value) == (suspect["column"], suspect["value"])
        if event.version == suspect["value"] if suspect["kind"] in VERSIONS else is_own:
            return {
                **suspect,
                "author": event.author or None,
                "commit": event.commit or None,
                "link": event.link or None,
            }
    return suspect
