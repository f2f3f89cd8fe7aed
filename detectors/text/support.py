"""Support of an answer by its context, word by word: the basis of the signals of groundedness.

The positions of a word of the answer in the context are the bits of one integer. Order, distance and alignment are then
shifts and sums of integers, in time linear in the context.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from detectors.text.batch_features import Stems, meant, words_outside_hedges
from detectors.text.context_index import (
    SAYS,
    ContextIndex,
    among,
    any_in_rows,
    meanings_marked,
    read_contexts,
    value_at,
)
from detectors.text.lexicon import FILLER, LIMIT, NAME, NUMBER, TALK, THING, VERB, Lexicon, lexicon
from detectors.text.polarity import BESIDE, MOST_NEIGHBOURS, best_places, find_negated
from detectors.text.positions import FAR, around, at_places, bits, level
from detectors.text.reading import TokenizedText, read_all
from detectors.text.roles import REACH, passive, roles_swapped

LONGEST_ANSWER = 20_000
LONGEST_CONTEXT = 200_000
"""Number of code points that are read; the rest is ignored."""
NEAR = 16
"""Number of words around a word that are its neighbours."""
WINDOW = 3
"""Largest number of sentences of the context that support a claim together."""
NEAR_LIMIT = 6
"""Number of words around a negation or a limit in its possible scope."""
MOST_OPPOSITES = 200
"""Largest number of words of an answer whose antonyms are searched."""
AT_ONCE = 300_000
"""Number of code points per batch."""
REMEMBERED = 512
"""Number of cached pairs of answer and context, which several signals use."""
COSINES_AT_ONCE = 4096
"""Number of cosines per matrix product: small enough for the library to use one thread."""


@dataclass(frozen=True)
class Support:
    """Comparison of an answer with its context; properties of words have the shape (words of the answer,).

    Parameters
    ----------
    answer
        The tokenized answer.
    context_index
        The context.
    stems
        int: index of each word's stem among the distinct ones of the answer.
    first
        int, shape (distinct stems,): the first word with that stem.
    places
        For each distinct stem, its positions in the context as bits.
    presence
        bool, shape (distinct stems, blocks of sentences).
    claimed
        bool: words outside of hedges.
    weight, flags
        As in the lexicon.
    present
        bool: words that the context has.
    facts
        bool: words that state facts: numbers, and words that are neither function words nor small talk.
    paraphrased
        bool: words that the context lacks but has a synonym of, and no antonym.
    opposed
        bool: words of which the context has an antonym.
    """

    answer: TokenizedText
    context_index: ContextIndex
    stems: np.ndarray
    first: np.ndarray
    places: list[int]
    presence: np.ndarray
    claimed: np.ndarray
    weight: np.ndarray
    flags: np.ndarray
    present: np.ndarray
    facts: np.ndarray
    paraphrased: np.ndarray
    opposed: np.ndarray

    @cached_property
    def _stem_list(self) -> list[int]:
        listed: list[int] = self.stems.tolist()
        return listed

    @cached_property
    def _fact_list(self) -> list[bool]:
        listed: list[bool] = self.facts.tolist()
        return listed

    @property
    def lexicon(self) -> Lexicon:
        """Return the lexicon."""
        return self.answer.lexicon

    @property
    def context(self) -> TokenizedText:
        """Return the tokenized context."""
        return self.context_index.text

    @cached_property
    def strange(self) -> np.ndarray:
        """Return a mask of facts without a word or a synonym in the context."""
        return np.asarray(self.facts & ~self.present & ~self.paraphrased)

    @cached_property
    def strangest(self) -> float:
        """Return the dissimilarity of the least similar fact to the context: one minus its largest cosine."""
        lexicon = self.lexicon
        ids = self.answer.ids[self.strange]
        if not len(ids):
            return 0.0
        if (lexicon.flags[ids] & NUMBER).any():
            return 1.0  # numbers have no similar words
        sides, least = self.context_index.telling, 1.0
        if not sides.size:
            return 1.0
        step = max(1, COSINES_AT_ONCE // sides.shape[1])
        for start in range(0, len(ids), step):
            least = min(least, float((lexicon.vector[ids[start : start + step]] @ sides).max(axis=1).min()))
        # Rounded, so that the score does not depend on the order of words in the lexicon.
        return float(1.0 - np.round(max(least, 0.0), 6))

    @cached_property
    def unsupported(self) -> float:
        """Return the weighted share of the facts that the context lacks; 0 without facts."""
        whole = float(self.weight[self.facts].sum())
        return float(self.weight[self.strange].sum()) / whole if whole > 0 else 0.0

    @cached_property
    def things(self) -> float:
        """Return the share of words for objects that the context does not mention."""
        named = self.strange & (self.flags & (THING | NUMBER) > 0)
        return float(np.count_nonzero(named)) / max(1, int(np.count_nonzero(self.claimed)))

    @cached_property
    def factless(self) -> float:
        """Return the share of absent words of an answer without facts."""
        return 0.0 if self.facts.any() else 1.0 - float(self.present.mean())

    @cached_property
    def unaligned(self) -> float:
        """Return the share of the answer's words outside its longest common subsequence with the context.

        Hyyrö, *Bit-parallel LCS-length computation revisited*, 2004.
        """
        width = len(self.context.ids)
        whole = (1 << width) - 1
        row = whole
        places = self.places
        for stem in self._stem_list:
            if places[stem]:
                common = row & places[stem]
                row = ((row + common) | (row - common)) & whole
        return 1.0 - (width - row.bit_count()) / len(self.stems)

    @cached_property
    def apart(self) -> float:
        """Return the distance in the context of words that are close in the answer, 0 to 1."""
        at = self.facts.nonzero()[0].tolist()
        stems = self._stem_list
        levels = [
            level(self.places[stems[one]], self.places[stems[two]], two - one)
            for one, two in zip(at, at[1:], strict=False)
            if stems[one] != stems[two]
        ]
        return sum(levels) / (FAR * len(levels)) if levels else 0.0

    @cached_property
    def numbers(self) -> tuple[list[int], list[int], int]:
        """Return the numbers that the context lacks, or has elsewhere, and the count of all numbers."""
        at = (self.flags & NUMBER).nonzero()[0].tolist()
        if at:
            pronouns = _pronouns(self)
            at = [place for place in at if self.answer.ids[place] not in pronouns]
        if not at:
            return [], [], 0
        absent, misplaced = [], []
        for place, value in zip(at, value_at(self.answer, at).tolist(), strict=True):
            if not self.present[place] and not among(value, self.context_index.numbers):
                absent.append(place)
            if not self._near_its_words(place):
                misplaced.append(place)
        return absent, misplaced, len(at)

    def _near_its_words(self, place: int) -> bool:
        here = self.places[self._stem_list[place]]
        others = [self.places[stem] for stem in self._facts_beside(place)]
        near = around(here, NEAR) if here and others else 0
        return bool(here) and (not others or any(near & other for other in others))

    @cached_property
    def names(self) -> tuple[list[int], int]:
        """Return the names that the context lacks, and the count of all names; without first words of sentences."""
        opens = np.ones(len(self.stems), dtype=bool)
        opens[1:] = self.answer.sentence[1:] != self.answer.sentence[:-1]
        named = (self.flags & NAME > 0) & ~opens & (self.weight > 0.3) & (self.flags & NUMBER == 0)
        return (named & ~self.present).nonzero()[0].tolist(), int(named.sum())

    @cached_property
    def limits(self) -> list[int]:
        """Return the negations and limits of the answer."""
        listed: list[int] = ((self.flags & LIMIT > 0) & self.claimed).nonzero()[0].tolist()
        return listed

    @cached_property
    def negations(self) -> list[int]:
        """Return the negations and limits of the answer next to words that the context has without any."""
        if not self.limits:
            return []
        near = self.context_index.limits
        return [at for at in self.limits if not any(self.places[stem] & near for stem in self._beside(at))]

    def _beside(self, at: int) -> list[int]:
        beside = range(max(0, at - 1), min(len(self.stems), at + 5))
        stems, facts = self._stem_list, self._fact_list
        return [stems[place] for place in beside if facts[place]]

    def _facts_beside(self, at: int) -> list[int]:
        """Return the stems of the facts up to four words before and after a word."""
        stems, facts = self._stem_list, self._fact_list
        beside = range(max(0, at - 4), min(len(stems), at + 5))
        return [stems[place] for place in beside if facts[place] and place != at]

    @cached_property
    def opposites(self) -> list[int]:
        """Return the words that are absent near their neighbours in the context, where an antonym is present."""
        groups = self.lexicon.group[self.answer.ids]
        turned = (self.context_index.groups[groups ^ 1] & (groups >= 0)) | self.opposed
        at = np.flatnonzero(turned & self.claimed & (self.facts | (groups >= 0))).tolist()
        return [place for place in at[:MOST_OPPOSITES] if self._is_opposed(place, int(groups[place]))]

    def _is_opposed(self, place: int, group: int) -> bool:
        near = 0
        for stem in self._facts_beside(place):
            near |= self.places[stem]
        near = around(near, 6)
        if not near or near & self.places[self._stem_list[place]]:
            return False
        lexicon, word = self.lexicon, self.answer.ids[place]
        words = self.context.ids[at_places(near, len(self.context.ids))]
        against = _meaning(words, lexicon.opposed[word], lexicon)
        if group >= 0:
            against |= lexicon.group[words] == group ^ 1
        if not against.any():
            return False
        alike = _meaning(words, self._meanings(place), lexicon)
        return not (alike & ~against).any()

    @cached_property
    def denials(self) -> tuple[dict[int, float], dict[int, float]]:
        """Return the words that only the context negates, and those that only the answer negates.

        Each has the share of its neighbours that are also next to it in the context: the larger the share, the likelier
        both are about the same statement.
        """
        limits = (self.flags & LIMIT).nonzero()[0].tolist()
        if not limits and not self.context_index.denied:
            return {}, {}
        free = (self.flags & FILLER == 0) & self.claimed & (self.present | self.paraphrased)
        added: dict[int, int] = {}
        if limits:
            ours = (find_negated(self.answer) & free).nonzero()[0].tolist()
            added = {at: self._said_places(at) for at in ours}
            for at in limits:
                free[max(0, at - NEAR_LIMIT) : at + NEAR_LIMIT + 1] = False
        dropped: dict[int, int] = {}
        if self.context_index.denied:
            stems, meanings = self.context_index.denied_words
            theirs: list[int] = self.lexicon.stem[self.answer.ids].tolist()
            words = [at for at in free.nonzero()[0].tolist() if theirs[at] in stems]
            alike = (free & self.paraphrased).nonzero()[0].tolist() if meanings else []
            own = self.lexicon.own[self.answer.ids[alike]].tolist()
            words += [at for at, mine in zip(alike, own, strict=True) if not meanings.isdisjoint(mine)]
            dropped = {at: here for at in words if (here := self._denied_beside(at))}
        return self._aligned(dropped, ~self.context_index.denied), self._aligned(added, self.context_index.negated)

    def _denied_beside(self, at: int) -> int:
        """Return the positions of a word in the context if it is negated next to one of its neighbours; 0 otherwise."""
        here = self._said_places(at)
        near = around(here & self.context_index.denied, BESIDE)
        return here if near and any(near & other for other in self._neighbours(at)) else 0

    def shared(self, words: list[int]) -> dict[int, float]:
        """Return for each word the largest share of its neighbours at one position of the context."""
        whole = (1 << len(self.context.ids)) - 1
        return {at: best_places(whole, self._neighbours(at))[1] for at in words}

    def _said_places(self, at: int) -> int:
        """Return the positions of a word, or of a synonym, in the context."""
        if self.present[at]:
            return self.places[self._stem_list[at]]
        return bits(_meaning(self.context.ids, self._meanings(at), self.lexicon))

    def _meanings(self, at: int) -> np.ndarray:
        word = self.answer.ids[at]
        return np.concatenate([self.lexicon.own[word], self.lexicon.related[word]])

    def _aligned(self, words: Mapping[int, int], never: int) -> dict[int, float]:
        """Return the words whose best positions are never among ``never``, with the share of the neighbours there."""
        pairs = {}
        for at, here in words.items():
            best, share = best_places(here, self._neighbours(at))
            if share > 0 and not best & never:
                pairs[at] = share
        return pairs

    def _neighbours(self, at: int) -> list[int]:
        """Return the positions in the context of the word's neighbours in its sentence."""
        stems, sentence, content = self._stem_list, self._sentence_list, self._content_list
        beside = range(max(0, at - BESIDE), min(len(stems), at + BESIDE + 1))
        near = {stems[place]: None for place in beside if content[place] and sentence[place] == sentence[at]}
        near.pop(stems[at], None)
        return [self.places[stem] for stem in near][:MOST_NEIGHBOURS]

    @cached_property
    def _sentence_list(self) -> list[int]:
        listed: list[int] = self.answer.sentence.tolist()
        return listed

    @cached_property
    def _content_list(self) -> list[bool]:
        listed: list[bool] = (self.flags & FILLER == 0).tolist()
        return listed

    @cached_property
    def swapped(self) -> dict[int, float]:
        """Return the verbs with swapped subject and object, each with the share of its neighbours at that position."""
        content = (self.flags & FILLER == 0) & self.present
        verbs = np.flatnonzero((self.flags & (VERB | THING | NAME) == VERB) & self.claimed & content).tolist()
        if not verbs:
            return {}
        words = content.nonzero()[0].tolist()
        things: list[bool] = (self.flags & (THING | NUMBER) > 0).tolist()
        swapped = [at for at in verbs if self._is_swapped(at, words, things)]
        return self._aligned({at: self.places[self._stem_list[at]] for at in swapped}, 0)

    def _is_swapped(self, at: int, content: list[int], things: list[bool]) -> bool:
        """Return whether the nearest content words on both sides of a verb are swapped."""
        place = bisect_left(content, at)
        left = self._nearest(content[max(0, place - REACH) : place][::-1], at, things)
        right = self._nearest(content[place + 1 : place + 1 + REACH], at, things)
        stems = self._stem_list
        if left < 0 or right < 0 or stems[left] == stems[right] or all(self.joined[left + 1 : right + 1]):
            return False
        verb, one, other = (self.places[stems[place]] for place in (at, left, right))
        return roles_swapped(
            verb, one, other, ~self.context_index.passive if self._passive[at] else self.context_index.passive
        )

    def _nearest(self, beside: list[int], at: int, things: list[bool]) -> int:
        """Return the position of the nearest object word, or else of the nearest word; -1 for none."""
        stems, sentence, nearest = self._stem_list, self._sentence_list, -1
        for place in beside:
            if abs(place - at) > REACH or sentence[place] != sentence[at]:
                break
            if stems[place] == stems[at]:
                continue
            if things[place]:
                return place
            nearest = place if nearest < 0 else nearest
        return nearest

    @cached_property
    def _passive(self) -> np.ndarray:
        return passive(self.answer)

    @cached_property
    def claims(self) -> np.ndarray:
        """Return for each sentence of the answer the weighted share that the best window supports; NaN if empty."""
        block = self.presence.astype(np.float32)
        block[self.paraphrased[self.first]] = 1.0
        for step in range(1, min(WINDOW, block.shape[1])):
            np.maximum(block[:, :-step], self.presence[:, step:], out=block[:, :-step])
        scores = np.full(self.answer.sentences, np.nan)
        bounds = np.searchsorted(self.answer.sentence, np.arange(self.answer.sentences + 1)).tolist()
        whole = np.add.reduceat(self.weight, bounds[:-1])
        supported = block.take(self.stems, axis=0)
        for claim in (whole >= 2 * SAYS).nonzero()[0].tolist():
            start, end = bounds[claim], bounds[claim + 1]
            scores[claim] = (self.weight[start:end] @ supported[start:end]).max() / whole[claim]
        return scores

    @cached_property
    def lacking(self) -> float:
        """Return the mean unsupported share of the claims; 0 without claims."""
        scores = self.claims[np.isfinite(self.claims)]
        return float(1.0 - scores.mean()) if len(scores) else 0.0

    @cached_property
    def joined(self) -> list[bool]:
        """Return a mask of the words that follow their predecessor as in the context, in greedy runs."""
        groups, current = [], 0
        for stem in self._stem_list:
            here = self.places[stem]
            following = (current << 1) & here
            groups.append(bool(following))
            current = following or here
        return groups

    @cached_property
    def copied(self) -> float:
        """Return the share of the answer's words in runs of three or more; a shorter answer may be one run."""
        least, total = min(WINDOW, len(self.stems)), 0
        starts = [at for at, joined in enumerate(self.joined) if not joined]
        for start, end in pairwise([*starts, len(self.stems)]):
            if end - start >= least and self.present[start]:
                total += end - start
        return total / len(self.stems)

    @cached_property
    def broken(self) -> float:
        """Return the share of pairs of neighbouring words of the answer that are not neighbours in the context."""
        pairs = len(self.stems) - 1
        return 1.0 - sum(self.joined) / pairs if pairs else 0.0


def support(answer: str, context: str) -> Support | None:
    """Compare an answer with its context; None if either has no words.

    Examples
    --------
    >>> result = support("The shop opened in 1999.", "The shop was opened in Paris. It closed in 2010.")
    >>> [result.lexicon.value[result.answer.ids[place]].item() for place in result.numbers[0]]
    [1999.0]
    """
    return supports([(answer, context)])[0]


def supports(pairs: Sequence[tuple[str, str]]) -> list[Support | None]:
    """Compare answers with their contexts; recent pairs of limited length are cached.

    One thread at a time: reading extends the lexicon, and baselines are learnt concurrently with buckets.
    """
    with _READING:
        return _supports(pairs)


def _supports(pairs: Sequence[tuple[str, str]]) -> list[Support | None]:
    wanted = [pair for pair in dict.fromkeys(pairs) if pair not in _REMEMBERED]
    fresh: dict[tuple[str, str], Support | None] = {}
    start = 0
    while start < len(wanted):
        end, size = start, 0
        while end < len(wanted) and (size == 0 or size < AT_ONCE):
            size += sum(map(len, wanted[end]))
            end += 1
        fresh |= zip(wanted[start:end], _page(wanted[start:end]), strict=True)
        start = end
    results = [fresh[pair] if pair in fresh else _REMEMBERED[pair] for pair in pairs]
    for pair, support in fresh.items():
        if max(map(len, pair)) <= LONGEST_ANSWER:
            _REMEMBERED[pair] = support
    for pair in list(_REMEMBERED)[: max(0, len(_REMEMBERED) - REMEMBERED)]:
        del _REMEMBERED[pair]
    return results


_REMEMBERED: dict[tuple[str, str], Support | None] = {}
_READING = threading.Lock()


def _page(pairs: Sequence[tuple[str, str]]) -> list[Support | None]:
    """Compare answers with their contexts; features of single words are computed for all answers at once."""
    words = lexicon()
    number: dict[str, int] = {}
    of = [number.setdefault(context[:LONGEST_CONTEXT], len(number)) for _, context in pairs]
    contexts = read_contexts(list(number), words)
    answers = [answer[:LONGEST_ANSWER] for answer, _ in pairs]
    readings = read_all(answers, words)
    context_list = [contexts[place] for place in of]
    stems = Stems(readings)
    stood = stems.stand(context_list)
    weight, flags = words.weight[readings.ids], words.flags[readings.ids]
    claimed = words_outside_hedges(answers, readings)
    facts = (((weight > SAYS) & (flags & TALK == 0)) | (flags & NUMBER > 0)) & claimed
    present = stems.present[stems.of]
    paraphrased, opposed = meant(readings, present, context_list)
    flat = (claimed, weight, flags, present, facts, paraphrased, opposed)
    supports: list[Support | None] = []
    for row, (places, presence) in enumerate(stood):
        start, end = readings.bounds[row : row + 2].tolist()
        if start == end or not len(context_list[row].text.ids):
            supports.append(None)
            continue
        first, last = stems.bounds[row : row + 2].tolist()
        own = stems.of[start:end] - first
        each = (array[start:end] for array in flat)
        supports.append(
            Support(readings[row], context_list[row], own, stems.first[first:last] - start, places, presence, *each)
        )
    return supports


def _pronouns(support: Support) -> set[int]:
    of = support.lexicon.of
    return {of[word] for word in ("one", "One", "first", "First", "once", "Once") if word in of}


def _meaning(words: np.ndarray, meanings: np.ndarray, lexicon: Lexicon) -> np.ndarray:
    """Return a mask of the words with one of these senses."""
    marks = meanings_marked()
    marks[meanings] = True
    marks[0] = False
    matches = any_in_rows(marks.take(lexicon.own[words]))
    marks[meanings] = False
    return matches
