"""Answers in another language than the question."""

from __future__ import annotations

import numpy as np

from detectors.records import Column, Records
from detectors.signals.base import Signal
from detectors.signals.language import PREFIX, detect_languages


def compute(records: Records) -> Column:
    """Score 1 for a response in another language than its question, 0 for any other.

    Missing if either language is uncertain, as for a question of three words.

    Limits
    ------
    Requested translations count. Similar languages (Norwegian and Danish) cause false positives: compare with the
    baseline.

    References
    ----------
    Marchisio et al., *Understanding and mitigating language confusion in LLMs*, EMNLP 2024; languages as in
    ``language``.

    Examples
    --------
    >>> records = {"question": Column.of(["Wann kommt das Paket bei mir an?"] * 2),
    ...            "response": Column.of(["Es kommt am nächsten Montag an.", "It will arrive on Monday next week."])}
    >>> compute(records).values.tolist()
    [0.0, 1.0]
    """
    rows = np.flatnonzero(~(records["question"].missing | records["response"].missing))
    questions, answers = (
        [str(value)[: 4 * PREFIX] for value in records[side].values[rows]] for side in ("question", "response")
    )
    languages = detect_languages([*questions, *answers])
    scores = np.full(len(records["response"]), np.nan)
    for row, before, after in zip(rows, map(languages.get, questions), map(languages.get, answers), strict=True):
        if before and after:
            scores[row] = float(before != after)
    return Column(scores, np.isnan(scores))


SIGNAL = Signal(
    name="language_switch",
    needs=("question", "response"),
    kind="numeric",
    better="lower",
    compute=compute,
    unit="1 or 0",
    cost="about 9,000",
    citation="Marchisio et al. 2024",
)
