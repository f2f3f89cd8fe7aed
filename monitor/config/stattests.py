"""Names and properties of the supported stattests of Evidently. Does not import Evidently."""

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
"""Stattests of Evidently 0.7.23 that can be run on a profile, and the kinds of columns that each supports."""

NEEDS_TEXT = "it trains a classifier on the texts themselves, and a profile holds none"
NOT_SUPPORTED = {"perc_text_content_drift": NEEDS_TEXT, "abs_text_content_drift": NEEDS_TEXT}
"""Stattests that cannot be run on a profile, each with the reason."""

PREFIX = "evidently:"
"""Prefix of the name of a stattest in `method:`."""

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
"""Stattests whose score is a p-value, so that small values mean drift; the others are distances."""

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
"""Detector that explains the findings of a stattest, if not the default of the kind of column."""
