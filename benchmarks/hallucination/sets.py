"""The labelled sets: answers with their contexts, 1 where people say that something is not supported."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd

from detectors.text.parts import join_context

DATA = Path(__file__).resolve().parent.parent / "data"
GROUPS = {
    "begin_wow": "begin",
    "begin_cmu": "begin",
    "begin_tc": "begin",
    "q2_wow": "q2",
    "summedits": "summedits",
    "wice": "wice",
}
"""Sets that are learnt from, and which of them are of one kind: what is left out is left out whole."""
WARNINGS = ("halueval_qa500",)
"""Sets that are only shown: there the length of an answer alone gives the label away."""

ELSEWHERE = (
    "summaries of news (goals: AUROC 0.85 pooled, 0.75 inside one corpus), summaries by modern models (goal: 0.66)"
)
"""Sets that this project has not got, and is judged by all the same."""


def load(folders: list[Path]) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Return every set that is found, and the names of those that are not."""
    found, absent = {}, []
    for name in (*GROUPS, *WARNINGS):
        path = next((p for folder in folders for p in sorted(folder.glob(f"{name}.*")) if p.is_file()), None)
        if path is None:
            absent.append(name)
            continue
        found[name] = read(path)
    for folder in folders[:-1]:
        for path in sorted(folder.glob("*")):
            name = path.name.split(".")[0]
            if name not in found and path.name.endswith((".jsonl", ".jsonl.gz", ".parquet")):
                frame = read(path)
                if {"context", "response", "label"} <= set(frame.columns) and len(frame):
                    found[name] = frame
    return found, absent


def read(path: Path) -> pd.DataFrame:
    """Read one set; rows that nobody could judge, and rows without a context, are left out."""
    if path.suffix == ".parquet":
        frame = pd.read_parquet(path)
    else:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
        frame = pd.DataFrame([json.loads(line) for line in text.splitlines() if line.strip()])
    if not {"context", "response", "label"} <= set(frame.columns):
        return frame
    frame = frame[frame["label"] >= 0].astype({"label": int})
    frame["context"] = [join_context(value) if value is not None else "" for value in frame["context"]]
    frame = frame[frame["context"] != ""].reset_index(drop=True)
    if "doc" not in frame.columns:
        frame["doc"] = pd.factorize(frame["context"])[0]
    for name in ("model", "task"):
        if name not in frame.columns:
            frame[name] = ""
    return frame


def auroc(label: np.ndarray, score: np.ndarray) -> float:
    """Return the area under the ROC curve, ties counting half; NaN with one class only."""
    from scipy.stats import rankdata

    ones = int(label.sum())
    if ones in (0, len(label)):
        return float("nan")
    return float((rankdata(score)[label == 1].sum() - ones * (ones + 1) / 2) / ones / (len(label) - ones))


def standard_error(label: np.ndarray, score: np.ndarray, doc: np.ndarray, draws: int = 200, seed: int = 0) -> float:
    """Return the standard error of the area, by drawing documents anew: answers of one document are not independent."""
    _, owner = np.unique(doc, return_inverse=True)
    members = np.split(np.argsort(owner, kind="stable"), np.cumsum(np.bincount(owner))[:-1])
    rng = np.random.default_rng(seed)
    areas = []
    for _ in range(draws):
        rows = np.concatenate([members[at] for at in rng.integers(0, len(members), len(members))])
        areas.append(auroc(label[rows], score[rows]))
    return float(np.nanstd(areas))


def auroc_within(label: np.ndarray, score: np.ndarray, fold: np.ndarray) -> float:
    """Return the mean area over folds, by their pairs: what different combinations have scored is not compared."""
    areas, pairs = [], []
    for at in sorted(set(fold)):
        mine = fold == at
        ones = int(label[mine].sum())
        if 0 < ones < mine.sum():
            areas.append(auroc(label[mine], score[mine]))
            pairs.append(ones * (int(mine.sum()) - ones))
    return float(np.average(areas, weights=pairs)) if areas else float("nan")


def folds(doc: pd.Series, count: int = 5, seed: int = 0) -> np.ndarray:
    """Deal documents out to folds; all answers of a document share one."""
    documents = np.array(sorted(set(doc.map(str))))
    place = dict(zip(documents, np.random.default_rng(seed).permutation(len(documents)) % count, strict=True))
    return doc.map(str).map(place).to_numpy()
