"""Learn the bins of a baseline in one pass over its pages, in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from detectors.binning import VOCABULARY, Binning, Kind, category, learn_categorical, learn_numeric, numbers
from detectors.joint import JOINT, learn_embedding, learn_joint
from detectors.outcome import OUTCOME, learn_errors, learn_scores
from detectors.performance.losses import learn_losses
from detectors.performance.rates import DECISION, judged_column, labelled_column
from detectors.quality.percentile import TIMES, learn_times
from detectors.records import Records, concatenate, row_count, take
from monitor.config.checks import PerformanceConfig, RateConfig
from monitor.core.record_batch import RecordBatch
from monitor.sources.screen import MANY_WORDS, count_words, unfit_words

SAMPLE = 100_000
MOST_ROWS = 60_000
"""Maximum number of labelled rows from which the expected losses of a regression are learnt."""
MOST_CATEGORIES = 50_000
OFTEN = 10
"""Minimum count in a baseline for a text of many words to be a category and not free text."""


class Learner:
    """Collects a uniform sample and the extremes of numeric columns, and category counts, and learns layouts from them.

    ``performance`` is the check that needs the performance column, ``rates`` are those that need labelled columns.
    ``screened`` are categorical columns that are not configured by name: if their values are free text or personal data
    they get no layout, and ``left_out`` has the reason. ``weighted_labels``: whether labels have a probability.
    """

    def __init__(
        self,
        kinds: Mapping[str, Kind],
        performance: PerformanceConfig | None = None,
        rates: Mapping[str, RateConfig] | None = None,
        screened: Collection[str] = (),
        *,
        weighted_labels: bool = False,
    ) -> None:
        self.rows = 0
        self.left_out: dict[str, str] = {}
        self._screened = screened
        self._performance = performance
        self._rates = rates or {}
        self._weighted_labels = weighted_labels
        self._scored = False
        self._outcomes = _Rows() if performance else None
        self._numeric = {name: _Sample() for name, kind in kinds.items() if kind == "numeric"}
        self._embeddings = [name for name, kind in kinds.items() if kind == "vector"]
        self._categories: dict[str, Counter[str]] = {
            name: Counter() for name, kind in kinds.items() if kind == "categorical"
        }
        self._incomplete: set[str] = set()

    def add(self, records: RecordBatch) -> None:
        """Add records, including their signals."""
        self.rows += records.rows
        self._scored = self._scored or "score" in records
        if self._outcomes is not None and not self._scored:
            self._outcomes.add(records, [*self._numeric, *self._categories])
        for name, sample in self._numeric.items():
            if name in records:
                values, _ = numbers(records[name])
                sample.add(values[np.isfinite(values)])
        for name, counter in self._categories.items():
            if name in records:
                column = records[name]
                counter.update(category(value) for value in column.values[~column.missing])
                if len(counter) > MOST_CATEGORIES:
                    self._incomplete.add(name)
                    self._categories[name] = Counter(dict(counter.most_common(MOST_CATEGORIES // 2)))

    def layouts(self) -> dict[str, Binning]:
        """Return the bins of every column; a numeric column without values has a single bin."""
        learnt = {
            name: learn_times(sample.values) if name in TIMES else sample.layout()
            for name, sample in self._numeric.items()
        }
        learnt |= dict.fromkeys(self._embeddings, learn_embedding())
        for name, counter in self._categories.items():
            frequency = _without_sentences(counter) if name in self._screened else counter
            words = (word for word, _ in frequency.most_common(VOCABULARY))
            unfit = unfit_words(words) if name in self._screened else None
            if unfit is not None:
                self.left_out[name] = unfit
                continue
            complete = name not in self._incomplete and len(frequency) == len(counter)
            learnt[name] = learn_categorical(frequency, complete=complete)
        for signal, check in self._rates.items():
            learnt[labelled_column(signal)] = learn_scores(DECISION, check.positive, weighted=self._weighted_labels)
            if check.labels_from == "judge":
                learnt[judged_column(signal)] = learn_scores(DECISION, check.positive)
        outcome = self._outcome(learnt)
        if outcome is not None:
            learnt[OUTCOME] = outcome
        joint = learn_joint(learnt)
        if joint is not None and JOINT not in learnt:
            learnt[JOINT] = joint
        return learnt

    def _outcome(self, layouts: Mapping[str, Binning]) -> Binning | None:
        """Return the bins of the performance column: by score for a classifier, by error for a regression."""
        if self._performance is None or self._outcomes is None:
            return None
        if self._scored:
            decision, positive = self._performance.decision, self._performance.positive
            return learn_scores(decision, positive, weighted=self._weighted_labels)
        rows = self._outcomes.rows
        if rows is None:
            return None
        predicted, truth = (numbers(rows[role])[0] for role in ("prediction", "label"))
        model = learn_losses(rows, layouts)
        if model is None:
            return learn_errors(predicted, truth)
        return learn_errors(model.absolute.expected(rows), truth, model.to_text())


def _without_sentences(frequency: Counter[str]) -> Counter[str]:
    """Remove rare texts of many words; frequent ones are categories with long names."""
    frequent = {text: count for text, count in frequency.items() if count >= OFTEN or count_words(text) <= MANY_WORDS}
    return Counter(frequent)


class _Rows:
    """Uniform sample of labelled rows with their columns, seeded, in input order."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)
        self._keys = np.zeros(0)
        self._records: Records | None = None

    def add(self, records: Records, columns: Sequence[str]) -> None:
        if "prediction" not in records or "label" not in records:
            return
        predicted, truth = (numbers(records[role])[0] for role in ("prediction", "label"))
        few = {name: records[name] for name in ("prediction", "label", *columns) if name in records}
        few = take(few, np.isfinite(predicted) & np.isfinite(truth))
        self._keys = np.concatenate([self._keys, self._random.random(row_count(few))])
        self._records = few if self._records is None else concatenate([self._records, few])
        if len(self._keys) > MOST_ROWS:
            places = np.sort(np.argpartition(self._keys, MOST_ROWS)[:MOST_ROWS])
            self._keys, self._records = self._keys[places], take(self._records, places)

    @property
    def rows(self) -> Records | None:
        return self._records


class _Sample:
    """Uniform sample of a stream by smallest random keys, seeded, so that the same pages give the same sample."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)
        self._keys = np.zeros(0)
        self._values = np.zeros(0)
        self._minimum, self._maximum = np.inf, -np.inf

    def add(self, values: np.ndarray) -> None:
        if len(values) == 0:
            return
        self._minimum = min(self._minimum, float(values.min()))
        self._maximum = max(self._maximum, float(values.max()))
        self._keys = np.concatenate([self._keys, self._random.random(len(values))])
        self._values = np.concatenate([self._values, values])
        if len(self._keys) > SAMPLE:
            places = np.argpartition(self._keys, SAMPLE)[:SAMPLE]
            self._keys, self._values = self._keys[places], self._values[places]

    @property
    def values(self) -> np.ndarray:
        return self._values

    def layout(self) -> Binning:
        if len(self._values) == 0:
            return Binning(kind="numeric")
        return learn_numeric(self._values, self._minimum, self._maximum)
