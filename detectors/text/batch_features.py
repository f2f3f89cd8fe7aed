"""Features of single words, computed for many answers at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, pairwise

import numpy as np

from detectors.text.context_index import ContextIndex, any_in_rows, meanings_marked
from detectors.text.hedges import hedges
from detectors.text.positions import stem_places
from detectors.text.reading import Readings, read_all


class Stems:
    """Distinct stems of many answers, concatenated.

    Attributes
    ----------
    bounds
        Start of the stems of each answer, and the end of the last one.
    of
        Index of the stem of each word.
    first
        Index of the first word of each stem.
    found
        Whether the context has the stem.
    """

    def __init__(self, readings: Readings) -> None:
        stem, answers = readings.lexicon.stem, len(readings.bounds) - 1
        record = np.repeat(np.arange(answers), np.diff(readings.bounds))
        keys, self.first, self.of = np.unique(
            record * len(stem) + stem[readings.ids], return_index=True, return_inverse=True
        )
        self.bounds = np.searchsorted(keys, np.arange(answers + 1) * len(stem))
        self._keys, self._all = keys % len(stem), len(stem)
        self.present = np.zeros(len(keys), dtype=bool)

    def stand(self, contexts: Sequence[ContextIndex]) -> list[tuple[list[int], np.ndarray]]:
        """Return the positions of the stems of each answer in its context, and the blocks in which they are present."""
        slot = np.full(self._all, -1, dtype=np.int32)
        stood = []
        for context, start, end in zip(contexts, self.bounds[:-1].tolist(), self.bounds[1:].tolist(), strict=True):
            keys = self._keys[start:end]
            slot[keys] = np.arange(len(keys))
            hits = slot[context.stems]
            slot[keys] = -1
            at = (hits >= 0).nonzero()[0]
            hits = hits[at]
            self.present[start:end][hits] = True
            presence = np.zeros((len(keys), context.windows), dtype=bool)
            presence[hits, context.blocks[at]] = True
            stood.append((stem_places(hits, at, len(keys), len(context.stems)), presence))
        return stood


def meant(answers: Readings, present: np.ndarray, contexts: Sequence[ContextIndex]) -> tuple[np.ndarray, np.ndarray]:
    """Return masks of the words that are absent but paraphrased, and of those of which the context has an antonym."""
    lexicon, marks = answers.lexicon, meanings_marked()
    alike, opposed = np.zeros(len(present), dtype=bool), np.zeros(len(present), dtype=bool)
    for context, start, end in zip(contexts, answers.bounds[:-1].tolist(), answers.bounds[1:].tolist(), strict=True):
        ids = answers.ids[start:end]
        absent = (~present[start:end]).nonzero()[0]
        few = ids[absent]
        marks[context.own] = True
        marks[0] = False
        alike[start + absent] = any_in_rows(marks.take(lexicon.own[few])) | any_in_rows(
            marks.take(lexicon.related[few])
        )
        opposed[start:end] = any_in_rows(marks.take(lexicon.opposed[ids]))
        marks[context.own] = False
    return alike & ~opposed, opposed


def words_outside_hedges(answers: Sequence[str], readings: Readings) -> np.ndarray:
    """Return a mask of the words of answers outside of hedges; all words of an answer that only hedges."""
    claimed = np.ones(len(readings.ids), dtype=bool)
    hedged = {row: spans_of_row for row, answer in enumerate(answers) if (spans_of_row := hedges(answer))}
    cut: list[str] = []
    for row, spans in hedged.items():
        edges = [0, *chain.from_iterable(spans)]
        cut += [answers[row][start:end] for start, end in pairwise(edges)]
    sizes = iter(np.diff(read_all(cut, readings.lexicon).bounds).tolist())
    for row, spans in hedged.items():
        start, end = readings.bounds[row : row + 2].tolist()
        place = start
        for _ in spans:
            first = place + next(sizes)
            place = first + next(sizes)
            claimed[first : min(place, end)] = False
        if not claimed[start:end].any():
            claimed[start:end] = True
    return claimed
