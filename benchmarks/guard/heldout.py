"""Personal data in other texts: the formats of many countries in prose, tables, logs and code, and look-alikes.

The values come from Faker's providers of many countries, so that what counts as a telephone number or an IBAN is not
this project's own idea; sentences and look-alikes are written here. Half of the slots hold personal data, the others
something that looks like it: order numbers, versions, hashes, identifiers, timestamps, prices.

The first run, before anything was changed because of it, had micro F1 0.924 (presidio 0.758): telephone 0.824, card
0.984, IBAN 0.966, IP 0.957, dates 0.863. Rules were then mended after looking at errors of the seeds 12 and 13; other
seeds have other values and the same sentences, so what is printed now is partly in sample.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import cache
from typing import Any

from benchmarks.guard.pii import Spans

_CODES = (
    "en_US en_GB en_AU en_CA en_IN de_DE de_AT de_CH fr_FR fr_CH es_ES es_MX it_IT pt_BR pt_PT nl_NL nl_BE sv_SE "
    "no_NO da_DK fi_FI pl_PL cs_CZ ro_RO hu_HU el_GR tr_TR ru_RU uk_UA ja_JP ko_KR zh_CN id_ID"
)
LOCALES = _CODES.split()

TELL: dict[str, tuple[str, ...]] = {
    "PHONE_NUMBER": (
        "You can get hold of her on {} after six.",
        "Ring me back on {} please.",
        "Phone: {}",
        "Tel. {}",
        "mobile {}",
        "Unter {} bin ich erreichbar.",
        "Mein Handy: {}",
        "Mon numéro est le {}.",
        "Joignable au {} dès demain.",
        "Llámame al {} cuando puedas.",
        "Il mio cellulare è {}.",
        "Meu telefone é {}.",
        "Bel me op {}.",
        "Ring mig på {}.",
        "Mój numer to {}.",
        "Мой телефон {}.",
        "電話番号は{}です。",
        "{} (cell)",
        "WhatsApp {}",
        "Numărul meu: {}",
        "Telefonum {}",
        "He texted from {} twice.",
        "For support dial {}.",
        "Fax {}",
        "Emergency contact {}",
    ),
    "CREDIT_CARD": (
        "Please charge {} for the room.",
        "My Visa is {} and it was declined.",
        "Karte {} wurde abgelehnt.",
        "La carte {} est bloquée.",
        "Mi tarjeta {} no funciona.",
        "PAN={};status=ok",
        "{} exp 04/29",
        "card no. {}",
        "I paid with {} yesterday.",
        "Kaart {} is gestolen.",
        "The number on the front reads {}.",
    ),
    "EMAIL_ADDRESS": (
        "Write to {} for details.",
        "Schreib an {}.",
        "From: <{}>",
        "mailto:{}",
        "Contactez {} svp.",
        "{} hat geantwortet",
        "user={} action=login",
        "cc {}; bcc none",
        "Mi correo es {}.",
    ),
    "IBAN_CODE": (
        "Please wire it to {}.",
        "IBAN: {}",
        "Bitte auf {} überweisen.",
        "Virement sur {} svp.",
        "account {} (EUR)",
        "Mi cuenta es {}.",
        "rekening {}",
        "Conto {}",
        "{} is where the rent goes.",
    ),
    "IP_ADDRESS": (
        "Login from {} failed.",
        "src={} dst=internal",
        "ping {}",
        "The server {} does not answer.",
        "[{}] GET /index.html",
        "Die Adresse {} ist gesperrt.",
        "client: {}, server: _",
        '{} - - "POST /login" 200',
    ),
    "US_SSN": (
        "My social is {}.",
        "SSN {}",
        "Social security number: {}",
        "His number, {}, was on the form.",
        "ssn={}",
    ),
    "DOMAIN_NAME": (
        "See {} for the manual.",
        "Mehr unter {}.",
        "Visit {} today!",
        "({})",
        "Voir {}",
        "Our shop is {}, have a look.",
        "GET {} 200",
    ),
    "DATE_TIME": (
        "She was born on {}.",
        "The invoice of {} is open.",
        "Geboren am {}.",
        "Né le {}.",
        "Since {} nothing works.",
        "due: {}",
        "Nacido el {}.",
    ),
}

LOOK_ALIKE: tuple[str, ...] = (
    "Order {digits:10} was shipped.",
    "Bestellnummer {digits:12}",
    "Commande n° {digits:9}",
    "ticket #{digits:8}",
    "Tracking 1Z{upper:6}{digits:10}",
    "SKU {digits:5}-{digits:4}-{digits:2}",
    "ISBN 978-{digits:1}-{digits:4}-{digits:4}-{digits:1}",
    "build {digits:2}.{digits:1}.{digits:4}.{digits:2}",
    "version {small}.{small}.{small}",
    "v{small}.{small}.{small}.{small} is out",
    "commit {hex:40}",
    "md5 {hex:32}",
    "id={uuid}",
    "ts=17{digits:8}",
    "epoch 17{digits:11}",
    "at {clock} sharp",
    "It took {small}.{digits:6} seconds.",
    "Total: {digits:3},{digits:3},{digits:3} EUR",
    "$ {digits:2},{digits:3}.{digits:2}",
    "population {digits:3} {digits:3} {digits:3}",
    "lat {small}.{digits:6}, lon -{small}.{digits:6}",
    "pages 112-{digits:3}",
    "the years 1998-2004",
    "seed {digits:10}",
    "x = [{digits:3}, {digits:3}, {digits:4}]",
    "see example.py and main.rs",
    "e.g. this, i.e. that, etc.",
    "a@b",
    "@handle and #tag",
    "node.js with vue.js",
    "1::2 is no ratio",
    "ratio 16:9:4",
    "part no. {digits:3}-{digits:2}-{digits:3}",
    "section {small}.{small}.{small}",
    "account balance {digits:5}.{digits:2}",
    "3.{digits:15}",
    "port {digits:5}",
    "ASIN B0{upper:4}{digits:4}",
    "invoice 2024-{digits:6}",
    "score {digits:3}/{digits:3}",
    "DE{digits:9} is our VAT number",
    "batch {upper:2}{digits:14}",
    "chapter 12.04 of 24",
    "error 0x{hex:8}",
    "{digits:16} rows",
    "Aktenzeichen {digits:2} O {digits:3}/24",
    "flight LH{digits:4}",
    "{digits:3}x{digits:3}x{digits:2} mm",
    "row {digits:7}",
)

FILLER = (
    "Thanks for the quick reply.",
    "The parcel has not arrived yet.",
    "Das Paket ist noch nicht da.",
    "Merci beaucoup.",
    "Please check it again.",
    "Gracias por todo.",
    "It worked last week.",
    "Grazie mille.",
    "See the attached file.",
    "Vielen Dank im Voraus.",
    "We met in the office.",
    "Let me know.",
    "Obrigado.",
    "I will be away until Monday.",
)


@cache
def _faker(locale: str) -> Any:  # noqa: ANN401
    from faker import Faker

    return Faker(locale)


def _seeded(locale: str, rng: random.Random) -> Any:  # noqa: ANN401
    fake = _faker(locale)
    fake.seed_instance(rng.randrange(1 << 30))
    return fake


def _card(_fake: Any, rng: random.Random) -> str:  # noqa: ANN401
    kind = rng.choice(("visa16", "visa", "mastercard", "amex", "discover", "jcb16", "diners"))
    digits = str(_seeded("en_GB", rng).credit_card_number(kind))
    if len(digits) == 16 and rng.random() < 0.5:
        gap = rng.choice((" ", "-", " ", "."))
        return gap.join(digits[place : place + 4] for place in range(0, 16, 4))
    if len(digits) == 15 and rng.random() < 0.5:
        return f"{digits[:4]} {digits[4:10]} {digits[10:]}"
    return digits


def _iban(fake: Any, rng: random.Random) -> str:  # noqa: ANN401
    from stdnum import iban

    number = str(fake.iban())
    while not iban.is_valid(number):  # some of Faker's are of the wrong length for their country
        number = str(_seeded(rng.choice(LOCALES), rng).iban())
    if rng.random() < 0.5:
        return " ".join(number[place : place + 4] for place in range(0, len(number), 4))
    return number.lower() if rng.random() < 0.1 else number


def _date(fake: Any, rng: random.Random) -> str:  # noqa: ANN401
    day = fake.date_of_birth(minimum_age=18, maximum_age=90)
    return str(day.strftime(rng.choice(("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%B %d, %Y", "%d %B %Y", "%m/%d/%y"))))


MAKE: dict[str, Callable[[Any, random.Random], str]] = {
    "PHONE_NUMBER": lambda fake, _: str(fake.phone_number()),
    "CREDIT_CARD": _card,
    "EMAIL_ADDRESS": lambda fake, rng: str(fake.email() if rng.random() < 0.7 else fake.company_email()),
    "IBAN_CODE": _iban,
    "IP_ADDRESS": lambda fake, rng: str(fake.ipv4() if rng.random() < 0.7 else fake.ipv6()),
    "US_SSN": lambda _, rng: str(_seeded("en_US", rng).ssn()),
    "DOMAIN_NAME": lambda fake, rng: str(fake.domain_name() if rng.random() < 0.5 else fake.url()),
    "DATE_TIME": _date,
}


def _filled(pattern: str, rng: random.Random) -> str:
    """Fill the places of a look-alike."""
    letters = {"digits": "0123456789", "hex": "0123456789abcdef", "upper": "ABCDEFGHJKLMNPQRSTUVWXYZ"}
    parts = pattern.replace("}", "{").split("{")
    for place in range(1, len(parts), 2):
        kind, _, count = parts[place].partition(":")
        if kind in letters:
            parts[place] = "".join(rng.choice(letters[kind]) for _ in range(int(count)))
        elif kind == "uuid":
            parts[place] = "-".join("".join(rng.choice(letters["hex"]) for _ in range(n)) for n in (8, 4, 4, 4, 12))
        elif kind == "clock":
            parts[place] = f"{rng.randrange(24):02d}:{rng.randrange(60):02d}:{rng.randrange(60):02d}"
        else:
            parts[place] = str(rng.randrange(1, 40))
    return "".join(parts)


def _piece(rng: random.Random) -> tuple[str, Spans]:
    """Make one sentence, and say where personal data stands in it."""
    draw = rng.random()
    if draw < 0.25:
        return rng.choice(FILLER), []
    if draw < 0.6:
        return _filled(rng.choice(LOOK_ALIKE), rng), []
    kind = rng.choice([*TELL, "PHONE_NUMBER", "PHONE_NUMBER"])
    try:
        value = MAKE[kind](_seeded(rng.choice(LOCALES), rng), rng)
    except AttributeError:  # not every country has every provider
        value = MAKE[kind](_seeded("en_GB", rng), rng)
    before, after = rng.choice(TELL[kind]).split("{}")
    return before + value + after, [(kind, len(before), len(before) + len(value))]


def _joined(pieces: list[tuple[str, Spans]], gap: str, head: str = "", tail: str = "") -> tuple[str, Spans]:
    text, spans = head, []
    for number, (said, found) in enumerate(pieces):
        text += gap if number else ""
        spans += [(kind, start + len(text), end + len(text)) for kind, start, end in found]
        text += said
    return text + tail, spans


def rows(count: int = 3000, seed: int = 11) -> list[tuple[str, Spans]]:
    """Make texts with the places of what is personal in them, the same for the same seed."""
    rng = random.Random(seed)
    made = []
    for _ in range(count):
        pieces = [_piece(rng) for _ in range(rng.randint(1, 4))]
        way = rng.randrange(8)
        if way == 0:
            made.append(_joined(pieces, " | ", "| ", " |"))
        elif way == 1:
            made.append(_joined(pieces, ";"))
        elif way == 2:
            made.append(_joined(pieces, "\n- ", "- "))
        elif way == 3 and all(json.dumps(said, ensure_ascii=False) == f'"{said}"' for said, _ in pieces):
            made.append(_joined(pieces, '", "', '{"notes": ["', '"]}'))
        else:
            made.append(_joined(pieces, " "))
    return made
