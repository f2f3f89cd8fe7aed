"""Presidio's pattern recognisers with a blank spaCy pipeline: the peer of the PII scanner."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

Found = list[tuple[str, int, int, float]]

# What both sides find, under one name each. Gold names are those of presidio-research.
TYPES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "CREDIT_CARD": (("credit_card",), ("CREDIT_CARD",)),
    "EMAIL_ADDRESS": (("email_address",), ("EMAIL_ADDRESS",)),
    "IBAN_CODE": (("iban_code",), ("IBAN_CODE",)),
    "IP_ADDRESS": (("ip_address",), ("IP_ADDRESS",)),
    "PHONE_NUMBER": (("phone_number",), ("PHONE_NUMBER",)),
    "US_SSN": (("us_ssn",), ("US_SSN",)),
    "DOMAIN_NAME": (("url",), ("URL",)),
    "DATE_TIME": (("date_of_birth", "date_time"), ("DATE_TIME",)),
}


def presidio() -> Callable[[str], Found]:
    """Return presidio's analyser over its predefined English recognisers, all thresholds left at zero."""
    import spacy
    import tldextract
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine

    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
    tldextract.extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)  # the list in its wheel; no network

    class Blank(NlpEngine):  # type: ignore[misc]
        """The tokens that presidio's context enhancer reads, and no model."""

        def __init__(self) -> None:
            self.nlp = spacy.blank("en")

        def load(self) -> None: ...

        def is_loaded(self) -> bool:
            return True

        def is_stopword(self, word: str, language: str) -> bool:
            return bool(self.nlp.vocab[word].is_stop)

        def is_punct(self, word: str, language: str) -> bool:
            return bool(self.nlp.vocab[word].is_punct)

        def get_supported_entities(self) -> list[str]:
            return []

        def get_supported_languages(self) -> list[str]:
            return ["en"]

        def process_batch(self, texts: Any, language: str, **_: Any) -> Any:
            for text in texts:
                yield text, self.process_text(text, language)

        def process_text(self, text: str, language: str) -> NlpArtifacts:
            doc = self.nlp(text)
            lemmas = [token.text.lower() for token in doc]
            return NlpArtifacts(
                entities=[],
                tokens=doc,
                tokens_indices=[token.idx for token in doc],
                lemmas=lemmas,
                nlp_engine=self,
                language=language,
            )

    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    for name in ("SpacyRecognizer",):
        registry.remove_recognizer(name)
    engine = AnalyzerEngine(registry=registry, nlp_engine=Blank(), supported_languages=["en"])

    def analyse(text: str) -> Found:
        return [(r.entity_type, r.start, r.end, r.score) for r in engine.analyze(text, language="en")]

    return analyse
