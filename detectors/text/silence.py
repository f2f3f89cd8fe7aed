"""Answers without claims: refusals, greetings and offers of help, which no context can support or contradict."""

from __future__ import annotations

import re
from bisect import bisect_left
from functools import cache
from itertools import pairwise

import numpy as np

from detectors.signals.patterns import compile_linear, load_phrases, utf8
from detectors.text.parts import EXTRACTIVE
from detectors.text.reading import spans
from detectors.text.support import LONGEST_ANSWER, Support

LONGEST = 200
"""Largest number of words of an answer without claims."""
ABOUT_ITSELF = (
    r"^(?:(?:and|but|so|however|unfortunately|instead|as an? (?:ai|language|large|artificial)[^,]*),? +)?(?:"
    r"i(?:'m|'d|'ll| am| was (?:designed|trained|created|made)| can| could| cannot| will| would| do| don't| only|"
    r" hope| have been| apologi[sz]e| recommend| suggest| understand| appreciate| encourage| must| should)\b|"
    r"my (?:knowledge|training|purpose|programming|guidelines|capabilities|apologies|role|goal|data|abilities)\b|"
    r"please\b|feel free\b|let me know\b|if (?:you|there)\b|sorry\b|apologies\b|thanks?\b|"
    r"you (?:can|may|might|could) (?:also )?"
    r"(?:try|want|wish|find|check|consult|ask|provide|contact|look|search|visit)\b)"
)
"""Starts of sentences about the speaker in an answer that declines."""
COURTESY = (
    r"^(?:hi|hello|hey|dear|good (?:morning|afternoon|evening|day)|thanks?|thank you|you're welcome|welcome|sorry|"
    r"apologies|sure|of course|certainly|absolutely|okay|ok|no problem|great|how (?:can|may) (?:i|we)|"
    r"what (?:can|may) (?:i|we)|is there anything|please let|let me know|feel free|have a (?:nice|good|great)|"
    r"(?:i'm|i am|we're|we are) (?:not sure|happy|glad|sorry|afraid)|good ?bye|bye|no idea|i have no idea|not sure|"
    r"i (?:(?:really|honestly) )?(?:don't|do not) know)\b"
)
"""Starts of sentences that are polite phrases if they have no fact."""
OFFER = (
    r"^(?:(?:how|what) (?:can|may|could) (?:i|we) (?:help|assist|do)|is there anything|"
    r"do you have any (?:other )?questions)\b"
)
LEADING = (
    r"^(?:(?:no|and|but|well),? +)?(?:(?:unfortunately|apologi|sorry|i(?:'m| am)? (?:very |so |really |sincerely )?"
    r"(?:sorry|apologi|afraid|regret)|based on|according to|from|in|given|as an? )[^.]{0,80}|"
    r"(?:the |this |your |my )?(?:provided |given |above |following |supplied |available |retrieved )?)$"
)
"""Permitted text before the phrase that declines; otherwise its subject is somebody else."""
ENDS = re.compile(r"[.!?。！？؟।](?=\s|$)|\n")
TURN = re.compile(r"\b(?:but|however|although|though|except)\b", re.IGNORECASE)


def claims_nothing(answer: str, support: Support) -> bool:
    """Return whether every sentence of an answer declines, is about the speaker when declining, or is polite.

    Examples
    --------
    >>> from detectors.text.support import support
    >>> texts = ["I'm sorry, but I can't help with that.", "I can't find the year. The shop was opened by Ann Lee."]
    >>> [claims_nothing(text, support(text, "The shop was opened in Paris.")) for text in texts]
    [True, False]
    """
    if len(support.answer.ids) > LONGEST or support.broken < EXTRACTIVE:
        return False  # too long, or a phrase of the context
    answer = answer[:LONGEST_ANSWER].lstrip()
    first = utf8(ENDS.split(answer, maxsplit=1)[0])
    if compile_linear(_opens(), ignore_case=True).search(first) is None:
        return False
    declines = compile_linear(_declines(), ignore_case=True).search(utf8(answer)) is not None
    at = spans(answer, support.lexicon)
    facts = [at[place][0] for place in np.flatnonzero(support.facts).tolist()]
    starts = [at[first][0] for first in np.flatnonzero(np.diff(support.answer.sentence, prepend=-1)).tolist()]
    for start, end in zip(starts, [*starts[1:], len(answer)], strict=True):
        inside = facts[bisect_left(facts, start) : bisect_left(facts, end)]
        if not _says_nothing(answer[start:end].strip(), [fact - start for fact in inside], declines=declines):
            return False
    return True


@cache
def _declines(*, english: bool = False) -> str:
    return "|".join(
        f"(?:{phrase})"
        for language, kinds in load_phrases("refusal").items()
        if language == "en" or not english
        for kind in ("declines", "unknown")
        for phrase in kinds[kind]
    )


@cache
def _opens() -> str:
    """Return the pattern of the first sentence of an answer without claims; one string, so that its hash is cached."""
    return f"{COURTESY}|{_declines()}"


def _says_nothing(sentence: str, facts: list[int], *, declines: bool) -> bool:
    raw = utf8(sentence)
    if compile_linear(OFFER, ignore_case=True).search(raw):
        return True
    if not facts:
        return declines or compile_linear(COURTESY, ignore_case=True).search(raw) is not None
    if not declines:
        return False
    asks = sentence.endswith(("?", "？", "؟"))
    edges = [0, *(turn.start() for turn in TURN.finditer(sentence)), len(sentence)]
    for start, end in pairwise(edges):
        inside = [fact - start for fact in facts if start <= fact < end]
        if inside and not asks and not _declines_all(TURN.sub("", sentence[start:end], count=1).strip(" ,"), inside):
            return False
    return True


def _declines_all(clause: str, facts: list[int]) -> bool:
    """Return whether a clause declines, or introduces or concludes a refusal, and states nothing else."""
    raw = utf8(clause)
    where = compile_linear(_declines(), ignore_case=True).search(raw)
    if where is None:
        return compile_linear(ABOUT_ITSELF, ignore_case=True).search(raw) is not None
    before = raw[: where.start()]
    if facts[0] >= len(before.decode()) or compile_linear(LEADING, ignore_case=True).search(before):
        return True
    return compile_linear(_declines(english=True), ignore_case=True).search(raw) is None
