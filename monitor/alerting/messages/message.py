"""A message as every receiver gets it, before its layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["firing", "resolved", "info"]


@dataclass(frozen=True)
class Step:
    """What is done, waits, or is to be done, and the command for it."""

    text: str
    command: str | None = None

    def __str__(self) -> str:
        """Return the text with the command."""
        return f"{self.text}: `{self.command}`" if self.command else self.text


@dataclass(frozen=True)
class IncidentLine:
    """An incident in a digest."""

    state: State
    severity: str
    text: str
    link: str | None = None


@dataclass(frozen=True)
class Message:
    """A message. Texts are plain: a layout escapes and truncates them.

    The first two lines are ``title``, and ``summary`` followed by ``step``: what is wrong, since when, why, what to do.

    Parameters
    ----------
    severity
        `critical`, `warning` or `info`.
    step
        The most important action.
    facts
        Findings, one a line.
    suspects
        Ranked candidate causes, one a line; empty if the summary names the only one.
    steps
        The other actions.
    link
        Address of the incident, or of the list of incidents.
    footer
        Monitor, rule and window.
    entries
        The incidents of a digest.
    """

    state: State
    severity: str
    title: str
    summary: str = ""
    step: Step | None = None
    facts: Sequence[str] = ()
    suspects: Sequence[str] = ()
    steps: Sequence[Step] = ()
    link: str | None = None
    footer: str = ""
    entries: Sequence[IncidentLine] = ()

    @property
    def link_label(self) -> str:
        """Return what the link opens."""
        return "open the list of incidents" if self.entries else "open the incident"

    @property
    def second_line(self) -> str:
        """Return the summary and the most important action with its command."""
        return " ".join(filter(None, [self.summary, str(self.step) if self.step else ""]))
