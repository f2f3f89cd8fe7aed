"""Personal data: dates of birth, street addresses, postal codes."""

from __future__ import annotations

import re

from detectors.scan.base import PatternRule

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?|januar|februar|märz|mai|juni|juli|oktober|dezember|janvier|février|mars|avril|juin|"
    r"juillet|août|septembre|octobre|novembre|décembre|enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|"
    r"octubre|noviembre|diciembre|gennaio|febbraio|aprile|maggio|giugno|luglio|settembre|ottobre|dicembre|janeiro|"
    r"fevereiro|março|maio|junho|julho|setembro|outubro|dezembro)"
)
_CLOCK = r"(?:[T ](?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?(?: ?[ap]m|Z|[+-]\d\d:?\d\d)?)?"
DATE = (
    r"(?i)\b(?:(?:19|20)\d{2}[-/.](?:0?[1-9]|1[0-2])[-/.](?:0?[1-9]|[12]\d|3[01])"
    r"|(?:0?[1-9]|[12]\d|3[01])[-/.](?:0?[1-9]|[12]\d|3[01])[-/.](?:(?:19|20)\d{2}|\d{2})"
    rf"|(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th|\.)? (?:of |de )?{_MONTH}\.?,? (?:de |del )?(?:19|20)\d{{2}}"
    rf"|{_MONTH}\.? (?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?,? (?:19|20)\d{{2}}"
    rf"|(?:0?[1-9]|[12]\d|3[01])-{_MONTH}-(?:(?:19|20)\d{{2}}|\d{{2}})){_CLOCK}\b"
)
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
DATE_HINT = (
    rf"(?i)\b(?:\d{{4}}[-/.]{_DAY}[-/.]\d|{_DAY}[-/.]{_DAY}[-/.]\d\d)"
    rf"|\d(?:st|nd|rd|th|\.|-)? ?(?:of |de )?{_MONTH}|{_MONTH}\.? \d"
)
BIRTH = (
    r"born|birth|dob\b|d\.o\.b|geboren|geburt|né le|née le|naissance|nacid[oa]|nacimiento|nat[oa] il|nascit|nascid[oa]|"
    r"födelse|född|født|syntym|urodz|geboortedatum"
)
_STREET = (
    r"(?:street|road|avenue|boulevard|lane|drive|court|square|terrace|highway|parkway|crescent|circle|close|way|row|"
    r"place|trail|alley|mews|st|rd|ave|blvd|ln|dr|ct|sq|hwy|pkwy|cres|ter|pl)"
)
_NAME = r"(?:[A-Z][\pL'.-]*|\d{1,3}(?:st|nd|rd|th)|[NSEW])"
ADDRESS = (
    rf"\b\d{{1,5}}[A-Za-z]?,? (?:{_NAME} ){{1,4}}(?i:{_STREET})\b\.?(?:,? (?i:apt|suite|unit|ste|#)\.? ?\w{{1,6}})?"
    r"|\b[A-ZÄÖÜ][\pL-]*(?:straße|strasse|str\.|gasse|platz|allee|weg|gade|gatan|gata|vägen|veien|vej|vei|straat|laan|"
    r"gracht|plein|katu|tie|utca) \d{1,4} ?[A-Za-z]?\b"
    r"|\b\d{1,4}(?: ?(?:bis|ter))?,? (?:rue|avenue|av\.|boulevard|bd|place|chemin|impasse|quai) "
    r"(?:(?:de|du|des|la|le|les|l'|d') ?){0,3}[A-ZÉÈÀ][\pL'-]*(?: [A-Z][\pL'-]*){0,3}"
    r"|\b(?:Calle|C/|Avenida|Avda\.|Paseo|Plaza|Via|Viale|Piazza|Corso|Rua|Travessa|ul\.|ulica) "
    r"(?:(?:de|del|della|dei|di|do|da|la|las|los|"
    r"el) ){0,3}[A-ZÁÉÍÓÚ][\pL'-]*(?: [A-Z][\pL'-]*){0,3},? (?:n[º°.]? ?)?\d{1,4}\b"
    r"|\b(?i:p\.? ?o\.? ?box) \d{1,6}\b"
)
ADDRESS_HINT = (
    r"\d[A-Za-z]?,? (?:[A-Z][\pL'.-]*|\d+[a-z]{2}) |(?i:p\.? ?o\.? ?box)|\pL {0}(?:straße|strasse|str\.|gasse|platz"
    r"|allee|weg|gade|gatan|gata|vägen|veien|vej|vei|straat|laan|gracht|plein|katu|tie|utca) \d|"
    r"\d,? (?:rue|avenue|av\.|"
    r"boulevard|bd|place|chemin|impasse|quai) |(?:Calle|C/|Avenida|Avda|Paseo|Plaza|Via|Viale|Piazza|Corso|Rua|Travessa"
    r"|ul\.|ulica) "
)

_NUMBERED = re.compile(
    r"(?:(?<![A-Za-z])(?:version|release|ver\.?|build|section|chapter|v\.?|no\.?|§)[ :=]?|[\d.]\.)$", re.IGNORECASE
)


def trim_date(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Reject three numbers of a version or a section that could be a date."""
    if text[end : end + 1] in (".", "-") and text[end + 1 : end + 2].isdigit():
        return None
    return None if _NUMBERED.search(text[max(0, start - 10) : start]) else (start, end)


RULES: tuple[PatternRule, ...] = (
    PatternRule("date_of_birth", DATE, trim_date, near=BIRTH),
    PatternRule(
        "postal_code",
        r"\b(?:\d{3,5}(?:[- ]\d{2,4})?|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|[A-Z]\d[A-Z] ?\d[A-Z]\d|\d{4} ?[A-Z]{2})\b",
        near=(
            r"zip ?code|zip\b|post(?:al)? ?code|plz\b|postleitzahl|code postal|código postal|postnummer|"
            r"pin ?code"
        ),
    ),
    PatternRule("street_address", ADDRESS, hint=ADDRESS_HINT),
    PatternRule("date_time", DATE, trim_date, hint=DATE_HINT),
)
