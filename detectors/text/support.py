"""What a context says for an answer, word by word: the parts that the signals of groundedness are made of.

Where a word of the answer stands in the context is one whole number whose bits are the places. Order, distance
and alignment are then shifts and sums of whole numbers, linear in the context and fast.
"""

from __future__ import annotations

from dataclasses import dataclass
from bisect import bisect_left
from functools import cache, cached_property, lru_cache

import numpy as np

from detectors.text.forms import OPPOSITES
from detectors.text.hedges import hedges
from detectors.text.lexicon import LIMIT, NAME, NUMBER, TALK, THING, Lexicon, lexicon
from detectors.text.places import FAR, around, at_places, bits, level, places_of
from detectors.text.reading import Reading, count, read
from detectors.text.senses import MEANINGS

LONGEST_ANSWER = 20_000
LONGEST_CONTEXT = 200_000
"""Code points that are read; the rest does not count."""
SAYS = 0.25
"""Weight from which on a word says something of its own."""
NEAR = 16
"""Words around a word that speak of the same."""
WINDOW = 3
"""Sentences of the context that may support a claim together."""
MOST_WINDOWS = 2_000
MOST_OPPOSITES = 200
"""Words of an answer whose opposites are looked for."""
COSINES_AT_ONCE = 4096
"""Cosines that are worked out together: few enough for the library to stay on one core, where it does not wait."""


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
    claimed
        bool, shape (words of the answer,): what is no hedge.
    """

    answer: Reading
    context: Reading
    stems: np.ndarray
    first: np.ndarray
    places: list[int]
    presence: np.ndarray
    claimed: np.ndarray

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
        tells = ((self.weight > SAYS) & (self.flags & TALK == 0)) | (self.flags & NUMBER > 0)
        return np.asarray(tells & self.claimed)

    @cached_property
    def _given(self) -> np.ndarray:
        """Return the distinct words of the context."""
        said = np.zeros(len(self.lexicon.stem), dtype=bool)
        said[self.context.ids] = True
        return said.nonzero()[0]

    @cached_property
    def _meant(self) -> tuple[np.ndarray, np.ndarray]:
        """Return of which words of the answer the context has a meaning, and of which one that says the opposite."""
        held, ids = self.lexicon, self.answer.ids
        said = held.own[self._given]
        marks = _marks()
        marks[said] = True
        marks[0] = False
        absent = (~self.found).nonzero()[0]
        alike = np.zeros(len(ids), dtype=bool)
        few = ids[absent]
        alike[absent] = _any(marks[held.own[few]]) | _any(marks[held.related[few]])
        opposed = _any(marks[held.opposed[ids]])
        marks[said] = False
        return alike, opposed

    @cached_property
    def paraphrased(self) -> np.ndarray:
        """Return which words the context lacks while it has one that may mean the same, and none of the opposite."""
        alike, opposed = self._meant
        return np.asarray(alike & ~opposed)

    @cached_property
    def strange(self) -> np.ndarray:
        """Return which words state something that the context says in no words."""
        return np.asarray(self.facts & ~self.found & ~self.paraphrased)

    @cached_property
    def strangest(self) -> float:
        """Return how unlike anything in the context its least likely fact is: one less its best cosine."""
        held = self.lexicon
        ids = np.unique(self.answer.ids[self.strange])
        if not len(ids):
            return 0.0
        given = self._given[held.weight[self._given] > SAYS]
        if not len(given) or (held.flags[ids] & NUMBER).any():
            return 1.0  # a number is like nothing else
        sides, least = held.vector[given].T, 1.0
        step = max(1, COSINES_AT_ONCE // len(given))
        for start in range(0, len(ids), step):
            least = min(least, float((held.vector[ids[start : start + step]] @ sides).max(axis=1).min()))
        # Rounded: which words this process met first must not change a score.
        return float(1.0 - np.round(max(least, 0.0), 6))

    @cached_property
    def unsupported(self) -> float:
        """Return the weighted share of the facts that the context does not say; 0 without facts."""
        whole = float(self.weight[self.facts].sum())
        return float(self.weight[self.strange].sum()) / whole if whole > 0 else 0.0

    @cached_property
    def things(self) -> float:
        """Return the share of the words that name a thing of which the context says nothing."""
        named = self.strange & (self.flags & (THING | NUMBER) > 0)
        return float(np.count_nonzero(named)) / max(1, int(np.count_nonzero(self.claimed)))

    @cached_property
    def factless(self) -> float:
        """Return the share of absent words of an answer that states nothing which could be checked."""
        return 0.0 if self.facts.any() else 1.0 - float(self.found.mean())

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
            level(self.places[stems[one]], self.places[stems[two]], two - one)
            for one, two in zip(at, at[1:], strict=False)
            if stems[one] != stems[two]
        ]
        return sum(levels) / (FAR * len(levels)) if levels else 0.0

    @cached_property
    def numbers(self) -> tuple[list[int], list[int], int]:
        """Return the words that are numbers the context lacks, or has elsewhere, and how many numbers there are."""
        at = [at for at in np.flatnonzero(self.flags & NUMBER).tolist() if self.answer.ids[at] not in _pronouns(self)]
        if not at:
            return [], [], 0
        known = np.sort(_values(self.context)).tolist()
        absent, misplaced = [], []
        for place, value in zip(at, _value_at(self.answer, at).tolist(), strict=True):
            if not self.found[place] and not _among(value, known):
                absent.append(place)
            if not self._near_its_words(place):
                misplaced.append(place)
        return absent, misplaced, len(at)

    def _near_its_words(self, place: int) -> bool:
        here = self.places[self.stems[place]]
        beside = range(max(0, place - 4), min(len(self.stems), place + 5))
        others = [self.places[self.stems[at]] for at in beside if self.facts[at] and at != place]
        near = around(here, NEAR) if here and others else 0
        return bool(here) and (not others or any(near & other for other in others))

    @cached_property
    def names(self) -> tuple[list[int], int]:
        """Return the names that the context lacks, and how many there are; the first word of a sentence is none."""
        opens = np.ones(len(self.stems), dtype=bool)
        opens[1:] = self.answer.sentence[1:] != self.answer.sentence[:-1]
        named = (self.flags & NAME > 0) & ~opens & (self.weight > 0.3) & (self.flags & NUMBER == 0)
        return np.flatnonzero(named & ~self.found).tolist(), int(named.sum())

    @cached_property
    def limits(self) -> list[int]:
        """Return the words of the answer that deny or narrow what is said."""
        return np.flatnonzero((self.flags & LIMIT > 0) & self.claimed).tolist()

    @cached_property
    def negations(self) -> list[int]:
        """Return the negations and limits of the answer beside whose words the context has none."""
        if not self.limits:
            return []
        near = around(bits(self.lexicon.flags[self.context.ids] & LIMIT > 0), 6)
        return [at for at in self.limits if not any(self.places[stem] & near for stem in self._beside(at))]

    def _beside(self, at: int) -> list[int]:
        beside = range(max(0, at - 1), min(len(self.stems), at + 5))
        return [int(self.stems[place]) for place in beside if self.facts[place]]

    @cached_property
    def opposites(self) -> list[int]:
        """Return the words whose opposite stands in the context near their neighbours, where they themselves do not."""
        held, ids = self.lexicon, self.answer.ids
        groups = held.group[ids]
        theirs = np.zeros(2 * len(OPPOSITES) + 1, dtype=bool)
        theirs[held.group[self._given]] = True
        turned = theirs[groups ^ 1] & (groups >= 0)
        turned |= self._meant[1]
        at = np.flatnonzero(turned & self.claimed & (self.facts | (groups >= 0))).tolist()
        return [place for place in at[:MOST_OPPOSITES] if self._is_opposed(place, int(groups[place]))]

    def _is_opposed(self, place: int, group: int) -> bool:
        near = 0
        for other in range(max(0, place - 4), min(len(self.stems), place + 5)):
            if other != place and self.facts[other]:
                near |= self.places[self.stems[other]]
        near = around(near, 6)
        if not near or near & self.places[self.stems[place]]:
            return False
        held, word = self.lexicon, self.answer.ids[place]
        words = self.context.ids[at_places(near, len(self.context.ids))]
        against = _meaning(words, held.opposed[word], held)
        if group >= 0:
            against |= held.group[words] == group ^ 1
        if not against.any():
            return False
        alike = _meaning(words, np.concatenate([held.own[word], held.related[word]]), held)
        return not (alike & ~against).any()

    @cached_property
    def claims(self) -> np.ndarray:
        """Return, of each sentence of the answer, the weighted share that the best window supports; NaN if empty."""
        block = self.presence.astype(np.float32)
        block[self.paraphrased[self.first] & ~self._present] = 1.0
        for step in range(1, min(WINDOW, block.shape[1])):
            np.maximum(block[:, :-step], self.presence[:, step:], out=block[:, :-step])
        scores = np.full(self.answer.sentences, np.nan)
        bounds = np.searchsorted(self.answer.sentence, np.arange(self.answer.sentences + 1)).tolist()
        whole = np.add.reduceat(self.weight, bounds[:-1])
        for claim in np.flatnonzero(whole >= 2 * SAYS).tolist():
            start, end = bounds[claim], bounds[claim + 1]
            scores[claim] = (self.weight[start:end] @ block[self.stems[start:end]]).max() / whole[claim]
        return scores

    @cached_property
    def lacking(self) -> float:
        """Return what the claims lack of support on average; 0 where no sentence claims anything."""
        known = self.claims[np.isfinite(self.claims)]
        return float(1.0 - known.mean()) if len(known) else 0.0

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
    places = places_of(hits, at, len(distinct))
    return Support(said, given, stems, first, places, presence, _claimed(answer, said))


def _claimed(answer: str, said: Reading) -> np.ndarray:
    """Return which words of an answer stand in no hedge; all of them where it does nothing else."""
    claimed = np.ones(len(said.ids), dtype=bool)
    word = place = 0
    for start, end in hedges(answer):
        first = word + count(answer[place:start], said.lexicon)
        word, place = first + count(answer[start:end], said.lexicon), end
        claimed[first:word] = False
    return claimed if claimed.any() else ~claimed


def _meaning(words: np.ndarray, meanings: np.ndarray, held: Lexicon) -> np.ndarray:
    """Return which words have one of these meanings."""
    marks = _marks()
    marks[meanings] = True
    marks[0] = False
    found = _any(marks[held.own[words]])
    marks[meanings] = False
    return found


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


def _among(value: float, known: list[float]) -> bool:
    """Say whether a value stands among sorted ones."""
    room = 1e-9 * abs(value)
    place = bisect_left(known, value - room)
    return place < len(known) and known[place] <= value + room


@cache
def _marks() -> np.ndarray:
    """Return a row of marks, one a meaning, that whoever sets any takes away again: it is too long to be made anew."""
    return np.zeros(MEANINGS, dtype=bool)


def _any(rows: np.ndarray) -> np.ndarray:
    """Return whether any of each row is true; the width is a multiple of four, which are looked at as one number."""
    return np.asarray(np.bitwise_or.reduce(rows.view(np.uint32), axis=1) != 0)
