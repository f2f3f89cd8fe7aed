"""A page of records is read in one pass: its values are those of a plain reading, and of each record alone."""

from __future__ import annotations

import math
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from detectors import SIGNALS
from detectors.records import Column
from detectors.signals.language import detect_language
from detectors.text import support as module
from detectors.text.lexicon import BREAK, NAME, NUMBER, Lexicon, lexicon
from detectors.text.reading import LINE, tokenize
from detectors.text.support import Support, supports

SHOP = "The shop was opened in Paris in 1999. It sold bread.\nPrices rose slowly, and Mary Jones bought a second house."
PASSAGES = [
    f"In {1900 + row} the council of town {row} approved bridge {row}. It was closed later." for row in range(200)
]
ANSWERS = [
    "The shop sold bread in Paris. It was closed in 2010 by John Smith.",
    "I'm not sure, but I think that it never rose. Prices fell, and Mary sold the second house for 5 million euros.",
    "One of 1,999 things: the First opened once, in Überlingen.",
    "東京は大きい。パンを売った。",
    "<p>The <b>shop</b> &amp; the bread: 10,000&nbsp;€</p>",
    "def shop(x):\n    return x + 1999  # sold\n",
    "| town | year |\n|---|---|\n| Paris | 1999 |",
    "https://example.org/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o?shop=1999 sold bread. a-b-c-d-e-f-g-h-i-j",
    "\ud800 no 🙂 words naïve",
    "...",
    "",
    None,
    "In 1950 the council of town 50 approved bridge 50. In 1951 it denied town 77.",
    "rise fall open close. Prices fell. " * 40,
]
CONTEXTS = [SHOP, PASSAGES, "", None, "东京很大。パン 1999", "<ul><li>bread 1,999</li></ul>\n\n\n", ANSWERS[7], SHOP]
PAIRS = [(said, given) for said in ANSWERS for given in CONTEXTS]
NAMES = (
    "hallucinated",
    "groundedness",
    "weakest_claim",
    "number_mismatch",
    "name_mismatch",
    "negation_mismatch",
    "opposite_words",
    "copy_rate",
    "novelty",
    "language",
)


def page(pairs: list[tuple[object, object]]) -> dict[str, Column]:
    return {"response": Column.of([said for said, _ in pairs]), "context": Column.of([given for _, given in pairs])}


def values(column: Column) -> list[object]:
    return [None if gone else value for value, gone in zip(column.values.tolist(), column.missing, strict=True)]


@pytest.mark.parametrize("name", NAMES)
def test_a_record_alone_has_the_value_that_it_has_in_any_page(name: str) -> None:
    compute = SIGNALS[name].compute
    together = values(compute(page(PAIRS)))
    module._REMEMBERED.clear()
    backwards = values(compute(page(PAIRS[::-1])))[::-1]
    alone = []
    for pair in PAIRS:
        module._REMEMBERED.clear()
        alone += values(compute(page([pair])))
    assert together == backwards == alone
    assert len({value for value in together if value is not None}) > 1


def words_of(text: str, held: Lexicon) -> list[list[int]]:
    """Return the sentences of a text as lists of words, piece by piece and without a table."""
    sentences: list[list[int]] = [[]]
    for piece in text.replace("\n", LINE).split():
        for token in tokenize(piece):
            word = held.of[token]
            if held.flags[word] > BREAK:
                sentences[-1].append(word)
            elif held.flags[word] == BREAK:
                sentences.append([])
    return [sentence for sentence in sentences if sentence]


def supported(sentence: list[int], held: Support, given: list[list[int]]) -> float:
    """Return the share of a sentence that the best three neighbouring sentences say, or another word for it."""
    stem, weight = held.lexicon.stem, held.lexicon.weight
    said = {stem[word] for one in given for word in one}
    first = {stem[word]: place for place, word in reversed(list(enumerate(held.answer.ids.tolist())))}
    whole = sum(float(weight[word]) for word in sentence)
    if whole < 0.5:
        return math.nan
    best = 0.0
    for start in range(len(given)):
        window = {stem[word] for one in given[start : start + 3] for word in one}
        window |= {key for key, place in first.items() if key not in said and held.paraphrased[place]}
        best = max(best, sum(float(weight[word]) for word in sentence if stem[word] in window))
    return best / whole


def common(one: list[int], two: list[int]) -> int:
    """Return the length of the longest common subsequence, by the textbook."""
    row = [0] * (len(two) + 1)
    for word in one:
        last = row
        row = [0]
        for place, other in enumerate(two):
            row.append(last[place] + 1 if word == other else max(last[place + 1], row[-1]))
    return row[-1]


def paraphrased(word: int, given: set[int], held: Lexicon) -> bool:
    meant = {int(one) for other in given for one in held.own[other] if one}
    alike = {int(one) for one in [*held.own[word], *held.related[word]]} & meant
    return bool(alike) and not {int(one) for one in held.opposed[word]} & meant


def test_a_page_says_what_a_plain_reading_says() -> None:
    pairs = [
        (said, "\n".join(given) if isinstance(given, list) else given)
        for said, given in PAIRS
        if said is not None and given is not None
    ]
    held, checked = lexicon(), 0
    for (said, given), found in zip(pairs, supports(pairs), strict=True):
        ours, theirs = words_of(said, held), words_of(given, held)
        if not ours or not theirs:
            assert found is None
            continue
        assert found is not None
        checked += 1
        flat, other = [word for one in ours for word in one], [word for one in theirs for word in one]
        stems, known = [held.stem[word] for word in flat], {held.stem[word] for word in other}
        assert found.answer.ids.tolist() == flat
        assert found.context.ids.tolist() == other
        assert found.present.tolist() == [stem in known for stem in stems]
        alike = [
            stem not in known and paraphrased(word, set(other), held) for stem, word in zip(stems, flat, strict=True)
        ]
        assert found.paraphrased.tolist() == alike
        length = common(stems, [held.stem[word] for word in other])
        assert found.unaligned == pytest.approx(1 - length / len(stems), abs=1e-12)
        claims = [supported(sentence, found, theirs) for sentence in ours]
        np.testing.assert_allclose(found.claims, claims, atol=1e-6)  # single precision
        inside = [word for sentence in ours for word in sentence[1:]]
        names = [word for word in inside if held.flags[word] & NAME and not held.flags[word] & NUMBER]
        names = [word for word in names if held.weight[word] > 0.3]
        absent = [word for word in names if held.stem[word] not in known]
        assert (len(found.names[0]), found.names[1]) == (len(absent), len(names))
    assert checked > 40


def test_languages_of_a_page_are_those_of_each_text() -> None:
    texts = [
        *(str(said) for said in ANSWERS),
        "Das Paket kommt am Montag an, wenn es nicht regnet.",
        "LE COLIS ARRIVERA LUNDI.",
        "Посылка придёт в понедельник, если не будет дождя.",
        "déjà vu " * 90,
        "`code` only",
        "小包は月曜日に届きます。",
    ]
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    plain = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    detect_language.cache_clear()
    found = values(SIGNALS["language"].compute({"response": Column.of(texts)}))
    detect_language.cache_clear()
    assert found == [detect_language(text) for text in texts]
    for text, code in zip(texts, found, strict=True):
        if code is not None and "`" not in text and "://" not in text:
            assert plain.classify(text[:200])[0] == code
    assert len(set(found)) > 4


def test_threads_that_read_at_once_find_what_one_finds() -> None:
    """A baseline is learnt beside the ticks; every text here brings words that no lexicon holds yet."""
    pages = [
        page(
            [(f"{said or ''} new{thread}x{row} word{thread}y{row}.", given) for row, (said, given) in enumerate(PAIRS)]
        )
        for thread in range(4)
    ]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(len(pages)) as pool:
            together = [values(column) for column in pool.map(SIGNALS["hallucinated"].compute, pages)]
    finally:
        sys.setswitchinterval(before)
    module._REMEMBERED.clear()
    assert together == [values(SIGNALS["hallucinated"].compute(one)) for one in pages]
