"""Entailment of the answer's claims by the context, by a model of the user."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from detectors.records import Column, Records
from detectors.signals.base import Evidence, Signal, words

MOST_CLAIMS = 12
MOST_PASSAGES = 6
"""Passages of a context that the model evaluates for each claim: those with most common words."""
PASSAGE = 600
"""Largest length of a passage, in code points."""
LONGEST = 50_000
"""Number of code points of a text that are read."""
_SENTENCE = re.compile(r"[^.!?。！？\n]++[.!?。！？]*")  # noqa: RUF001
_SAYS = re.compile(r"[^\W_]")


@dataclass(frozen=True)
class Entailment:
    """Score each response from 0 (its context entails every claim) to 1 (the worst claim is not entailed at all).

    A claim is a sentence. The model evaluates it against the passages with most common words, and the best of them
    counts. Missing if response or context is missing or has no words, and for rows outside of the sample.

    Limits
    ------
    As accurate and as slow as the model: tens of pairs per second. A claim that requires two distant passages counts as
    not entailed. Reads 50,000 code points and 12 claims.

    References
    ----------
    Laban, Schnabel, Bennett, Hearst, *SummaC: re-visiting NLI-based models for inconsistency detection in
    summarization*, TACL 2022.

    Examples
    --------
    >>> judge = Entailment(Path("nli.onnx"), Path("tokenizer.json"), sample=0.25)
    >>> sum(judge.sampled(f"answer {number}") for number in range(1000)) / 1000
    0.266
    """

    model: Path = Path()
    tokenizer: Path = Path()
    entailment: int = 2
    length: int = 256
    sample: float = 1.0

    def __call__(self, records: Records) -> Column:
        """Return a column from 0 to 1."""
        response, context = records["response"], records["context"]
        scores = np.full(len(response), np.nan)
        for row in np.flatnonzero(~(response.missing | context.missing)):
            answer = str(response.values[row])
            if self.model != Path() and self.sampled(answer):
                entailed = self.claims({"response": answer, "context": str(context.values[row])})
                scores[row] = max((claim.score for claim in entailed), default=math.nan)
        return Column(scores, np.isnan(scores))

    def sampled(self, text: str) -> bool:
        """Return whether a response is in the sample; deterministic for a text."""
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:8], "big") < self.sample * 2.0**64

    def claims(self, record: Mapping[str, str]) -> list[Evidence]:
        """Return the claims of a response with their scores, the worst first."""
        answer, premises = record["response"][:LONGEST], passages(record["context"][:LONGEST])
        results = []
        for match in list(_sentences(answer))[:MOST_CLAIMS]:
            pairs = [(passage, match.group().strip()) for passage in nearest(match.group(), premises)]
            if pairs:
                entailed = max(self.probabilities(pairs))
                results.append(Evidence("claim", match.start(), match.end(), 1.0 - entailed))
        return sorted(results, key=lambda claim: -claim.score)

    def probabilities(self, pairs: list[tuple[str, str]]) -> list[float]:
        """Return the probability of entailment of each pair of premise and hypothesis."""
        session, tokenizer = _load(self.model, self.tokenizer, self.length)
        cut = tokenizer.encode_batch(pairs)
        named = {
            "input_ids": [one.ids for one in cut],
            "attention_mask": [one.attention_mask for one in cut],
            "token_type_ids": [one.type_ids for one in cut],
        }
        inputs = {one.name: np.array(named[one.name], dtype=np.int64) for one in session.get_inputs()}
        scores = np.asarray(session.run(None, inputs)[0], dtype=np.float64)
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        return [float(share) for share in shares[:, self.entailment] / shares.sum(axis=1)]


def passages(context: str) -> list[str]:
    """Divide a context into runs of whole sentences of up to 600 code points.

    Examples
    --------
    >>> passages("One. Two! Three?")
    ['One. Two! Three?']
    """
    parts: list[str] = []
    for match in _sentences(context):
        sentence = match.group().strip()[:PASSAGE]
        if parts and len(parts[-1]) + len(sentence) < PASSAGE:
            parts[-1] += f" {sentence}"
        else:
            parts.append(sentence)
    return parts


def _sentences(text: str) -> Iterator[re.Match[str]]:
    """Yield the sentences of a text with a letter or a digit."""
    return (match for match in _SENTENCE.finditer(text) if _SAYS.search(match.group()))


def nearest(claim: str, passages: list[str]) -> list[str]:
    """Return the passages with most words in common with a claim, at most six.

    Examples
    --------
    >>> nearest("The cat sat.", ["Dogs bark.", "A cat sat there."])[0]
    'A cat sat there.'
    """
    wanted = set(words(claim))
    return sorted(passages, key=lambda passage: -len(wanted & set(words(passage))))[:MOST_PASSAGES]


@lru_cache(maxsize=4)
def _load(model: Path, tokenizer: Path, length: int) -> tuple[Any, Any]:
    from onnxruntime import InferenceSession, SessionOptions
    from tokenizers import Tokenizer

    options = SessionOptions()
    options.intra_op_num_threads = 1
    cutter = Tokenizer.from_file(str(tokenizer))
    cutter.enable_truncation(length)
    cutter.enable_padding()
    return InferenceSession(str(model), options, providers=["CPUExecutionProvider"]), cutter


def configure(*, model: Path, tokenizer: Path, entailment: int = 2, length: int = 256, sample: float = 1.0) -> Signal:
    """Set the ONNX file of a natural-language-inference model, and its ``tokenizer.json``.

    ``entailment`` is the index of that class in the model's output; ``sample`` the share of responses that are
    evaluated, as the model is slow.
    """
    for file in (model, tokenizer):
        if not file.is_file():
            raise ValueError(f"{file} is not a file; set the path of the model's file.")
    if not 0 < sample <= 1:
        raise ValueError("`sample` is a share of the responses: above 0, and at most 1.")
    return _signal(Entailment(model, tokenizer, entailment, length, sample))


def _signal(judge: Entailment) -> Signal:
    return Signal(
        name="entailment",
        needs=("response", "context"),
        kind="numeric",
        better="lower",
        compute=judge,
        unit="1 - probability",
        cost="about 10, with a small model",
        citation="Laban et al. 2022",
        evidence=judge.claims,
        configure=configure,
    )


SIGNAL = _signal(Entailment())
