"""What tells a wrong answer from one in other words: each part on texts that hold it, and on texts that do not."""

from __future__ import annotations

import time

import numpy as np
import pytest

from detectors.records import Column
from detectors.signals.hallucinated import compute
from detectors.text.hedges import MOST_HEDGES, hedges
from detectors.text.lexicon import lexicon
from detectors.text.reading import read, spans
from detectors.text.support import Support, support
from detectors.text.synonyms import MEANINGS, bases, senses

SHOP = "The shop was opened in Paris in 1999. It sold bread. Prices rose slowly, and the owner bought a second house."


def held(said: str, given: str = SHOP) -> Support:
    found = support(said, given)
    assert found is not None
    return found


def score(said: str, given: str) -> float:
    return float(compute({"response": Column.of([said]), "context": Column.of([given])}).values[0])


def words(said: str, places: list[int]) -> list[str]:
    at = spans(said, lexicon())
    return [said[at[place][0] : at[place][1]] for place in places]


@pytest.mark.parametrize(
    ("text", "hedged"),
    [
        ("I'm not sure, but it sold bread.", ["I'm not sure, but"]),
        ("i ' m not sure , but it sold bread .", ["i ' m not sure , but"]),
        ("I do n't remember , but it sold bread .", ["I do n't remember , but"]),
        ("I don’t know much about it but it sold bread.", ["I don’t know much about it but"]),
        ("Not sure but it sold bread.", ["Not sure but"]),
        ("I think that it sold bread. We also know it closed.", ["I think that", "We also know"]),
        ("🙂 naïve — I think it sold bread.", ["I think"]),
        ("The bread was not sold. It is not known whether they knew.", []),
        ("Ich weiß nicht, aber es wurde Brot verkauft.", []),
        ("", []),
    ],
)
def test_what_only_hedges_is_told_from_what_is_claimed(text: str, hedged: list[str]) -> None:
    assert [text[start:end] for start, end in hedges(text)] == hedged


def test_a_hedge_adds_nothing_against_an_answer_and_its_claim_counts() -> None:
    plain, hedged = held("It sold bread."), held("I'm not sure, but I do know that it sold bread.")
    assert hedged.unsupported == plain.unsupported == 0.0
    assert hedged.limits == []
    assert held("I'm not sure, but it sold helicopters.").unsupported > 0
    assert held("I'm not sure.").claimed.all()  # nothing else is said, so this is what is looked at


def test_a_text_that_a_tokenizer_has_cut_at_its_apostrophes_is_read_as_the_whole_one() -> None:
    context = "The band was formed in Orlando in 1993 and does not tour."
    for whole, cut in (
        ("They're from Orlando, that's right.", "they ' re from orlando , that ' s right ."),
        ("They've formed it, it's from 1993.", "they ' ve formed it , it ' s from 1993 ."),
    ):
        one, other = (support(text, context) for text in (whole.lower(), cut))
        assert one is not None
        assert other is not None
        assert one.strangest == other.strangest == 0.0
        assert one.unsupported == other.unsupported
    denied = support("they didn ' t tour in orlando in 1993 .", "They tour in Orlando in 1993.")
    assert denied is not None
    assert len(denied.negations) == 1


@pytest.mark.parametrize(
    ("one", "other", "tie"),
    [
        ("bought", "purchased", "same"),
        ("decided", "decision", "near"),
        ("improved", "worsened", "opposed"),
        ("rise", "fall", "opposed"),
        ("dancing", "swimming", "none"),
        ("bread", "diamond", "none"),
    ],
)
def test_words_that_mean_the_same_are_told_from_those_that_mean_the_opposite(one: str, other: str, tie: str) -> None:
    left, right = senses(one), senses(other)
    near = bool(set(left.own + left.related) & set(right.own))
    opposed = bool(set(left.opposed) & set(right.own))
    assert opposed == (tie == "opposed")
    assert near >= (tie in ("same", "near"))
    assert near <= (tie != "none")


def test_what_no_dictionary_holds_is_a_thing_and_has_no_meaning() -> None:
    for word in ("xyzzy", "straße", "東京", "o'neill", ""):
        assert senses(word).own == ()
        assert senses(word).thing
    assert senses("bread").thing
    assert not senses("discuss").thing
    assert bases("stopped")[-1] == "stop"
    assert all(0 < one < MEANINGS for one in senses("run").own)


def test_another_word_for_the_same_is_support_and_another_thing_is_none() -> None:
    context = "The owner bought a second house in the town."
    same, other = held("The owner purchased a second house.", context), held("The owner sank a second house.", context)
    assert same.paraphrased.sum() == 1
    assert same.unsupported == 0.0
    assert other.unsupported > 0.0
    assert held("The shop sold helicopters.").things > 0.0
    assert held("The shop sold bread.").things == 0.0


@pytest.mark.parametrize(
    ("said", "turned"),
    [
        ("Prices fell slowly.", ["fell"]),
        ("Prices rose quickly.", ["quickly"]),
        ("Prices rose slowly.", []),
        ("The shop was closed in Paris.", ["closed"]),
        ("Les prix ont monté lentement.", []),
    ],
)
def test_an_opposite_is_seen_beside_the_words_that_it_is_said_of(said: str, turned: list[str]) -> None:
    assert words(said, held(said).opposites) == turned


def test_an_opposite_elsewhere_in_a_long_context_is_none() -> None:
    far = "Wages fell in the winter. " + "The council met again and talked about the bridge. " * 20
    assert held("Prices rose slowly.", far + SHOP).opposites == []
    assert words("Prices fell slowly.", held("Prices fell slowly.", far + SHOP).opposites) == ["fell"]


PASSAGE = (
    "The city council approved the new bridge on 12 March 2021. It will cost 3.5 million euros and open before the "
    "summer. Mayor Anna Schmidt said that the old bridge was not safe. Traffic rose by 20 percent in ten years. "
)
FOREIGN = (
    "Der Stadtrat hat am 12. März 2021 die neue Brücke genehmigt. Sie kostet 3,5 Millionen Euro.",
    "Le conseil a approuvé le nouveau pont le 12 mars 2021. Il coûtera 3,5 millions d'euros.",
    "市议会于2021年3月12日批准了新桥。费用为350万欧元。",
    "Городской совет утвердил новый мост 12 марта 2021 года. Он обойдётся в 3,5 миллиона евро.",
)


@pytest.mark.parametrize("times", [1, 5, 40])
def test_a_copy_of_any_length_is_supported(times: int) -> None:
    context = " ".join(f"In case {number} the court found for the plaintiff. {PASSAGE}" for number in range(times))
    assert score(context, context) < 0.35
    assert score(PASSAGE, context) < 0.35


@pytest.mark.parametrize("text", FOREIGN)
def test_a_copy_in_any_language_is_supported_and_an_answer_about_something_else_is_not(text: str) -> None:
    assert score(text, f"{text} {PASSAGE}") < 0.35
    assert score(text, SHOP) > 0.7


def test_passages_about_something_else_change_little() -> None:
    other = "Penguins live in the south. They eat fish, krill and squid, and they cannot fly. " * 30
    for said in ("The council approved the bridge in March.", "The council rejected the tunnel in 1987."):
        assert score(said, PASSAGE + other) == pytest.approx(score(said, PASSAGE), abs=0.12)
        assert score(said, other + PASSAGE) == pytest.approx(score(said, PASSAGE), abs=0.12)


def test_the_order_of_true_sentences_and_their_number_hardly_matter() -> None:
    sentences = PASSAGE.strip().split(". ")
    turned = ". ".join(reversed(sentences))
    assert score(turned, PASSAGE) < 0.4
    assert score(PASSAGE, PASSAGE) == pytest.approx(score(f"{sentences[0]}.", PASSAGE), abs=0.1)


def test_the_same_text_has_the_same_score_whatever_was_read_before() -> None:
    said, given = "The council rejected the tunnel in 1987.", PASSAGE
    support(said, given)
    first = score(said, given)
    for number in range(40):
        support(f"word{number} other{number} said", f"context{number} of words{number}")
    from detectors.text import support as module

    module._REMEMBERED.clear()
    assert score(said, given) == first


@pytest.mark.parametrize(
    "text",
    [
        "i not " * 20_000,
        "I think " * 20_000,
        "n't " * 50_000,
        "not sure" + " x" * 100_000,
        "we " * 50_000,
        "\ud800i not",
    ],
)
def test_hedges_are_bounded(text: str) -> None:
    begun = time.process_time()
    assert len(hedges(text)) <= MOST_HEDGES
    assert held(text).claimed.shape == held(text).answer.ids.shape
    assert time.process_time() - begun < 5


def test_a_text_of_opposites_and_meanings_is_bounded() -> None:
    begun = time.process_time()
    found = held("rise fall open close improve worsen " * 3_000, "fall rise close open worsen improve " * 5_000)
    assert np.isfinite(found.strangest)
    assert len(found.opposites) <= 200
    assert time.process_time() - begun < 10


def test_pieces_are_held_as_they_are_cut() -> None:
    known = lexicon()
    text = "state-of-the-art well-being a-b-c-d-e-f-g-h-i-j https://example.org/a/b/c?d=e 3.5% U.S. " * 2
    fresh, again = read(text, known), read(text, known)
    assert fresh.ids.tolist() == again.ids.tolist()
    assert len(spans(text, known)) == len(fresh.ids)
