"""Suspects: what most likely caused the findings of an incident, and which part of the effect each explains. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import mean

from detectors.joint import JOINT
from detectors.split_attribution import ENOUGH
from monitor.core.deploy_event import DEPLOY
from monitor.core.incident import EVERYWHERE, LABEL, SEGMENT, TRAFFIC_GROWTH, UPSTREAM, VERSIONS, Change
from monitor.core.payload import Attribution, IncidentFinding, Suspect

MAJORITY = 0.5
"""A suspect explains at least this part of the columns whose rows are attributed."""
SAME_TIME = timedelta(minutes=2)
"""Versions that appear within this time are one deployment; which of them is newest says nothing."""
MOST_REFUTED = 0.89
"""Largest share of a version that is refuted: less than :data:`~detectors.split_attribution.ENOUGH`."""
DEPLOY_LASTS = timedelta(minutes=15)
"""Time after a deploy event within which its effect begins."""
SHORTEST_BUCKET = timedelta(minutes=5)
"""An effect begins somewhere in its first bucket; a deploy event is not suspected if it came later than this."""
LEAST_SHARE = 0.1
MOST_SUSPECTS = 5


@dataclass(frozen=True)
class AttributedColumn:
    """A column whose affected rows are known.

    Parameters
    ----------
    about
        What its findings are about: the model, its inputs, or the pipeline.
    """

    column: str
    about: str
    attribution: Attribution

    def share(self, name: str) -> float:
        """Return which part of the effect a version or segment explains, or with an empty name that all rows changed.

        An input that changed in all rows is not explained by a version that came at another time, however close.
        """
        attribution = self.attribution
        share = attribution["explained"].get(name, attribution.get("segments", {}).get(name, 0.0))
        is_late = self.about != "model" and name in attribution.get("refuted", ())
        return min(share, MOST_REFUTED) if is_late else share

    @property
    def affects_all(self) -> bool:
        """Return whether all rows changed since a moment."""
        return _changed_everywhere(self.attribution)

    @property
    def is_input(self) -> bool:
        """Return whether all rows of an input of the model changed."""
        return self.about != "model" and self.affects_all


def list_attributed(
    evidence: Mapping[str, IncidentFinding], versions: Collection[str] | None = None
) -> list[AttributedColumn]:
    """Return each attributed column once, by the finding whose affected rows are clearest.

    The rows of a finding over all columns jointly are those of one column; they count only if no column has a finding.

    Parameters
    ----------
    versions
        The candidates that it should tell apart; default: all. A version that came after an incident is none.
    """
    clearest: dict[str, AttributedColumn] = {}
    for item in evidence.values():
        if "attribution" not in item:
            continue
        one = AttributedColumn(str(item["column"]), item["about"], item["attribution"])
        before = clearest.get(one.column)
        if before is None or _clarity(one.attribution, versions) > _clarity(before.attribution, versions):
            clearest[one.column] = one
    if len(clearest) > 1:
        clearest.pop(JOINT, None)
    return list(clearest.values())


def _clarity(attribution: Attribution, versions: Collection[str] | None = None) -> tuple[int, float, float]:
    """Return how well an attribution tells causes apart: how many versions it knows, and how clearly it rejects one."""
    known = [name for name in attribution["explained"] if versions is None or name in versions]
    return len(known), attribution["contrast"], attribution.get("strength", 0.0)


def _version_keys(changes: Sequence[Change], since: datetime) -> set[str]:
    return {change.key for change in changes if change.kind in VERSIONS and change.first_seen >= since}


def rank_suspects(changes: Sequence[Change], since: datetime, evidence: Mapping[str, IncidentFinding]) -> list[Suspect]:
    """Return the candidate causes of the evidence, the most likely first.

    The first one is what :func:`choose_suspect` returns. Where nothing in the log explains the evidence, it is that all
    rows changed (``everywhere``). The others follow by the part of the effect that they explain, at least a tenth.

    Parameters
    ----------
    changes
        First occurrences; those before ``since`` are not candidates.
    """
    columns = list_attributed(evidence, _version_keys(changes, since))
    leader = choose_suspect(changes, since, evidence)
    if not columns:
        return [leader] if leader else []
    candidates = [*_suspect_versions(changes, since, columns), *_suspect_segments(columns)]
    if leader is None and _list_affected(columns):
        leader = _suspect(EVERYWHERE, "", "", _earliest(columns), mean(one.share("") for one in columns))
    others = [one for one in candidates if one["share"] >= LEAST_SHARE and not is_same_suspect(one, leader)]
    others.sort(key=lambda one: -one["share"])
    return [*([leader] if leader else []), *others][:MOST_SUSPECTS]


def choose_suspect(
    changes: Sequence[Change], since: datetime, evidence: Mapping[str, IncidentFinding]
) -> Suspect | None:
    """Return the most likely cause of the evidence; None if nothing in the log explains it.

    Where rows are attributed (:mod:`monitor.alerting.attribution`), a suspect must explain most of the columns. These
    are considered in order: a change of the class balance of the labels, a version, a new category, a segment whose
    rows alone are affected, a deploy event just before all rows changed, more traffic, and an input whose values
    changed in all rows. Versions that explain the same are ranked by whether they are a drifted segment, then by kind
    (model, prompt), then by time, newest first.
    """
    columns = list_attributed(evidence, _version_keys(changes, since))
    recent = [change for change in changes if change.first_seen >= since]
    if not columns:
        return _choose_by_time(recent, evidence)
    names = {one.column for one in columns}
    categories = [c for c in recent if c.kind == "category" and c.column in names]
    return (
        _choose_labels(columns)
        or _choose_version(recent, evidence, columns)
        or _newest(categories, len(categories) / len(names))
        or _choose_segment(columns)
        or _choose_deployment(recent, columns)
        or _choose_growth(recent, columns)
        or _choose_input(columns)
    )


DEPLOYMENTS: Mapping[str, str] = {
    "deploy": "deployment of",
    "config": "change of the configuration",
    "data": "change of the data",
}


def describe_suspect(suspect: Suspect) -> str:
    """Return what is suspected, without its time."""
    kind, column, value = suspect["kind"], suspect["column"], suspect["value"]
    described = {
        SEGMENT: f"only {column} {value!r} is affected",
        UPSTREAM: f"the values of {column!r} are different",
        LABEL: "the class balance of the labels changed, and explains the scores",
        TRAFFIC_GROWTH: f"more traffic: {value}",
        EVERYWHERE: "all records are affected; no change in the log explains it",
        DEPLOY: f"{DEPLOYMENTS.get(column, column)} {value!r}",
    }
    return described.get(kind, f"{column} {value!r}")


def affects_all(item: IncidentFinding) -> bool:
    """Return whether all rows changed since a moment; true where no rows are attributed."""
    return "attribution" not in item or _changed_everywhere(item["attribution"])


def _changed_everywhere(attribution: Attribution) -> bool:
    return attribution["explained"].get("", 0.0) >= ENOUGH


def _list_affected(columns: Sequence[AttributedColumn]) -> list[AttributedColumn]:
    """Return the columns that changed in all rows; none if they are the minority."""
    affected = [one for one in columns if one.affects_all]
    return affected if len(affected) >= MAJORITY * len(columns) else []


def explains(version: str, evidence: Mapping[str, IncidentFinding]) -> bool:
    """Return whether a version, `role=value`, explains most of the columns; true where no rows are attributed."""
    return _vote(version, list_attributed(evidence)) >= MAJORITY


def is_same_suspect(one: Suspect, other: Suspect | None) -> bool:
    """Return whether two suspects are the same change."""
    return other is not None and all(one[key] == other[key] for key in ("kind", "column", "value"))


def measure_share(suspect: Suspect, items: Mapping[str, IncidentFinding]) -> float:
    """Return which part of some findings a suspected version explains; of all findings, if no rows are attributed."""
    columns = list_attributed(items)
    return _mean_share(f"{suspect['column']}={suspect['value']}", columns) if columns else suspect.get("share", 0.0)


def _vote(name: str, columns: Sequence[AttributedColumn]) -> float:
    """Return the part of the attributed columns that a version or segment explains; 1 if there is none."""
    if not columns:
        return 1.0
    return mean(one.attribution["segment"] == name or one.share(name) >= ENOUGH for one in columns)


def _mean_share(name: str, columns: Sequence[AttributedColumn]) -> float:
    return mean(one.share(name) for one in columns)


def _suspect_versions(
    changes: Sequence[Change], since: datetime, columns: Sequence[AttributedColumn]
) -> Iterator[Suspect]:
    for change in changes:
        if change.kind in VERSIONS and change.first_seen >= since:
            yield _of_change(change, _mean_share(change.key, columns))


def _suspect_segments(columns: Sequence[AttributedColumn]) -> Iterator[Suspect]:
    for name in sorted({name for one in columns for name in one.attribution.get("segments", {})}):
        column, _, value = name.partition("=")
        yield _suspect(SEGMENT, column, value, _earliest(columns), _mean_share(name, columns))


def _choose_by_time(recent: Sequence[Change], evidence: Mapping[str, IncidentFinding]) -> Suspect | None:
    """Return the change that came before evidence without attributed rows: the newest version, else the newest."""
    newest = max((change.first_seen for change in recent if change.kind in VERSIONS), default=None)
    versions = [change for change in recent if newest and change.first_seen >= newest - SAME_TIME]
    if versions:
        return _choose_version(versions, evidence, ())
    return _newest([change for change in recent if change.kind != TRAFFIC_GROWTH])


def _choose_version(
    recent: Sequence[Change], evidence: Mapping[str, IncidentFinding], columns: Sequence[AttributedColumn]
) -> Suspect | None:
    segments = {item["segment"] for item in evidence.values() if item["segment"]}
    votes = {change: _vote(change.key, columns) for change in recent if change.kind in VERSIONS}
    best = max(
        (change for change in votes if votes[change] >= MAJORITY),
        key=lambda change: (
            votes[change],
            change.key in segments,
            change.kind == "model_version",
            change.kind == "prompt_version",
            change.first_seen,
        ),
        default=None,
    )
    if best is None:
        return None
    return _of_change(best, _mean_share(best.key, columns) if columns else None)


def _choose_labels(columns: Sequence[AttributedColumn]) -> Suspect | None:
    shares = [one.attribution.get("labels", 0.0) for one in columns]
    if sum(share >= ENOUGH for share in shares) < MAJORITY * len(columns):
        return None
    return _suspect(LABEL, "label", "label", _earliest(columns), mean(shares))


def _choose_segment(columns: Sequence[AttributedColumn]) -> Suspect | None:
    names = [one.attribution["segment"] for one in columns if one.attribution["segment"] is not None]
    name = max(sorted(set(names)), key=names.count, default=None)
    if name is None or names.count(name) < MAJORITY * len(columns):
        return None
    column, _, value = name.partition("=")
    affected = [one for one in columns if one.attribution["segment"] == name]
    return _suspect(SEGMENT, column, value, _earliest(affected), _mean_share(name, columns))


def _choose_deployment(recent: Sequence[Change], columns: Sequence[AttributedColumn]) -> Suspect | None:
    """Return the newest deploy event just before most columns changed in all rows."""
    affected = _list_affected(columns)
    if not affected:
        return None
    since = datetime.fromisoformat(_earliest(affected))
    until = datetime.fromisoformat(min(one.attribution.get("until", one.attribution["since"]) for one in affected))
    before = [
        change
        for change in recent
        if change.kind == DEPLOY and since - DEPLOY_LASTS <= change.first_seen <= max(since, until) + SHORTEST_BUCKET
    ]
    return _newest(before, _mean_share("", columns))


def _choose_growth(recent: Sequence[Change], columns: Sequence[AttributedColumn]) -> Suspect | None:
    """Return the growth of the traffic, if outputs changed in all rows and no input did."""
    affected = _list_affected(columns)
    growth = [change for change in recent if change.kind == TRAFFIC_GROWTH]
    if not affected or any(one.is_input for one in affected):
        return None
    return _newest(growth, _mean_share("", columns))


def _choose_input(columns: Sequence[AttributedColumn]) -> Suspect | None:
    """Return the input that changed most, if most columns changed in all rows."""
    inputs = [one for one in _list_affected(columns) if one.is_input]
    if not inputs:
        return None
    first = max(inputs, key=lambda one: one.attribution.get("strength", 0.0))
    return _suspect(UPSTREAM, first.column, first.column, first.attribution["since"], _mean_share("", columns))


def _newest(changes: Sequence[Change], share: float | None = None) -> Suspect | None:
    newest = max(changes, key=lambda change: change.first_seen, default=None)
    return None if newest is None else _of_change(newest, share)


def _earliest(columns: Sequence[AttributedColumn]) -> str:
    return min(one.attribution["since"] for one in columns)


def _of_change(change: Change, share: float | None) -> Suspect:
    return _suspect(change.kind, change.column, change.value, change.first_seen.isoformat(), share)


def _suspect(kind: str, column: str, value: str, first_seen: str, share: float | None) -> Suspect:
    suspect: Suspect = {"kind": kind, "column": column, "value": value, "first_seen": first_seen}
    return suspect if share is None else {**suspect, "share": round(share, 3)}


def merge_attribution(before: Attribution | None, now: Attribution | None) -> Attribution | None:
    """Return the attribution that tells the versions apart best.

    One with additional versions replaces the old one, and one that lacks a version never does: it is too old to be in
    the window. The first affected bucket is the earliest that was found.
    """
    if now is None or before is None:
        return now or before
    fresh, older = set(now["explained"]), set(before["explained"])
    replaces = older < fresh or (fresh == older and _clarity(now) >= _clarity(before))
    chosen = now if replaces else before
    if now["segment"] == before["segment"]:
        return {**chosen, "since": min(now["since"], before["since"])}
    return chosen
