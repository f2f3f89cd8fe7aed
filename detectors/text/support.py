"""What a context says for an answer, word by word: the parts that the signals of groundedness are made of.

Where a word of the answer stands in the context is one whole number whose bits are the places. Order, distance
and alignment are then shifts and sums of whole numbers, linear in the context and fast.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from detectors.text.lexicon import LIMIT, NAME, NUMBER, TALK, Lexicon, lexicon
from detectors.text.reading import Reading, read

LONGEST_ANSWER = 20_000
LONGEST_CONTEXT = 200_000
"""Code points that are read; the rest does not count."""
SAYS = 0.25
"""Weight from which on a word says something of its own."""
FAR = 6
"""Doublings of the distance between two words after which they have nothing to do with each other."""
NEAR = 16
"""Words around a word that speak of the same."""
WINDOW = 3
"""Sentences of the context that may support a claim together."""
MOST_WINDOWS = 2_000
STEMS_AT_ONCE = 256


@dataclass(frozen=True)
class Support:
    """An answer held against its context.

    Parameters
    ----------
    answer, context
        As they were read.
    stems
        int, shape (words of the answer,): the number of each word's stem among the distinct ones of the answer.
    first
        int, shape (distinct stems,): the first word with that stem.
    places
        Of each distinct stem, the places in the context as bits.
    presence
        bool, shape (distinct stems, blocks of sentences).
    """

    answer: Reading
    context: Reading
    stems: np.ndarray
    first: np.ndarray
    places: list[int]
    presence: np.ndarray

    @property
    def lexicon(self) -> Lexicon:
        """Return where the words are described."""
        return self.answer.lexicon

    @cached_property
    def weight(self) -> np.ndarray:
        """Return the weight of each word of the answer."""
        return np.asarray(self.lexicon.weight[self.answer.ids])

    @cached_property
    def flags(self) -> np.ndarray:
        """Return the flags of each word of the answer."""
        return np.asarray(self.lexicon.flags[self.answer.ids])

    @cached_property
    def found(self) -> np.ndarray:
        """Return whether the context holds each word of the answer."""
        return np.asarray(self._present[self.stems])

    @cached_property
    def _present(self) -> np.ndarray:
        """Return whether the context holds each distinct stem."""
        return np.asarray(self.presence.any(axis=1))

    @cached_property
    def facts(self) -> np.ndarray:
        """Return which words of the answer state something: numbers, and what is neither empty nor small talk."""
        return np.asarray(((self.weight > SAYS) & (self.flags & TALK == 0)) | (self.flags & NUMBER > 0))

    @cached_property
    def similarity(self) -> np.ndarray:
        """Return the likeness to the context of each distinct stem, 1 when it is there, else the best cosine."""
        held = self.lexicon
        alike: np.ndarray = self._present.astype(np.float32)
        absent = np.flatnonzero(alike == 0)
        ids = self.answer.ids[self.first[absent]]
        given = self.context.ids[held.weight[self.context.ids] > SAYS]
        if len(absent) and len(given):
            said = np.zeros(len(held.of), dtype=bool)
            said[given] = True
            given = np.flatnonzero(said)
            # Doubles, rounded: which words this process met first must not change a score.
            cosines = held.vector[ids].astype(np.float64) @ held.vector[given].astype(np.float64).T
            best = np.round(np.clip(cosines.max(axis=1), 0.0, 1.0), 6)
            alike[absent] = np.where(held.flags[ids] & NUMBER, 0.0, best)
        return alike

    @cached_property
    def unaligned(self) -> float:
        """Return the share of the answer's words outside its longest common subsequence with the context.

        Hyyrö, *Bit-parallel LCS-length computation revisited*, 2004.
        """
        width = len(self.context.ids)
        whole = (1 << width) - 1
        row = whole
        places = self.places
        for stem in self.stems.tolist():
            if places[stem]:
                common = row & places[stem]
                row = ((row + common) | (row - common)) & whole
        return 1.0 - (width - row.bit_count()) / len(self.stems)

    @cached_property
    def apart(self) -> float:
        """Return how far words that state something together in the answer are apart in the context, 0 to 1."""
        at = np.flatnonzero(self.facts).tolist()
        stems = self.stems.tolist()
        levels = [
            _level(self.places[stems[one]], self.places[stems[two]], two - one)
            for one, two in zip(at, at[1:], strict=False)
            if stems[one] != stems[two]
        ]
        return sum(levels) / (FAR * len(levels)) if levels else 0.0

    @cached_property
    def strangest(self) -> float:
        """Return the unlikeness of the fact that is least like anything in the context."""
        strange = self.facts & ~self.found
        return float(1.0 - self.similarity[self.stems[strange]].min()) if strange.any() else 0.0

    @cached_property
    def numbers(self) -> tuple[list[int], list[int], int]:
        """Return the words that are numbers the context lacks, or has elsewhere, and how many numbers there are."""
        at = [at for at in np.flatnonzero(self.flags & NUMBER).tolist() if self.answer.ids[at] not in _pronouns(self)]
        known = _values(self.context)
        absent, misplaced = [], []
        for place, value in zip(at, _value_at(self.answer, at).tolist(), strict=True):
            if not self.found[place] and not _among(value, known):
                absent.append(place)
            if not self._near_its_words(place):
                misplaced.append(place)
        return absent, misplaced, len(at)

    def _near_its_words(self, place: int) -> bool:
        here = self.places[self.stems[place]]
        around = range(max(0, place - 4), min(len(self.stems), place + 5))
        others = [self.places[self.stems[at]] for at in around if self.facts[at] and at != place]
        return bool(here) and (not others or any(here & _around(other, NEAR) for other in others))

    @cached_property
    def names(self) -> tuple[list[int], int]:
        """Return the names that the context lacks, and how many there are; the first word of a sentence is none."""
        opens = np.ones(len(self.stems), dtype=bool)
        opens[1:] = self.answer.sentence[1:] != self.answer.sentence[:-1]
        named = (self.flags & NAME > 0) & ~opens & (self.weight > 0.3) & (self.flags & NUMBER == 0)
        return np.flatnonzero(named & ~self.found).tolist(), int(named.sum())

    @cached_property
    def negations(self) -> list[int]:
        """Return the negations and limits of the answer beside whose words the context has none."""
        ours = np.flatnonzero(self.flags & LIMIT).tolist()
        if not ours:
            return []
        theirs = np.flatnonzero(self.lexicon.flags[self.context.ids] & LIMIT).tolist()
        near = _around(sum(1 << place for place in theirs), 6)
        return [at for at in ours if not any(self.places[stem] & near for stem in self._beside(at))]

    def _beside(self, at: int) -> list[int]:
        around = range(max(0, at - 1), min(len(self.stems), at + 5))
        return [int(self.stems[place]) for place in around if self.facts[place]]

    @cached_property
    def opposites(self) -> list[int]:
        """Return the words that the context lacks and whose opposite it has."""
        groups = self.lexicon.group[self.answer.ids]
        at = np.flatnonzero((groups >= 0) & ~self.found).tolist()
        if not at:
            return []
        theirs = set(self.lexicon.group[self.context.ids].tolist())
        return [place for place in at if int(groups[place]) ^ 1 in theirs and int(groups[place]) not in theirs]

    @cached_property
    def claims(self) -> np.ndarray:
        """Return, of each sentence of the answer, the weighted share that the best window supports; NaN if empty."""
        block = np.maximum(self.presence, 0).astype(np.float32)
        block[~self._present] = np.where(self.similarity > 0.5, self.similarity, 0.0)[~self._present, None]
        for step in range(1, min(WINDOW, block.shape[1])):
            np.maximum(block[:, :-step], self.presence[:, step:], out=block[:, :-step])
        scores = np.full(self.answer.sentences, np.nan)
        bounds = np.searchsorted(self.answer.sentence, np.arange(self.answer.sentences + 1))
        for claim, (start, end) in enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)):
            weight = self.weight[start:end]
            if weight.sum() >= 2 * SAYS:
                scores[claim] = (weight @ block[self.stems[start:end]]).max() / weight.sum()
        return scores

    @cached_property
    def copied(self) -> float:
        """Return the share of the answer's words in runs of three and more that the context holds as they are."""
        run, current, total = 0, 0, 0
        for stem in self.stems.tolist():
            here = self.places[stem]
            following = (current << 1) & here
            if following:
                run, current = run + 1, following
                continue
            total += run if run >= WINDOW else 0
            run, current = (1, here) if here else (0, 0)
        return (total + (run if run >= WINDOW else 0)) / len(self.stems)


def support(answer: str, context: str) -> Support | None:
    """Hold an answer against its context; None where either has no word.

    Examples
    --------
    >>> held = support("The shop opened in 1999.", "The shop was opened in Paris. It closed in 2010.")
    >>> [held.lexicon.value[held.answer.ids[place]].item() for place in held.numbers[0]]
    [1999.0]
    """
    if len(answer) <= LONGEST_ANSWER and len(context) <= LONGEST_ANSWER:
        return _remembered(answer, context)
    return _support(answer[:LONGEST_ANSWER], context[:LONGEST_CONTEXT])


@lru_cache(maxsize=512)
def _remembered(answer: str, context: str) -> Support | None:
    return _support(answer, context)


def _support(answer: str, context: str) -> Support | None:
    held = lexicon()
    said, given = read(answer, held), read(context, held)
    if not len(said.ids) or not len(given.ids):
        return None
    distinct, first, stems = np.unique(held.stem[said.ids], return_index=True, return_inverse=True)
    slot = np.full(len(held.of), -1, dtype=np.int32)
    slot[distinct] = np.arange(len(distinct))
    hits = slot[held.stem[given.ids]]
    at = np.flatnonzero(hits >= 0)
    blocks = given.sentence.astype(np.int64) * min(given.sentences, MOST_WINDOWS) // given.sentences
    presence = np.zeros((len(distinct), int(blocks[-1]) + 1), dtype=bool)
    presence[hits[at], blocks[at]] = True
    return Support(said, given, stems, first, _places(hits, at, len(distinct)), presence)


def _places(hits: np.ndarray, at: np.ndarray, stems: int) -> list[int]:
    """Return the places of each stem as the bits of a whole number."""
    found: list[int] = []
    for start in range(0, stems, STEMS_AT_ONCE):
        size = min(STEMS_AT_ONCE, stems - start)
        bits = np.zeros((size, len(hits)), dtype=bool)
        few = at[(hits[at] >= start) & (hits[at] < start + size)]
        bits[hits[few] - start, few] = True
        found += [int.from_bytes(row.tobytes(), "little") for row in np.packbits(bits, axis=1, bitorder="little")]
    return found


def _after(places: int, words: int) -> int:
    """Return the places up to so many words after the given ones."""
    spread, width = places << 1, 1
    while width < words:
        step = min(width, words - width)
        spread |= spread << step
        width += step
    return spread


def _around(places: int, words: int) -> int:
    return _after(places, 2 * words + 1) >> (words + 1)


def _level(one: int, two: int, gap: int) -> int:
    """Return how often the gap must double until it joins both words; the wrong order costs one doubling more."""
    if not one or not two:
        return FAR
    after, before, width = _after(one, gap), _after(two, gap), gap
    if after & two:
        return 0
    for level in range(1, FAR):
        if before & one:
            return level
        after |= after << width
        before |= before << width
        width *= 2
        if after & two:
            return level
    return FAR


def _pronouns(held: Support) -> set[int]:
    of = held.lexicon.of
    return {of[word] for word in ("one", "One", "first", "First", "once", "Once") if word in of}


def _value_at(text: Reading, at: list[int]) -> np.ndarray:
    """Return the numbers at these words, times the magnitude that follows."""
    held, places = text.lexicon, np.array(at, dtype=np.int64)
    value = held.value[text.ids[places]]
    following = text.ids[np.minimum(places + 1, len(text.ids) - 1)]
    times = held.value[following]
    kept = (places + 1 < len(text.ids)) & (held.flags[following] & NUMBER == 0) & ~np.isnan(times)
    return np.asarray(np.where(kept, value * times, value))


def _values(text: Reading) -> np.ndarray:
    at = np.flatnonzero(text.lexicon.flags[text.ids] & NUMBER).tolist()
    return _value_at(text, at) if at else np.zeros(0)


def _among(value: float, known: np.ndarray) -> bool:
    return bool(len(known)) and bool((np.abs(known - value) <= 1e-9 * abs(value)).any())
