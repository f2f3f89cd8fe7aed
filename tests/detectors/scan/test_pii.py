"""Personal data: against the libraries that know the numbers, and against look-alikes that are none."""

from __future__ import annotations

import gzip
import json
import random
import re
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import phonenumbers
import pytest
from stdnum import iban, luhn

from detectors.scan import financial, pii, scan
from detectors.scan.financial import IBAN_LENGTHS, is_card, is_iban
from detectors.scan.financial import luhn as our_luhn
from detectors.scan.telephone import is_international

DATA = Path(__file__).parents[3] / "benchmarks" / "data"


def found(text: str) -> list[tuple[str, str]]:
    return [(span.type, text[span.start : span.end]) for span in scan(text, ("pii",))]


def test_luhn_and_iban_agree_with_stdnum_on_random_numbers() -> None:
    rng = random.Random(1)
    for _ in range(3000):
        digits = "".join(rng.choice("0123456789") for _ in range(rng.randint(12, 19)))
        assert our_luhn(digits) == luhn.is_valid(digits)
    for _ in range(300):
        body = "".join(rng.choice("0123456789") for _ in range(18))
        right = f"DE{iban.calc_check_digits('DE00' + body)}{body}"
        wrong = right[:-1] + str((int(right[-1]) + 1) % 10)
        assert (is_iban(right), is_iban(wrong)) == (True, False)
        assert found(f"pay {right} now") == [("iban_code", right)]
        assert ("iban_code", wrong) not in found(f"pay {wrong} now")


def test_the_lengths_of_ibans_are_those_of_stdnum() -> None:
    known = 0
    for country, length in IBAN_LENGTHS.items():
        found_in = iban._ibandb.info(country)[0]
        if len(found_in) > 1 and "bban" in found_in[1]:
            known += 1
            assert sum(map(int, re.findall(r"(\d+)!", found_in[1]["bban"]))) + 4 == length, country
    assert known > 70


def test_example_numbers_of_every_country_are_telephone_numbers() -> None:
    missed = []
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
        if example is None:
            continue
        written = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
        assert is_international("".join(c for c in written if c.isdigit()))
        if ("phone_number", written) not in found(f"My friend wrote {written} on a note."):
            missed.append(written)
    assert len(missed) <= 2, missed


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("Contact jane.doe+x@mail.example.co.uk.", "email_address", "jane.doe+x@mail.example.co.uk"),
        ("Karte 4111 1111 1111 1111 12/29", "credit_card", "4111 1111 1111 1111"),
        ("amex 3782-822463-10005.", "credit_card", "3782-822463-10005"),
        ("from 2001:db8::ff00:42:8329 today", "ip_address", "2001:db8::ff00:42:8329"),
        ("host 192.0.2.17, port 80", "ip_address", "192.0.2.17"),
        ("mac 00:1B:44:11:3A:B7", "mac_address", "00:1B:44:11:3A:B7"),
        ("SSN: 536-90-4399", "us_ssn", "536-90-4399"),
        ("My NHS number is 943 476 5919", "uk_nhs", "943 476 5919"),
        ("NI number: AB 12 34 56 C", "uk_nino", "AB 12 34 56 C"),
        ("CPF 390.533.447-05", "br_cpf", "390.533.447-05"),
        ("BSN 111222333", "nl_bsn", "111222333"),
        ("PESEL 44051401359", "pl_pesel", "44051401359"),
        ("Codice fiscale RCCMNL83S18D969H", "it_fiscal_code", "RCCMNL83S18D969H"),
        ("DNI 54362315K", "es_nif", "54362315K"),
        ("NIR 2 95 10 99 126 111 93", "fr_insee", "2 95 10 99 126 111 93"),
        ("Steuer-ID 36 574 261 809", "de_tax_id", "36 574 261 809"),
        ("Aadhaar 2341 2341 2346", "in_aadhaar", "2341 2341 2346"),
        ("She was born on 4 July 1976.", "date_of_birth", "4 July 1976"),
        ("I live at 221B Baker Street, London", "street_address", "221B Baker Street"),
        ("wohnt Hauptstraße 12a in Köln", "street_address", "Hauptstraße 12a"),
        ("my passport is C03005988", "us_passport", "C03005988"),
        ("send to 0x52908400098527886E0F7030069857D2E4169EE7", "crypto", "0x52908400098527886E0F7030069857D2E4169EE7"),
        ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa got it", "crypto", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
        ("see https://example.com/a?b=c.", "url", "https://example.com/a?b=c"),
        ("gate A1 4111 1111 1111 1111 now", "credit_card", "4111 1111 1111 1111"),
        ("room B2 212-555-0123 now", "phone_number", "212-555-0123"),
        ("at shop.company today", "url", "shop.company"),
    ],
)
def test_what_is_found_and_where(text: str, kind: str, said: str) -> None:
    assert (kind, said) in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "Version 1.2.3.4 of main.py and README.md, e.g. this.",
        "Order 1234567890 of 2021-02-14 costs 1,000,000.50 USD.",
        "In 1990-2000 about 100 000 people came, 3.14159265 each.",
        "The card 4111 1111 1111 1112 has a wrong digit.",
        "SSNs never begin with 000-12-3456 or 666-12-3456.",
        "At 12:30:45 the ratio was 16:9 and f(x)::y.",
        "GB82WEST12345698765433 has the wrong remainder.",
        "ISBN 978-3-16-148410-0 is a book.",
        "uuid 550e8400-e29b-41d4-a716-446655440000",
        "a@b and @handle and user@localhost",
    ],
)
def test_lookalikes_are_left_alone(text: str) -> None:
    assert [pair for pair in found(text) if pair[0] not in ("url", "date_time")] == []


def test_ordinary_numbers_are_rarely_personal_data() -> None:
    rng = random.Random(3)
    texts = [
        f"The result of run {rng.randrange(10**6)} was {rng.random():.6f} after {rng.randrange(10**9)} steps"
        for _ in range(2000)
    ]
    assert sum(bool(found(text)) for text in texts) <= 10


def test_a_number_of_plain_digits_needs_a_word() -> None:
    assert found("It is 943 476 5919, I think") == [] or all(
        kind != "uk_nhs" for kind, _ in found("It is 943 476 5919")
    )
    assert ("uk_nhs", "9434765919") in found("NHS 9434765919")


def test_cards_of_short_maestro_only_beside_a_word() -> None:
    assert is_card("503802053770", named=True)
    assert not is_card("503802053770")


def test_a_model_finds_names_when_one_is_given() -> None:
    def names(text: str) -> list[tuple[int, int]]:
        at = text.find("Ada")
        return [(at, at + 3)] if at >= 0 else []

    assert [span.type for span in pii.scan("Ada wrote", names)] == ["person"]
    assert pii.scan("Ada wrote") == []


@pytest.mark.parametrize("name", ["pii_synth_v2", "pii_generated_large"])
def test_spans_of_the_development_data_are_found(name: str) -> None:
    with gzip.open(DATA / f"{name}.dev.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    kinds = {"EMAIL_ADDRESS": "email_address", "IBAN_CODE": "iban_code", "US_SSN": "us_ssn", "IP_ADDRESS": "ip_address"}
    for row in rows:
        spans = {(span.type, span.start, span.end) for span in scan(row["text"], ("pii",))}
        for start, end, kind, *_ in row["spans"]:
            if kind in kinds:
                assert (kinds[kind], start, end) in spans


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("Mein Handy: 49 63 99 47", "49 63 99 47"),  # eight digits in pairs are no date
        ("WhatsApp 00420 605 938 788", "00420 605 938 788"),
        ("Zuhause +49(0)8838 582156", "+49(0)8838 582156"),  # as many digits as the plan has
        ("電話番号は090-0299-0225です。", "090-0299-0225"),
        ("Joignable au 01 58 67 34 90", "01 58 67 34 90"),
    ],
)
def test_telephone_numbers_as_people_write_them(text: str, what: str) -> None:
    assert ("phone_number", what) in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "population 346 486 810",
        "Bestellnummer 439679579409",
        "the server 35.0.243.133.7",
        "row 6886323",
        "epoch 1713998231566",
        "section 18.10.34",
        "version 10.22.26",
        "v5.21.12.23",
        "see main.rs and x.is",
    ],
)
def test_numbers_of_other_things_are_nobodys(text: str) -> None:
    assert found(text) == []


def test_neighbours_do_not_swallow_each_other() -> None:
    text = "DE829527891 is our VAT number, GB82 WEST 1234 5698 7654 32 ours; 4111111111111111|5500005555555559"
    assert [kind for kind, _ in found(text)] == ["iban_code", "credit_card", "credit_card"]
    assert found("My Visa is 4591332783055233 and") == [("credit_card", "4591332783055233")]


@pytest.mark.parametrize("between", [" ", "\n", ", ", " | "])
@pytest.mark.parametrize("count", [2, 9, 50])
def test_every_card_of_a_column_is_found(between: str, count: int) -> None:
    cards = ["4111 1111 1111 1111", "5500 0000 0000 0004", "5500000000000004", "3782 822463 10005"] * count
    assert found(between.join(cards)) == [("credit_card", card) for card in cards]


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_a_row_of_numbers_is_no_card_though_check_digits_fit_by_chance(width: int) -> None:
    rng = random.Random(width)
    rows = [" ".join(f"{rng.randrange(10**width):0{width}d}" for _ in range(60)) for _ in range(100)]
    assert sum(kind == "credit_card" for row in rows for kind, _ in found(row)) <= 5
    hidden = " ".join("4111111111111111") + " and " + "5500 0000 0000 0004 1229 123"
    assert [kind for kind, _ in found(hidden)] == ["credit_card", "credit_card"]


@pytest.mark.parametrize("unit", ["4 ", "4-", "3 7 8 2 8 2 2 ", "41 ", "4111 ", "123456 "])
def test_a_run_of_digits_costs_a_few_steps_a_character_and_no_more(unit: str) -> None:
    """Count the lines that the search for cards runs; a clock would say something about this machine."""

    def lines_run(text: str) -> int:
        count = 0

        def trace(frame: FrameType, event: str, _: Any) -> Any:  # noqa: ANN401
            nonlocal count
            count += event == "line"
            return trace if frame.f_code.co_filename == financial.__file__ else None

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            scan(text, ("pii",))
        finally:
            sys.settrace(before)
        return count

    once, twice = (lines_run((unit * size)[:size]) for size in (10_000, 20_000))
    assert once < 40 * 10_000
    assert twice < 2.2 * once + 1000
