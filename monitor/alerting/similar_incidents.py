"""Past incidents that are like one: the same checks and columns, and the same kind of suspect. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.core.incident import Incident

LEAST_ALIKE = 0.5
MOST = 3


def find_similar(incident: Incident, past: Sequence[Incident]) -> list[Incident]:
    """Return the resolved incidents that are most like one, at most three, the most similar first, then the newest.

    The similarity is the share of the checks and columns of either that both have (Jaccard), of which the kind and
    column of the suspect is one. At least half must be common.
    """
    own = _describe(incident)
    alike = [
        (_similarity(own, _describe(one)), one)
        for one in past
        if one.state == "resolved" and one.fired_at is not None and one.id != incident.id
    ]
    chosen = [(share, one) for share, one in alike if share >= LEAST_ALIKE]
    return [one for _, one in sorted(chosen, key=lambda pair: (-pair[0], -pair[1].opened_at.timestamp()))][:MOST]


def _describe(incident: Incident) -> set[tuple[str, str | None]]:
    subjects: set[tuple[str, str | None]] = {(item["check"], item["column"]) for item in incident.evidence.values()}
    suspect = incident.suspected_change
    return subjects | ({(suspect["kind"], suspect["column"])} if suspect else set())


def _similarity(one: set[tuple[str, str | None]], other: set[tuple[str, str | None]]) -> float:
    return len(one & other) / len(one | other) if one | other else 0.0
