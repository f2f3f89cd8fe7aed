"""What the score `hallucinated` is worth, on labelled sets: `make bench-hallucination`.

By set, and inside each model, beside single features that need no learning, by cross-validation over source documents
(other documents of all sets are known) and with a whole kind of set left out (what somebody without labels gets).
`--data DIR` adds sets of the same format; `learn` writes the shipped combination anew.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.detection.tables import table
from benchmarks.hallucination import learn, pairs, rise
from benchmarks.hallucination.sets import (
    DATA,
    ELSEWHERE,
    GROUPS,
    WARNINGS,
    auroc,
    auroc_within,
    folds,
    load,
    standard_error,
)
from detectors import SIGNALS
from detectors.records import Column
from detectors.signals.base import words
from detectors.signals.hallucinated import combination
from detectors.text.support import support

PUBLISHED = """\
Published, for orientation (read in the papers' own tables or notebooks; protocols differ):
SummEdits, macro balanced accuracy: DAE 55.2, SummaC-Conv 57.1, QAFactEval 65.5, ChatGPT 71.2, GPT-4 82.1, people 90.9.
LLM-AggreFact, mean balanced accuracy: HHEM 71.8, MiniCheck-FT5 75.0, gpt-4o 75.9, Bespoke-MiniCheck-7B 77.4.
AggreFact on CLIFF, CNN/DM and XSum, balanced accuracy: DAE 0.730, 0.754; QuestEval 0.740, 0.619;
SummaC-ZS 0.646, 0.596; SummaC-Conv 0.649, 0.666; QAFactEval 0.716, 0.626."""


def novelty(size: int) -> Callable[[str, str], float]:
    def score(said: str, given: str) -> float:
        sides = [words(text) for text in (said, given)]
        ours, theirs = (set(zip(*(side[at:] for at in range(size)), strict=False)) for side in sides)
        return len(ours - theirs) / max(1, len(ours))

    return score


def rouge(said: str, given: str) -> float:
    held = support(said, given)
    return held.unaligned if held is not None else 1.0


def numbers(said: str, given: str) -> float:
    held = support(said, given)
    return len(held.numbers[0]) / max(1, held.numbers[2]) if held is not None else 0.0


SINGLE: dict[str, Callable[[str, str], float]] = {
    "unigram": novelty(1),
    "bigram": novelty(2),
    "1 - ROUGE-L": rouge,
    "numbers": numbers,
    "length": lambda said, _given: float(len(said)),
}


@dataclass(frozen=True)
class Taken:
    """The sets as they were measured, and the answers that are made of their contexts (by the same names)."""

    sets: dict[str, pd.DataFrame]
    found: learn.Found
    labels: learn.Found
    made: learn.Found
    made_labels: learn.Found
    made_docs: learn.Found

    def training(self, of: Callable[[str, np.ndarray], np.ndarray]) -> tuple[learn.Found, learn.Found]:
        """Return parts and labels to learn from; ``of`` says which documents of a set may be known."""
        found, labels = {}, {}
        for name in self.made:
            kept = of(name, self.sets[name]["doc"].map(str).to_numpy())
            found[name], labels[name] = self.found[name][kept], self.labels[name][kept]
            kept = of(name, np.array([str(doc) for doc in self.made_docs[name]]))
            title = f"{learn.EDITS}{name}"
            found[title], labels[title] = self.made[name][kept], self.made_labels[name][kept]
        return found, labels


def taken(folders: list[Path]) -> Taken:
    """Measure every set that is found."""
    sets, absent = load(folders)
    for name in absent:
        print(f"ABSENT: {name} is not here; give its folder with --data DIR")
    if not set(sets) - {*GROUPS, *WARNINGS}:
        print(f"ABSENT: {ELSEWHERE}: nothing is known of them here. --data DIR reads any .jsonl, .jsonl.gz or .parquet")
        print("        with context, response and label (1 = not supported), and doc, model and task where it has them")
    found = {name: learn.measured(frame) for name, frame in sets.items()}
    usable = {name: np.isfinite(part).all(axis=1) for name, part in found.items()}
    sets = {name: frame[usable[name]].reset_index(drop=True) for name, frame in sets.items()}
    made = {name: learn.edited(sets[name]) for name in GROUPS if name in sets}
    return Taken(
        sets,
        {name: part[usable[name]] for name, part in found.items()},
        {name: frame["label"].to_numpy() for name, frame in sets.items()},
        *({name: one[place] for name, one in made.items()} for place in range(3)),
    )


def scores(held: Taken) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield each set with the scores of the shipped combination, by cross-validation, and with its kind left out.

    Weights are learnt anew each time, on what may be known.
    """
    fold = {
        name: dict(zip(frame["doc"].map(str), folds(frame["doc"]), strict=True)) for name, frame in held.sets.items()
    }
    crossed = {name: np.zeros(len(held.labels[name])) for name in held.made}
    for at in range(5):

        def known(name: str, docs: np.ndarray, at: int = at) -> np.ndarray:
            return np.array([fold[name][doc] != at for doc in docs], dtype=bool)

        made = learn.fit(*held.training(known))
        for name, part in crossed.items():
            mine = ~known(name, held.sets[name]["doc"].map(str).to_numpy())
            part[mine] = made.probability(held.found[name][mine])
    found, labels = held.training(lambda _name, docs: np.ones(len(docs), dtype=bool))
    left = {kind: learn.fit(learn.without(found, kind), labels) for kind in sorted({*map(learn.kind_of, held.sets)})}
    for name in held.sets:
        shipped = combination().probability(held.found[name])
        yield name, shipped, crossed.get(name, shipped), left[learn.kind_of(name)].probability(held.found[name])


def balanced(label: np.ndarray, score: np.ndarray, fold: np.ndarray) -> tuple[float, float]:
    """Return balanced accuracy and F1 of held-out folds, each with the threshold that is best on the others."""
    said = np.zeros(len(label), dtype=bool)
    for at in sorted(set(fold)):
        mine = fold == at
        grid = np.unique(np.quantile(score[~mine], np.linspace(0.02, 0.98, 97)))
        accuracy = [_balanced(label[~mine], score[~mine] >= cut) for cut in grid]
        said[mine] = score[mine] >= grid[int(np.argmax(accuracy))]
    hits = float((said & (label == 1)).sum())
    return _balanced(label, said), 2 * hits / max(1.0, said.sum() + label.sum())


def _balanced(label: np.ndarray, said: np.ndarray) -> float:
    ones, zeros = label == 1, label == 0
    return float((said[ones].mean() if ones.any() else 0.5) + (~said[zeros]).mean() if zeros.any() else 0.5) / 2


def report(folders: list[Path]) -> None:
    held = taken(folders)
    rows, models = [], []
    for name, shipped, crossed, left_out in scores(held):
        frame, label = held.sets[name], held.labels[name]
        pairs = list(zip(frame["response"], frame["context"], strict=True))
        single = {title: np.array([score(*pair) for pair in pairs]) for title, score in SINGLE.items()}
        title = f"{name} (warning)" if name in WARNINGS else name
        ours, fold = (crossed, left_out, shipped), folds(frame["doc"])
        doc = frame["doc"].map(str).to_numpy()
        rows.append([title, *line(label, single, ours, fold, doc)])
        for kind in ("model", "task"):
            for value in sorted(set(frame[kind].map(str)) - {"", "None", "nan"}):
                at = (frame[kind].map(str) == value).to_numpy()
                if 20 <= at.sum() < len(at) and 5 <= label[at].sum() <= at.sum() - 5:
                    inside = {title: one[at] for title, one in single.items()}
                    few = [one[at] for one in ours]
                    models.append([name, value, *line(label[at], inside, (few[0], few[1], few[2]), fold[at], doc[at])])
    heads = ["rows", "wrong", *SINGLE, "other documents", "other sets", "s.e.", "shipped", "bal. acc.", "F1"]
    print(
        "\nAUROC, that of `other documents` within each fold; balanced accuracy and F1 are those of `other sets` with a"
    )
    print("threshold from the other documents, s.e. is its standard error over 200 draws of documents\n")
    print(table(["set", *heads], rows))
    print("\nInside one model or task\n")
    print(table(["set", "inside", *heads], models))
    print(f"\n{PUBLISHED}\n")
    print("Not scored, for they hold no context: halueval_general, halueval2_human, refchecker_claims.\n")


def line(
    label: np.ndarray,
    single: dict[str, np.ndarray],
    ours: tuple[np.ndarray, np.ndarray, np.ndarray],
    fold: np.ndarray,
    doc: np.ndarray,
) -> list[object]:
    """Return a line of the table: rows, share of wrong ones, AUROCs, and what a threshold reaches."""
    accuracy, f1 = balanced(label, ours[1], fold)
    areas = [*(auroc(label, one) for one in single.values()), auroc_within(label, ours[0], fold)]
    areas += [auroc(label, ours[1]), standard_error(label, ours[1], doc), auroc(label, ours[2])]
    return [len(label), f"{label.mean():.2f}", *(f"{area:.3f}" for area in areas), f"{accuracy:.3f}", f"{f1:.3f}"]


def speed() -> None:
    """Print records a second of one core: 600-character answers, 3,000-character contexts.

    Words are looked at once a process. So the first half of the documents is read before the clock starts, and all that
    is timed is of the second half.
    """
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # one core, for all threads of all libraries
    frame = load([DATA])[0]["summedits"].sort_values("doc").reset_index(drop=True)
    given = [(text + " " + frame["context"][place - 1])[:3000] for place, text in enumerate(frame["context"]) if place]
    said = [(text + " " + frame["response"][place - 1])[:600] for place, text in enumerate(frame["response"]) if place]
    names = ["groundedness", "weakest_claim", "number_mismatch", "name_mismatch", "hallucinated"]
    pages = [
        {"response": Column.of(said[at : at + 256]), "context": Column.of(given[at : at + 256])}
        for at in range(0, len(given) - 256, 256)
    ]
    taken = []
    for page in pages:
        begun = time.process_time()
        for name in names:
            SIGNALS[name].compute(page)
        taken.append(time.process_time() - begun)
    half = len(pages) // 2
    rates = [256 * len(part) / sum(part) for part in (taken[:half], taken[half:])]
    print(
        f"{', '.join(names)} together: {rates[1]:,.0f} records a second of one core ({rates[0]:,.0f} while it starts)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="What the score `hallucinated` is worth")
    parser.add_argument("what", nargs="?", choices=["learn"], help="write the shipped combination anew")
    parser.add_argument("--data", type=Path, action="append", default=[], help="a folder with further sets")
    parser.add_argument("--only", choices=["sets", "pairs", "rise", "speed"])
    parser.add_argument("--texts", type=Path, action="append", default=[], help="a plain English text to make pairs of")
    parser.add_argument("--seed", type=int, default=0, help="of the pairs")
    given = parser.parse_args()
    folders = [*given.data, DATA]
    if given.what == "learn":
        held = taken(folders)
        made = learn.fit(*held.training(lambda _name, docs: np.ones(len(docs), dtype=bool)))
        learn.ship(made, {name: len(held.labels[name]) for name in held.made})
        return
    if given.only in (None, "sets"):
        report(folders)
    if given.only in (None, "pairs"):
        pairs.report(given.texts, seed=given.seed)
    if given.only in (None, "speed"):
        speed()
    if given.only in (None, "rise"):
        rise.report()


if __name__ == "__main__":
    main()
