"""The stattests of Evidently that a check may name, as data: nothing of Evidently is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detectors.binning import Kind

STATTESTS: dict[str, tuple[Kind, ...]] = {
    "anderson": ("numeric",),
    "chisquare": ("categorical",),
    "cramer_von_mises": ("numeric",),
    "ed": ("numeric",),
    "empirical_mmd": ("numeric",),
    "es": ("numeric",),
    "fisher_exact": ("categorical",),
    "g_test": ("categorical",),
    "hellinger": ("numeric", "categorical"),
    "jensenshannon": ("numeric", "categorical"),
    "kl_div": ("numeric", "categorical"),
    "ks": ("numeric",),
    "mannw": ("numeric",),
    "psi": ("numeric", "categorical"),
    "t_test": ("numeric",),
    "TVD": ("categorical",),
    "wasserstein": ("numeric",),
    "z": ("categorical",),
}
"""Every stattest of Evidently 0.7.23 that can be run on a profile, and the kinds of column it takes."""

NEEDS_TEXT = "it trains a classifier on the texts themselves, and a profile holds none"
NOT_SUPPORTED = {"perc_text_content_drift": NEEDS_TEXT, "abs_text_content_drift": NEEDS_TEXT}
"""The others, each with the reason."""

PREFIX = "evidently:"
"""What comes before the name of a stattest in `method:`."""

P_VALUES = frozenset(
    {
        "anderson",
        "chisquare",
        "cramer_von_mises",
        "empirical_mmd",
        "es",
        "fisher_exact",
        "g_test",
        "ks",
        "mannw",
        "t_test",
        "TVD",
        "z",
    }
)
"""Stattests whose score is a p-value, so that small means drifted; the others are distances."""

EXPLAINED_BY = {
    "jensenshannon": "jensen_shannon",
    "hellinger": "hellinger",
    "psi": "psi",
    "wasserstein": "wasserstein",
    "ed": "energy",
    "anderson": "anderson_darling",
    "mannw": "rank",
    "t_test": "mean",
}
"""The detector that explains the findings of a stattest, where it is not the usual one of the kind of column."""
