"""National identification numbers, validated by check digits; plain digits require a context word."""

from __future__ import annotations

from importlib import import_module

from detectors.scan.base import PatternRule, Trim, only_digits


def trim_ssn(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Apply the rules of the US Social Security Administration: no area 000, 666 or 9xx, no zero group or serial."""
    if (start and text[start - 1] in "-.") or (text[end : end + 1] == "-" and text[end + 1 : end + 2].isdigit()):
        return None
    digits = only_digits(text[start:end])
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    if area in ("000", "666") or area[0] == "9" or group == "00" or serial == "0000":
        return None
    separators = {character for character in text[start:end] if not character.isdigit()}
    return (start, end) if len(separators) <= 1 and len(set(digits)) > 1 else None


def trim_itin(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Apply the rules of the US Internal Revenue Service: 9xx, and a group of 50–65, 70–88, 90–92 or 94–99."""
    digits = only_digits(text[start:end])
    group = int(digits[3:5])
    usual = 50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or group >= 94  # noqa: PLR2004
    return (start, end) if digits[0] == "9" and usual else None


def valid(module: str) -> Trim:
    """Validate a candidate with a module of python-stdnum, imported on first use."""

    def trim(text: str, start: int, end: int) -> tuple[int, int] | None:
        number = text[start:end]
        if (start and text[start - 1] in "-.") or len(set(only_digits(number))) < 2:  # noqa: PLR2004
            return None
        return (start, end) if import_module(f"stdnum.{module}").is_valid(number) else None

    return trim


def _number_rule(kind: str, pattern: str, module: str, near: str, hint: str = "") -> PatternRule:
    return PatternRule(kind, rf"\b{pattern}\b", valid(module), near, hint)


RULES: tuple[PatternRule, ...] = (
    PatternRule("us_ssn", r"\b\d{3}[-]\d{2}[-]\d{4}\b", trim_ssn),
    PatternRule("us_itin", r"\b9\d{2}[- ]\d{2}[- ]\d{4}\b", trim_itin),
    PatternRule("us_ssn", r"\b\d{3}[- .]?\d{2}[- .]?\d{4}\b", trim_ssn, near=r"ssns?\b|social security|soc sec|ss#"),
    PatternRule("us_itin", r"\b9\d{8}\b", trim_itin, near=r"itin|taxpayer"),
    _number_rule("uk_nhs", r"\d{3}[- ]?\d{3}[- ]?\d{4}", "gb.nhs", r"nhs|national health|health service"),
    PatternRule(
        "uk_nino",
        r"(?i)\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b",
        near=r"nino\b|national insurance|insurance n|ni number|ni no",
    ),
    _number_rule(
        "de_tax_id", r"\d{2} ?\d{3} ?\d{3} ?\d{3}", "de.idnr", r"steuer|idnr|tax id|identifikationsnummer|tin\b"
    ),
    _number_rule(
        "fr_insee",
        r"[12378] ?\d{2} ?\d{2} ?\d[\dAB] ?\d{3} ?\d{3} ?\d{2}",
        "fr.nir",
        "",
        r"\b[12378] ?\d{2} ?\d{2} ?\d[\dAB] ?\d{3} ?\d{3}",
    ),
    _number_rule("fr_tax_id", r"[0-3]\d ?\d{2} ?\d{3} ?\d{3} ?\d{3}", "fr.nif", r"fiscal|impôt|impot|spi\b|nif\b"),
    _number_rule("es_nif", r"(?:\d{8}[- ]?[A-Z]|[XYZ][- ]?\d{7}[- ]?[A-Z])", "es.dni", r"dni\b|nif\b|documento"),
    _number_rule("es_nie", r"[XYZ][- ]?\d{7}[- ]?[A-Z]", "es.nie", r"nie\b|extranjero|foreigner|residen"),
    _number_rule("it_fiscal_code", r"[A-Za-z]{6}\d{2}[A-Za-z]\d{2}[A-Za-z]\d{3}[A-Za-z]", "it.codicefiscale", ""),
    _number_rule("nl_bsn", r"\d{4}[. ]?\d{2}[. ]?\d{3}", "nl.bsn", r"bsn\b|burgerservice|sofi|citizen service"),
    _number_rule(
        "be_nn", r"\d{2}[. ]?\d{2}[. ]?\d{2}[- ]?\d{3}[. ]?\d{2}", "be.nn", r"rijksregister|national|niss|insz"
    ),
    _number_rule("pl_pesel", r"\d{11}", "pl.pesel", r"pesel"),
    _number_rule(
        "se_personnummer", r"(?:\d{2})?\d{6}[-+]?\d{4}", "se.personnummer", r"personnummer|personal|swedish|pnr"
    ),
    _number_rule("no_fodselsnummer", r"\d{6} ?\d{5}", "no.fodselsnummer", r"fødselsnummer|fodselsnummer|personnummer"),
    _number_rule("dk_cpr", r"\d{6}[- ]?\d{4}", "dk.cpr", r"cpr|personnummer"),
    _number_rule("fi_hetu", r"\d{6}[-+A]\d{3}[0-9A-Y]", "fi.hetu", "", r"\d{6}[-+A]\d{3}"),
    _number_rule("br_cpf", r"\d{3}\.\d{3}\.\d{3}-\d{2}", "br.cpf", "", r"\d{3}\.\d{3}\.\d{3}-"),
    _number_rule("br_cpf", r"\d{11}", "br.cpf", r"cpf\b"),
    _number_rule("br_cnpj", r"\d{2}\.?\d{3}\.?\d{3}/?\d{4}-?\d{2}", "br.cnpj", r"cnpj"),
    _number_rule("in_aadhaar", r"[2-9]\d{3}[ -]?\d{4}[ -]?\d{4}", "in_.aadhaar", r"aadhaar|aadhar|uidai|uid\b"),
    _number_rule("in_pan", r"[A-Z]{3}[ABCFGHLJPTK][A-Z]\d{4}[A-Z]", "in_.pan", "", r"[A-Z]{5}\d{4}[A-Z]"),
    _number_rule("ca_sin", r"\d{3}[- ]?\d{3}[- ]?\d{3}", "ca.sin", r"sin\b|social insurance"),
    _number_rule("au_tfn", r"\d{3} ?\d{3} ?\d{2,3}", "au.tfn", r"tfn|tax file"),
    _number_rule("au_abn", r"\d{2} ?\d{3} ?\d{3} ?\d{3}", "au.abn", r"abn\b|business number"),
    _number_rule("ch_ahv", r"756\.?\d{4}\.?\d{4}\.?\d{2}", "ch.ssn", "", r"756"),
    _number_rule("at_svnr", r"\d{4} ?\d{6}", "at.vnr", r"svnr|sozialversicherung|versicherungsnummer"),
    _number_rule("ie_pps", r"\d{7}[A-Wa-w][A-IWa-iw]?", "ie.pps", r"pps"),
    _number_rule("pt_nif", r"\d{9}", "pt.nif", r"nif\b|contribuinte"),
    _number_rule("cz_rc", r"\d{6}/?\d{3,4}", "cz.rc", r"rodn|birth number"),
    _number_rule("ro_cnp", r"\d{13}", "ro.cnp", r"cnp\b"),
    _number_rule("bg_egn", r"\d{10}", "bg.egn", r"egn\b|егн"),
    _number_rule("tr_tckimlik", r"[1-9]\d{10}", "tr.tckimlik", r"kimlik|tckn|t\.?c\.? no"),
    _number_rule("za_id", r"\d{13}", "za.idnr", r"south africa|id number|identity"),
    _number_rule("il_id", r"\d{9}", "il.idnr", r"teudat|israel|id number|תעודת"),
    _number_rule("cn_ric", r"\d{17}[\dXx]", "cn.ric", "", r"\d{17}[\dXx]"),
    _number_rule("kr_rrn", r"\d{6}-?[1-8]\d{6}", "kr.rrn", r"rrn|resident registration|주민"),
    _number_rule("mx_curp", r"[A-Z]{4}\d{6}[HM][A-Z]{5}[0-9A-Z]\d", "mx.curp", "", r"[A-Z]{4}\d{6}[HM]"),
    _number_rule("ar_cuit", r"(?:20|2[3-7]|30|33|34)-?\d{8}-?\d", "ar.cuit", r"cuit|cuil"),
    _number_rule("cl_rut", r"\d{1,2}\.?\d{3}\.?\d{3}-[\dkK]", "cl.rut", r"rut\b|run\b"),
    PatternRule("sg_nric", r"\b[STFGM]\d{7}[A-Z]\b", near=r"nric|fin\b|singapore"),
    PatternRule("us_passport", r"\b(?:[A-Z]\d{8}|\d{9})\b", near=r"passports?\b"),
    PatternRule(
        "passport", r"\b[A-Z]{1,2}\d{6,8}[A-Z]?\b", near=r"passports?\b|reisepass|passeport|pasaporte|passaporto"
    ),
    PatternRule(
        "us_driver_license",
        r"\b(?:[A-Z]{1,2}[- ]?\d{3}(?:[- ]?\d{3,4}){1,3}|[A-Z]\d{5,14}|[A-Z]{2}\d{5,7}|\d{7,9}|"
        r"[A-Z]{5}\d{6}[A-Z0-9]{3,5})\b",
        near=r"driver'?s?'? licen[cs]|driving licen[cs]|licen[cs]e (?:number|no|#|is|plate)|dl ?(?:#|number|no)",
    ),
)
