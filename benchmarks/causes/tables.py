"""The table of the scores by kind, and the goals. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, median

from benchmarks.causes.score import Score
from benchmarks.detection.tables import table
from detectors.performance.wilson import wilson

LEAST_RIGHT, MOST_INCIDENTS = 0.95, 1.1
HEAD = [
    *("kind", "n", "suspect", "sighting", "target", "quiet", "harmful"),
    *("incidents/cause", "messages/incident", "delay min", "missed"),
]


def render(scores: Sequence[Score]) -> str:
    """Return the table: a line for each kind, and one for all of them with Wilson's intervals."""
    kinds = list(dict.fromkeys(one.kind for one in scores))
    rows = [line(kind, [one for one in scores if one.kind == kind], interval=False) for kind in kinds]
    return table(HEAD, [*rows, line("total", scores, interval=True)])


def line(name: str, scores: Sequence[Score], *, interval: bool) -> list[object]:
    """Return the cells of a line."""
    per_cause = incidents_per_cause(scores)
    per_incident = [one.messages / one.incidents for one in scores if one.incidents]
    delays = [delay for one in scores for delay in one.delays if delay is not None]
    causes = sum(one.causes for one in scores)
    shares = [[getattr(one, part) for one in scores] for part in ("suspect", "sighting", "target", "quiet")]
    return [
        name,
        len(scores),
        *(share(values, interval=interval) for values in shares),
        sum(one.harmful for one in scores),
        f"{median(per_cause):.1f}, {mean(per_cause):.2f}" if per_cause else "",
        f"{mean(per_incident):.1f}" if per_incident else "",
        f"{median(delays):.0f}, {max(delays):.0f}" if delays else "",
        f"{sum(delay is None for one in scores for delay in one.delays)} of {causes}" if causes else "",
    ]


def incidents_per_cause(scores: Sequence[Score]) -> list[float]:
    """Return the incidents of each scenario that has causes, for each of them."""
    return [one.incidents / one.causes for one in scores if one.causes]


def share(values: Sequence[bool | None], *, interval: bool) -> str:
    """Return how many of the values that are known are true, in percent."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    text = f"{100 * mean(known):.0f} %"
    if not interval:
        return text
    low, high = wilson(sum(known), len(known))
    return f"{text} ({100 * low:.0f}–{100 * high:.0f})"


def missed_goals(scores: Sequence[Score]) -> list[str]:
    """Return which goals are missed."""
    missed = []
    for part in ("suspect", "quiet"):
        known = [getattr(one, part) for one in scores if getattr(one, part) is not None]
        if known and mean(known) < LEAST_RIGHT:
            missed.append(f"{part}: {100 * mean(known):.1f} %, at least {100 * LEAST_RIGHT:.0f} % wanted")
    if harmful := sum(one.harmful for one in scores):
        missed.append(f"harmful actions: {harmful}, none wanted")
    per_cause = incidents_per_cause(scores)
    if per_cause and (median(per_cause) != 1.0 or mean(per_cause) > MOST_INCIDENTS):
        wanted = f"median 1 and mean at most {MOST_INCIDENTS} wanted"
        missed.append(f"incidents per cause: median {median(per_cause):.1f}, mean {mean(per_cause):.2f}; {wanted}")
    return missed
