"""Bars of the shares of a group of values in the baseline and in the window."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from detectors.contribution import ValueGroup
from monitor.web.charts import at

WIDTH, HEIGHT = 240.0, 20.0


def share_bars(group: ValueGroup, groups: Sequence[ValueGroup]) -> Markup:
    """Return two bars, the baseline above the window, relative to the largest share of all groups."""
    largest = max((max(one.share, one.baseline_share) for one in groups), default=0.0) or 1.0
    bars = [("before", group.baseline_share, 0.0), ("now", group.share, HEIGHT / 2)]
    return Markup('<svg class="shares" viewBox="0 0 {} {}" aria-hidden="true">{}</svg>').format(
        at(WIDTH),
        at(HEIGHT),
        Markup("").join(
            Markup('<rect class="{}" x="0" y="{}" width="{}" height="{}"/>').format(
                kind, at(top), at(WIDTH * share / largest), at(HEIGHT / 2 - 1)
            )
            for kind, share, top in bars
        ),
    )


def share_bar(share: float, is_leading: bool) -> Markup:  # noqa: FBT001
    """Return a bar of a share of the effect."""
    kind = "now" if is_leading else "other"
    return Markup(
        '<svg class="share" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">{}</svg>'
    ).format(Markup('<rect class="{}" x="0" y="0" width="{}" height="10"/>').format(kind, at(max(2.0, 100 * share))))
