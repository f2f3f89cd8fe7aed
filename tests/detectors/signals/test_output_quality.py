"""What each signal of output quality says of texts whose answer is known."""

from __future__ import annotations

import json
import pickle
import random
from typing import Any

import numpy as np
import pytest

from detectors import SIGNALS
from detectors.records import Column
from detectors.signals.language import detect_language
from detectors.signals.patterns import load_phrases
from detectors.signals.repetition import repetition_share
from tests.detectors.signals.asking import of

DECLINED = [
    "I'm sorry, but I can't help with that.",
    "I cannot provide instructions for that.",
    "I’m unable to assist with this request.",
    "As an AI language model, I am not able to browse the internet.",
    "Unfortunately I can't share customer data.",
    "The provided context does not contain information about the refund policy.",
    "I don't have enough information to answer that question.",
    "I couldn't find any information about your order.",
    "That goes against my guidelines.",
    "I do not know the answer.",
    "Es tut mir leid, aber ich kann Ihnen dabei nicht helfen.",
    "Dazu liegen mir leider keine Informationen vor.",
    "Der Kontext enthält dazu keine Angaben.",
    "Je suis désolé, mais je ne peux pas répondre à cette question.",
    "Le texte ne mentionne pas cette date.",
    "Lo siento, pero no puedo ayudarte con eso.",
    "No tengo información suficiente sobre ese pedido.",
    "Mi dispiace, ma non posso aiutarti con questa richiesta.",
    "Desculpe, mas não posso ajudar com isso.",
    "Het spijt me, maar ik kan u daarbij niet helpen.",
    "Przykro mi, ale nie mogę w tym pomóc.",
    "Извините, я не могу помочь с этим запросом.",
    "Üzgünüm, bu konuda yardımcı olamam.",
    "很抱歉，我无法提供这方面的帮助。",
    "申し訳ありませんが、その質問にはお答えできません。",
    "죄송하지만 그 요청은 도와드릴 수 없습니다.",
    "عذراً، لا يمكنني مساعدتك في ذلك.",
    "क्षमा करें, मैं इसमें आपकी मदद नहीं कर सकता।",
]
ANSWERED = [
    "Your parcel will arrive on Monday.",
    "You cannot return an opened bottle, but we can exchange it.",
    "I can help you with that. Please send the order number.",
    "I can't stress enough how important it is to back up your data.",
    "Sorry to hear that your lamp broke. A new one is on its way.",
    'The song is called "I Can\'t Help Falling in Love", by Elvis Presley.',
    "If the lamp does not turn on, check the fuse.",
    "The customer said that he could not open the door.",
    "The act does not apply to persons under 18.",
    "Ihr Paket kommt am Montag. Sie können es nicht umleiten.",
    "Sie können den Vertrag jederzeit kündigen.",
    "Votre colis arrivera lundi.",
    "Puede devolver el producto en 30 días.",
    "Il pacco arriverà lunedì.",
    "O seu pedido chega na segunda-feira.",
    "Uw pakket komt maandag aan.",
    "Paczka dotrze w poniedziałek.",
    "Посылка придёт в понедельник.",
    "您的包裹将于星期一送达。",
    "荷物は月曜日に届きます。",
    "소포는 월요일에 도착합니다.",
    "ستصل الشحنة يوم الاثنين.",
    "पार्सल सोमवार को आएगा।",
    "As an AI language model, I cannot draw, however here is a table of the same data:\n" + "| month | sales |\n" * 20,
]


def test_refusals_are_told_from_answers_in_fifteen_languages() -> None:
    assert len(load_phrases("refusal")) == len(load_phrases("hedging")) == 15
    missed = [text for text, found in zip(DECLINED, of("refusal", *DECLINED), strict=True) if not found]
    mistaken = [text for text, found in zip(ANSWERED, of("refusal", *ANSWERED), strict=True) if found]
    assert (missed, mistaken) == ([], [])


def test_a_refusal_deep_in_an_answer_is_not_one() -> None:
    assert of("refusal", "The report has four parts. " * 40 + "I cannot help with that.") == [0.0]


@pytest.mark.parametrize("name", ["refusal", "hedging"])
def test_every_packaged_phrase_compiles_and_says_where_it_is_from(name: str) -> None:
    from importlib.resources import files

    from detectors.signals.patterns import compile_linear

    read = json.loads(files("detectors.data").joinpath(f"{name}.json").read_text(encoding="utf-8"))
    assert "for driftd" in read["about"]
    for kinds in load_phrases(name).values():
        for phrases in kinds.values():
            for phrase in phrases:
                assert compile_linear(phrase, ignore_case=True) is not None


def test_evidence_of_a_refusal_is_where_it_stands() -> None:
    text = "Größe 🤖 hat’s: I can’t help with that, sorry."
    evidence = SIGNALS["refusal"].evidence
    assert evidence is not None
    (found,) = evidence({"response": text})
    assert (found.type, text[found.start : found.end]) == ("declines", "I can’t help")


def test_hedging_counts_sentences() -> None:
    text = "It may rain. Perhaps it will not. It is Monday! The shop opens at nine?"
    others = ["The shop opens at nine.", "", "Wahrscheinlich regnet es. Heute ist Montag.", "可能会下雨。"]
    assert of("hedging", text, *others) == [0.5, 0.0, None, 0.5, 1.0]
    assert of("hedging", "In May 2024 it opened.") == [0.0]
    evidence = SIGNALS["hedging"].evidence
    assert evidence is not None
    assert [text[found.start : found.end] for found in evidence({"response": text})] == ["may", "Perhaps"]


def test_repetition_against_a_plain_count() -> None:
    random.seed(0)
    vocabulary = [f"w{number}" for number in range(12)]
    for size in (0, 3, 4, 50, 500):
        words = random.choices(vocabulary, k=size)
        grams = [tuple(words[place : place + 4]) for place in range(len(words) - 3)]
        expected = 1 - len(set(grams)) / len(grams) if grams else 0.0
        assert repetition_share(" ".join(words)) == pytest.approx(expected)


def test_degenerate_generations_stand_out() -> None:
    prose = "The committee met on Tuesday and agreed that the bridge will be repaired before winter, as planned. "
    degenerate = [
        prose + "and then the bridge " * 60,
        prose + "!?ha " * 80,
        "我" * 300,
        prose + "\n".join(["- The bridge will be repaired before winter"] * 30),
    ]
    assert min(of("repetition", *degenerate)) > 0.7
    assert of("repetition", prose) == [0.0]
    assert of("repetition", "See the table.\n" + "-" * 200) == [0.0]
    evidence = SIGNALS["repetition"].evidence
    assert evidence is not None
    (loop,) = evidence({"response": prose + "very " * 60})
    assert loop.start == pytest.approx(len(prose), abs=5)


def test_compression_is_that_of_bytes() -> None:
    text = "a" * 10_000
    assert of("compression", text)[0] > 100
    noise = "".join(map(chr, np.random.default_rng(0).integers(33, 127, 4000)))
    assert of("compression", noise)[0] == pytest.approx(1.2, abs=0.1)


WHOLE = [
    "The parcel left the warehouse on Monday. It will arrive by Thursday at the latest.",
    "Here are the steps:\n\n1. Open the lid.\n2. Take the lamp out.\n3. Put the new lamp in",
    "Paris",
    "Sure! Here is the code:\n```python\nprint(1)\n```",
    "It was a great day. Thanks to everyone who came to the opening of our new shop in town! #shop #opening",
    "It costs 12 euros. Shipping is free (within the EU).",
    "这个包裹星期一寄出。它将在星期四之前送达。",
    "",
]


def test_truncation_by_text() -> None:
    assert of("truncation", *WHOLE) == [0.0] * len(WHOLE)
    cut = [
        "The parcel left the warehouse on Monday. It will arrive by Thursday at the latest, unless the weather is",
        "The parcel left the warehouse on Monday. It will arrive by Thursday at the latest, provided that the cust",
        "Here is the code:\n```python\nprint(1",
        "The contract ends on 31 May. You can cancel it by letter, by e-mail, or by telephone, and",
    ]
    assert of("truncation", *cut) == [1.0] * 4


@pytest.mark.parametrize("reason", ["length", "max_tokens", "MAX_TOKENS", '["length"]', "FinishReason.MAX_TOKENS"])
def test_truncation_by_reason(reason: str) -> None:
    assert of("truncation", "All is well.", finish_reason=[reason]) == [1.0]


def test_a_known_reason_wins_over_the_text_and_an_unknown_one_does_not() -> None:
    cut = "The parcel left on Monday. It will arrive by Thursday at the latest, unless the weather is"
    assert of("truncation", cut, cut, cut, finish_reason=["stop", "who knows", None]) == [0.0, 1.0, 1.0]
    assert of("truncation", None, None, finish_reason=["length", None]) == [1.0, None]
    assert SIGNALS["truncation"].uses == ("finish_reason",)


SPOKEN = {
    "en": "The parcel left the warehouse this morning and will reach you by Thursday.",
    "de": "Das Paket hat das Lager heute Morgen verlassen und erreicht Sie bis Donnerstag.",
    "fr": "Le colis a quitté l'entrepôt ce matin et vous parviendra d'ici jeudi.",
    "es": "El paquete salió del almacén esta mañana y le llegará antes del jueves.",
    "it": "Il pacco ha lasciato il magazzino questa mattina e arriverà entro giovedì.",
    "nl": "Het pakket heeft het magazijn vanochtend verlaten en komt uiterlijk donderdag aan.",
    "pl": "Paczka opuściła dziś rano magazyn i dotrze do Państwa do czwartku.",
    "ru": "Посылка покинула склад сегодня утром и прибудет к вам до четверга.",
    "zh": "包裹今天早上离开仓库，将在星期四之前送达您的手中。",
    "ja": "荷物は今朝倉庫を出発し、木曜日までにお届けする予定です。",
    "ko": "소포는 오늘 아침 창고를 떠났으며 목요일까지 도착할 예정입니다.",
    "ar": "غادر الطرد المستودع هذا الصباح وسيصل إليكم قبل يوم الخميس.",
}


def test_languages_and_switches() -> None:
    assert of("language", *SPOKEN.values()) == list(SPOKEN)
    assert (
        of("language", "OK", "", "12.5 %", "😀😀😀😀", "```python\nfor number in range(3): print(number)\n```")
        == [None] * 5
    )
    pairs = [(one, other) for one in SPOKEN for other in SPOKEN]
    questions: list[object] = [SPOKEN[one] for one, _ in pairs]
    found = of("language_switch", *(SPOKEN[other] for _, other in pairs), question=questions)
    assert found == [float(one != other) for one, other in pairs]
    assert of("language_switch", SPOKEN["en"], question=["Hi"]) == [None]


def test_naming_the_languages_keeps_to_them() -> None:
    configure = SIGNALS["language"].configure
    assert configure is not None
    assert set(of(configure(among=["en", "de"]), *SPOKEN.values())) <= {"en", "de", None}
    assert detect_language(SPOKEN["fr"]) == "fr"  # the others are not affected


def test_uncertainty_is_the_peak_and_not_the_mean() -> None:
    calm, once = [-0.1] * 200, [-0.1] * 100 + [-3.0, -4.0, -5.0] + [-0.1] * 97
    assert of("uncertainty", logprobs=[json.dumps(calm), json.dumps(once)]) == pytest.approx([0.1, 4.0])
    rng = np.random.default_rng(0)
    logs = -rng.exponential(1, 300)
    expected = max(-logs[place : place + 3].mean() for place in range(298))
    forms = [
        json.dumps(logs.tolist()),
        json.dumps([None, *logs.tolist()]),
        json.dumps({"token_logprobs": logs.tolist()}),
        json.dumps([{"token": "a", "logprob": log} for log in logs]),
        json.dumps({"content": [{"token": "a", "logprob": log, "top_logprobs": []} for log in logs]}),
        json.dumps({"logprobs": {"content": [{"token": "a", "logprob": log} for log in logs]}}),
    ]
    assert of("uncertainty", logprobs=list(forms)) == pytest.approx([expected] * len(forms))


def test_uncertainty_uses_entropy_where_alternatives_are_logged() -> None:
    halves = {
        "token": "a",
        "logprob": np.log(0.5),
        "top_logprobs": [{"logprob": np.log(0.5)}, {"logprob": np.log(0.5)}],
    }
    assert of("uncertainty", logprobs=[json.dumps([halves] * 5)]) == pytest.approx([np.log(2)])
    three = [{"logprob": np.log(share)} for share in (0.5, 0.2, 0.1)]  # 0.2 is left for all others
    shares = np.array([0.5, 0.2, 0.1, 0.2])
    given = json.dumps([{"token": "a", "logprob": np.log(0.5), "top_logprobs": three}])
    assert of("uncertainty", logprobs=[given]) == pytest.approx([-(shares * np.log(shares)).sum()])


def test_uncertainty_bears_what_apis_write() -> None:
    odd: list[object] = [
        "[-9999.0]",
        "[-Infinity]",
        "[0, 0]",
        "[]",
        "{}",
        "null",
        "5",
        "[true]",
        '["x"]',
        "[[1]]",
        "[0.5]",
        None,
    ]
    assert of("uncertainty", logprobs=odd) == [30.0, 30.0, 0.0, *[None] * 9]
    evidence = SIGNALS["uncertainty"].evidence
    assert evidence is not None
    tokens = [("The", -0.1), (" sum", -0.1), (" is", -0.1), (" 4", -5.0), ("7", -4.0), (" €", -3.0), (".", -0.1)]
    logged = json.dumps({"content": [{"token": token, "logprob": log} for token, log in tokens]})
    (found,) = evidence({"response": "The sum is 47 €.", "logprobs": logged})
    assert "The sum is 47 €."[found.start : found.end] == " 47 €"
    assert found.score == pytest.approx(4.0)


def test_self_consistency() -> None:
    same, other = "The bridge is 1,200 metres long.", "Nobody knows who built it."
    samples: list[object] = [json.dumps(part) for part in ([same, same, same], [same, other], [same], [], 5, [1, 2])]
    found = of("self_consistency", samples=samples)
    assert found[0] == 1.0
    assert found[1] < 0.2
    assert found[2:] == [None] * 4
    number = "The bridge is 1,300 metres long."
    against = of(
        "self_consistency", same, same, same, samples=[json.dumps(p) for p in ([same], [number], [same, number])]
    )
    assert against == [1.0, 0.0, 0.5]
    assert of("self_consistency", "It is 1200 m", samples=['["It is 1,200 m"]'])[0] > 0.6


def test_feedback_is_put_on_one_scale() -> None:
    good: list[object] = [
        True,
        1,
        "1",
        "up",
        "Thumbs Up",
        "thumbs-up",
        "👍",
        "👍🏽",
        "❤️",
        "YES!",
        "5 stars",
        "5/5",
        "★★★★★",
        '{"score": 1}',
        '"like"',
        1.0,
    ]
    bad: list[object] = [
        False,
        -1,
        "-1",
        "down",
        "thumbs_down",
        "👎",
        "No",
        "1 star",
        "1/5",
        "★☆☆☆☆",
        '{"value": -1}',
        '{"rating": "down"}',
    ]
    nothing: list[object] = [
        "It was late.",
        "",
        7,
        "7",
        float("nan"),
        float("inf"),
        "{",
        "[1]",
        '{"other": 1}',
        None,
        "x" * 5000,
    ]
    assert of("user_feedback", feedback=good) == [1.0] * len(good)
    assert of("user_feedback", feedback=bad) == [-1.0] * len(bad)
    assert of("user_feedback", feedback=nothing) == [None] * len(nothing)
    assert of("user_feedback", feedback=["3 stars", "neutral", 0, "3/5", "5/10"]) == pytest.approx([0, 0, 0, 0, -1 / 9])
    configure = SIGNALS["user_feedback"].configure
    assert configure is not None
    assert of(configure(low=1, high=5), feedback=[1, 2, 3, "4", 5, 6, True]) == [-1, -0.5, 0, 0.5, 1, None, 1]
    floats = SIGNALS["user_feedback"].compute({"feedback": Column.floats(np.array([1.0, -1.0, np.nan]))})
    assert floats.missing.tolist() == [False, False, True]


def test_counts() -> None:
    assert of("response_words", "a b  c\n", "", None) == [3.0, 0.0, None]
    assert of("question_length", question=["déjà", None]) == [4.0, None]
    assert of("context_length", context=["", "ab"]) == [0.0, 2.0]


@pytest.mark.parametrize("name", ["language", "valid_json", "json_schema", "matches", "valid_sql", "user_feedback"])
def test_a_configured_signal_can_be_sent_to_another_process(name: str) -> None:
    needed: dict[str, dict[str, Any]] = {"matches": {"pattern": "^I"}, "json_schema": {"schema": {"type": "object"}}}
    configure = SIGNALS[name].configure
    assert configure is not None
    signal = configure(**needed.get(name, {}))
    again = pickle.loads(pickle.dumps(signal))
    records = {role: Column.of(["I am here, and I can say so.", None]) for role in (*signal.needs, *signal.uses)}
    one, other = signal.compute(records), again.compute(records)
    assert one.missing.tolist() == other.missing.tolist()
    assert one.values[~one.missing].tolist() == other.values[~other.missing].tolist()
