"""Context words of telephone numbers, in common languages, and those of other numbers."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W\d_]+")


def _words(listed: str) -> tuple[str, ...]:
    return tuple(listed.split())


_NOUNS = _words(
    "phone phones telephone telephones tel mobile mobiles mob cell cellular cellphone fax hotline landline "
    "voicemail sms whatsapp telegram handy festnetz rufnummer durchwahl téléphone portable teléfono telefono "
    "móvil movil celular cellulare telefone telemóvel gsm telefoon هاتف फोन फ़ोन"
)
_NOUN_STEMS = _words("telefon telephon mobilfon mobilnummer telefoon puhelin komórk телефон моб τηλέφων κινητ")
_VERBS = _words(
    "call calls called calling dial dials dialled dialed reach reached ring rang text texts texted texting "
    "contact message messages answer answers answering hold extension office desk joindre contacto contato ligue "
    "ligar liga bel bellen ringe emergency number numbers nummer numero número numéro numer numărul номер "
    "contacte"
)
_VERB_STEMS = _words(
    "anruf erreich appel rappel joign llám llam chiam bereik soita zadzwo dzwo позвон звон aray numara"
)
_OTHERS = _words(
    "order invoice ticket case ref reference account acct tracking policy serial sku isbn issn doi version zip "
    "postcode postalcode id page pages pp line lines row rows build port ssn npi patent passport route box "
    "license licence year years between population total count size seed bytes batch item sum epoch timestamp ts "
    "aktenzeichen commande facture dossier pedido factura ordine fattura encomenda einwohner habitants"
)
_OTHER_STEMS = _words("bestell auftrag kunden rechnung artikel zamówieni faktur заказ")
_UNSPACED = ("電話", "电话", "手机", "携帯", "番号", "号码", "전화", "번호", "연락처", "联系")
_COUNTED = _words("no nr n number nummer num nº")
_SIGNS = ("#", "$", "€", "£")
_CALLED = frozenset(_NOUNS + _VERBS)
FARTHEST = 4
"""Largest distance of a word from the number that it describes, in code points."""


def is_phone_context(context: str) -> bool:
    """Return whether the text before a number has a word for a telephone or for its use.

    Examples
    --------
    >>> is_phone_context("erreichbar unter "), is_phone_context("電話は"), is_phone_context("recall of ")
    (True, True, False)
    """
    low = context.lower()
    words = _WORD.findall(low)
    has_keyword = any(word in _CALLED for word in words)
    return has_keyword or any(word.startswith(_NOUN_STEMS + _VERB_STEMS) for word in words) or _lacks_spaces(low)


def is_other_number_context(context: str) -> bool:
    """Return whether the word directly before a number describes another kind: an order, a page, a year.

    Examples
    --------
    >>> [is_other_number_context(text) for text in ("Bestellnummer: ", "order no. ", "tel. no. ", "my phone is ")]
    [True, True, False, False]
    """
    low = context.lower()
    words = [(match.group(), match.end()) for match in _WORD.finditer(low)]
    named = next((word for word, _ in reversed(words) if word not in _COUNTED), "")
    close = bool(words) and len(low) - words[-1][1] <= FARTHEST
    if close and (named in _NOUNS or named.startswith(_NOUN_STEMS)):
        return False
    if low.rstrip()[-1:] in _SIGNS and low.rstrip():
        return True
    counted = close and words[-1][0] in ("no", "nr", "id") and not _lacks_spaces(low)
    return counted or (close and (named in _OTHERS or named.startswith(_OTHER_STEMS)))


def _lacks_spaces(low: str) -> bool:
    return not low.isascii() and any(word in low for word in _UNSPACED)
