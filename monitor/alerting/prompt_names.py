"""Name the author and commit of suspected prompt versions. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from monitor.core.incident import Decision
from monitor.core.payload import Suspect
from monitor.core.prompts import Prompt, recognise


def name_prompts(decision: Decision, prompts: Sequence[Prompt]) -> Decision:
    """Add author and commit to the suspected prompt versions that are in the registry."""
    incident = decision.incident
    leader = incident.suspected_change
    named = replace(
        incident,
        suspected_change=leader and _name(leader, prompts),
        suspects=[_name(suspect, prompts) for suspect in incident.suspects],
    )
    return replace(decision, incident=named)


def _name(suspect: Suspect, prompts: Sequence[Prompt]) -> Suspect:
    if suspect["kind"] != "prompt_version" or "prompt" in suspect:
        return suspect
    prompt = recognise(str(suspect["value"]), prompts)
    return {**suspect, "prompt": prompt.sentence() if prompt else None}
