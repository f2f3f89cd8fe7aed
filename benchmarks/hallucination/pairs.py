"""Pairs of answers to one context, one right and one wrong, made from any plain English text by a seeded generator.

    python -m benchmarks.hallucination --only pairs --texts FILE --seed 1

Every pair differs in one thing that likeness of words is nearly blind to: a negation that comes in, a negation that is
dropped, or a subject and an object that change places. The fourth kind sets a refusal, which claims nothing, beside a
sentence of another document. Half of the pairs say the sentence in its own words, half in other words for the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np

from benchmarks.detection.tables import table
from benchmarks.hallucination import edits
from benchmarks.hallucination.edits import Words, add_negation, drop_negation, swap_roles
from detectors import SIGNALS
from detectors.records import Column

SHORTEST, LONGEST = 5, 35
"""Words of a sentence that is taken."""
AROUND = 5
"""Sentences of the document on each side that are in the context as well."""
TRIES = 400
"""Sentences that are looked at for each pair."""
REFUSALS = (
    "I'm sorry, but I can't help with that.",
    "I cannot answer this question.",
    "I don't have enough information to answer that.",
    "Sorry, I am unable to assist with this request.",
    "The provided context does not mention this.",
    "As an AI language model, I can't provide an answer to this question.",
    "I'm afraid I can't share that. Is there anything else I can help you with?",
    "Unfortunately, I don't know the answer.",
)


@dataclass(frozen=True)
class Pair:
    """Two answers to one context.

    Parameters
    ----------
    kind
        What the wrong one does: ``negation added``, ``negation dropped``, ``roles swapped`` or ``refusal``.
    reworded
        Whether words were replaced by others of the same meaning, in both answers alike.
    context, right, wrong
        The texts.
    """

    kind: str
    reworded: bool
    context: str
    right: str
    wrong: str


CHANGES: dict[str, Callable[[Words], Words | None]] = {
    "negation added": add_negation,
    "negation dropped": drop_negation,
    "roles swapped": swap_roles,
}
KINDS = (*CHANGES, "refusal")


def sentences_of(text: str) -> list[str]:
    """Return the sentences of a text, lines and paragraphs apart."""
    parts = re.split(r"(?<=[.!?])\s+(?=[A-Z\"“])|\n\s*\n", text)
    return [" ".join(part.split()) for part in parts if part.strip()]


def made(documents: Sequence[str], count: int, seed: int = 0) -> list[Pair]:
    """Return pairs, of each kind as many as ``count`` or as the documents give."""
    rng = np.random.default_rng(seed)
    cut = [sentences_of(text) for text in documents]
    cut = [sentences for sentences in cut if len(sentences) > 1]
    places = [(document, at) for document, sentences in enumerate(cut) for at in range(len(sentences))]
    known = sorted({word.lower() for text in documents[:400] for word in edits.WORD.findall(text) if len(word) > 3})
    found: list[Pair] = []
    for kind in KINDS:
        order = rng.permutation(len(places))[: TRIES * count].tolist()
        of_kind: list[Pair] = []
        for place in order:
            if len(of_kind) == count:
                break
            document, at = places[place]
            pair = _pair(rng, kind, len(of_kind) % 2 == 1, cut, document, at, known)
            if pair is not None:
                of_kind.append(pair)
        found += of_kind
    return found


def _pair(
    rng: np.random.Generator,
    kind: str,
    reworded: bool,  # noqa: FBT001
    cut: list[list[str]],
    document: int,
    at: int,
    known: list[str],
) -> Pair | None:
    context = " ".join(cut[document][max(0, at - AROUND) : at + AROUND + 1])
    words = _words(cut[document][at])
    if words is None:
        return None
    if kind == "refusal":
        other = int(rng.integers(len(cut)))
        right = REFUSALS[int(rng.integers(len(REFUSALS)))]
        said = _words(cut[other][int(rng.integers(len(cut[other])))])
        if other == document or said is None:
            return None
        return Pair(kind, False, context, right, _said(said))
    if CHANGES[kind](words) is None:
        return None
    if reworded:
        words = edits.paraphrase(rng, words, known)
    wrong = CHANGES[kind](words)
    return None if wrong is None else Pair(kind, reworded, context, _said(words), _said(wrong))


def _words(sentence: str) -> Words | None:
    """Return the words of a plain sentence of fitting length; signs are left out."""
    words = edits.WORD.findall(sentence)
    plain = sentence[:1].isupper() and sentence.endswith(".") and not re.search(r"[{}<>=|\[\]_*#\\/]", sentence)
    return words if plain and SHORTEST <= len(words) <= LONGEST else None


def _said(words: Words) -> str:
    return " ".join(words) + "."


def ordered(pairs: Sequence[Pair]) -> np.ndarray:
    """Return of each pair whether the wrong answer scores higher; an answer without a score claims nothing."""
    context = Column.of([pair.context for pair in pairs])
    right, wrong = (
        SIGNALS["hallucinated"].compute({"response": Column.of(said), "context": context})
        for said in ([pair.right for pair in pairs], [pair.wrong for pair in pairs])
    )
    higher = np.where(right.missing, -1.0, right.values) < np.where(wrong.missing, -1.0, wrong.values)
    return np.asarray(higher)


def texts(files: Sequence[Path]) -> dict[str, list[str]]:
    """Return the documents of each file; of the manual that comes with Python where there is none."""
    if not files:
        return {"Python's manual": list(topics.values())}
    found = {}
    for path in files:
        lines = path.read_text("utf-8").strip()
        rows = [json.loads(line) for line in lines.splitlines()] if path.suffix == ".jsonl" else [lines]
        found[path.name] = [
            str(row.get("context") or row.get("response")) if isinstance(row, dict) else row for row in rows
        ]
    return found


def report(files: Sequence[Path], count: int = 75, seed: int = 0) -> None:
    rows = []
    for name, documents in texts(files).items():
        pairs = made(documents, count, seed)
        rightly = ordered(pairs)
        for kind in KINDS:
            for reworded in (False, True):
                at = [place for place, pair in enumerate(pairs) if (pair.kind, pair.reworded) == (kind, reworded)]
                if at:
                    rows.append([name, kind, "other" if reworded else "its own", len(at), f"{rightly[at].mean():.1%}"])
        rows.append([name, "all", "", len(pairs), f"{rightly.mean():.1%}"])
    print("\nPairs of answers of which the wrong one scores higher than the right one\n")
    print(table(["text", "what is wrong", "words", "pairs", "ordered rightly"], rows))
