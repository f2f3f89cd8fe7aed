"""Whether the answer is in another language than the question."""

from __future__ import annotations

import numpy as np

from detectors.records import Column, Records
from detectors.signals.base import Signal
from detectors.signals.language import PREFIX, language_of


def compute(records: Records) -> Column:
    """Say of each record whether the response is in another language than the question (1) or not (0).

    Missing where either language cannot be told, as that of a question of three words.

    Limits
    ------
    A translation that was asked for counts. Languages that are easily confused (Norwegian and Danish) switch by
    mistake: compare with the baseline.

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
    question, response = records["question"], records["response"]
    scores = np.full(len(response), np.nan)
    for row in np.flatnonzero(~(question.missing | response.missing)):
        asked = language_of(str(question.values[row])[: 4 * PREFIX])
        said = language_of(str(response.values[row])[: 4 * PREFIX]) if asked else None
        if asked and said:
            scores[row] = float(asked != said)
    return Column(scores, np.isnan(scores))


SIGNAL = Signal(
    name="language_switch",
    needs=("question", "response"),
    kind="numeric",
    compute=compute,
    unit="1 or 0",
    cost="about 9,000",
    citation="Marchisio et al. 2024",
)
