"""Static embeddings: a text is the mean of pretrained token vectors, which are shipped in a wheel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

DIMENSIONS = 256
LONGEST = 20_000
"""Number of code points that are embedded: beyond about 5,000 tokens the mean hardly changes."""
TOGETHER = 64
"""Number of texts per tokenizer call, which limits memory."""


@dataclass(frozen=True)
class Vectors:
    """Content of the wheel: one vector per token, float16 of shape (tokens, 256), and the tokenizer."""

    weights: np.ndarray
    tokenizer: Any


@cache
def vectors() -> Vectors:
    """Load the vectors once per process: 0.1 s and 70 MB, so only when a signal needs them.

    WordLlama's own loader may access the network if its folder has another name; this one never does.

    Raises
    ------
    RuntimeError
        If the installed wheel contains other files than expected.

    References
    ----------
    Miller, *WordLlama: recycled token embeddings from large language models*, 2024 (MIT licence).
    """
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    spec = find_spec("wordllama")
    folder = Path(spec.origin or "").parent if spec else Path("wordllama")
    files = (
        folder / "weights" / "l2_supercat_256.safetensors",
        folder / "tokenizers" / "l2_supercat_tokenizer_config.json",
    )
    if not all(file.is_file() for file in files):
        raise RuntimeError("the wheel of wordllama lacks its 256-dimensional vectors; install wordllama>=0.4.")
    tokenizer = Tokenizer.from_file(str(files[1]))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return Vectors(load_file(files[0])["embedding.weight"], tokenizer)


def embed(texts: Sequence[str]) -> np.ndarray:
    """Embed texts, float32 of shape (texts, 256), each of length 1; zeros for a text without tokens.

    Limits
    ------
    Word order has no effect and negation hardly any: "was issued" and "was not issued" have a similarity of 0.9. Only
    the first 20,000 code points are used. Trained mostly on English.

    Examples
    --------
    >>> paid, returned, bread = embed(["We returned your money.", "The refund was issued.", "How do I bake bread?"])
    >>> bool(paid @ returned > 0.3 > paid @ bread)
    True
    """
    table = vectors()
    embedded = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
    for first in range(0, len(texts), TOGETHER):
        few = [_encodable(text[:LONGEST]) for text in texts[first : first + TOGETHER]]
        for place, cut in enumerate(table.tokenizer.encode_batch(few, add_special_tokens=False), start=first):
            if cut.ids:
                embedded[place] = table.weights[cut.ids].mean(axis=0, dtype=np.float32)
    length = np.linalg.norm(embedded, axis=1, keepdims=True)
    return np.asarray(embedded / np.maximum(length, np.finfo(np.float32).tiny))


def _encodable(text: str) -> str:
    """Return a text without unpaired surrogates, which the tokenizer rejects."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
