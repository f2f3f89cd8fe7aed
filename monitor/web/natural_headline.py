"""Headline of an incident for people: its quantity in natural units, and where it differs. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitor.alerting.messages.headline import first_clause
from monitor.core.incident import NO_DATA, VERSIONS, Incident
from monitor.web.evidence_view import rank_evidence
from monitor.web.formatting import capital, number, sentence

_NUMBER = r"-?[\d.,]+(?:e[+-]?\d+)?(?: %| s)?"
_QUANTITY = re.compile(
    rf"(?P<name>.+) (?P<value>{_NUMBER}) \(95 % interval (?P<low>\S+)–(?P<high>{_NUMBER})\)(?P<note>.*), "
    rf"(?P<reference>.+) (?P<before>{_NUMBER})",
    re.DOTALL,
)
"""The first clause of a finding's sentence, as :meth:`detectors.sentence.Quantity.describe` writes it."""
NO_BREAK = "\u00a0"
_NO_LABELS = " (without labels)"


@dataclass(frozen=True)
class NaturalQuantity:
    """The quantity of a finding as texts with units, such as 51.6 %.

    Parameters
    ----------
    where
        The segment that it was measured in, such as ` on small-7b`; empty for all rows.
    is_estimated
        Whether it is a mean score without labels.
    """

    name: str
    where: str
    value: str
    low: str
    high: str
    before: str
    reference: str
    is_estimated: bool

    @property
    def unit(self) -> str:
        """Return `%`, `s`, or an empty string."""
        return self.value.rpartition(" ")[2] if " " in self.value else ""


def parse_quantity(item: Mapping[str, Any], text: str) -> NaturalQuantity | None:
    """Return the quantity of a sentence about a finding; None if it only has a statistic."""
    match = _QUANTITY.fullmatch(first_clause(text))
    if match is None:
        return None
    name, segment = match["name"], item.get("segment")
    for preposition in (" in ", " of ") if segment else ():
        name = name.removesuffix(f"{preposition}{segment}")
    return NaturalQuantity(
        name=name.replace(_NO_LABELS, ""),
        where=describe_segment(segment),
        value=match["value"],
        low=match["low"],
        high=match["high"],
        before=match["before"],
        reference="in the baseline" if match["reference"] == "baseline" else f"in {match['reference']}",
        is_estimated=_NO_LABELS in name,
    )


def describe_segment(segment: str | None) -> str:
    """Return where a finding was measured, after a verb.

    Examples
    --------
    >>> describe_segment("model_version=small-7b"), describe_segment("country=IS"), describe_segment(None)
    (' on small-7b', ' for country=IS', '')
    """
    if not segment:
        return ""
    column, _, value = segment.partition("=")
    return f" on {value}" if column in VERSIONS and value else f" for {segment}"


def lead_finding(incident: Incident) -> dict[str, Any] | None:
    """Return the finding that harms users most, None if the incident has no findings."""
    return next(iter(rank_evidence(incident.evidence)), None)


def write_title(incident: Incident) -> str:
    """Return what is wrong in natural units, without the name of the monitor; of a resolved incident at its worst."""
    item = lead_finding(incident)
    if incident.rule == NO_DATA:
        return "There was no data" if incident.state == "resolved" else "No data"
    if item is None:
        return capital(first_clause(incident.reason))
    is_over = incident.state == "resolved"
    text = str(item["reason"])
    peak = str(item.get("peak") or text) if is_over else text
    quantity = parse_quantity(item, peak) or parse_quantity(item, text)
    if quantity is None:
        return capital(first_clause(text))
    verb = "was" if is_over else "is"
    value, before = (text.replace(" ", NO_BREAK) for text in (quantity.value, quantity.before))
    return capital(f"{quantity.name} {verb} {value}{quantity.where}, {before} {quantity.reference}")


def write_lead(incident: Incident) -> str:
    """Return the sentence below the title: the interval, the statistic with its threshold, and the sample sizes."""
    item = lead_finding(incident)
    if item is None or incident.rule == NO_DATA:
        return sentence(first_clause(incident.reason))
    text = str(item["reason"])
    quantity = parse_quantity(item, text)
    rest = text.partition("; ")[2] if quantity else ""
    counts = f"{number(item['n_window'])} records in the window, {number(item['n_baseline'])} in the baseline."
    estimated = "Estimated by a score, no labels yet. " if quantity and quantity.is_estimated else ""
    interval = f"95 % interval {quantity.low}–{quantity.high}" if quantity else ""
    facts = "; ".join(filter(None, [interval, rest]))
    return f"{estimated}{sentence(facts) + ' ' if facts else ''}{counts}"
