"""Write detectors/data/senses.tsv.gz anew from WordNet: which English words may stand for, or against, each other.

    python -m benchmarks.hallucination.senses DICT

DICT is the folder `dict` of WordNet 3.1 (data.noun, index.noun, index.sense and so on). Kept are single words that are
no proper names, with up to six meanings of each part of speech, the more frequent first.
"""

from __future__ import annotations

import gzip
import sys
from collections import defaultdict
from pathlib import Path

FILES = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}
OUT = Path(__file__).resolve().parents[2] / "detectors" / "data" / "senses.tsv.gz"
MEANINGS = 6
THINGS = frozenset((5, 6, 8, 13, 14, 15, 17, 18, 20, 27, 28))
"""Lexicographer files of what can be seen, met or dated: animals, artifacts, bodies, food, groups, places, objects,
persons, plants, substances, times."""
NEAR = frozenset("&$+^\\")
"""Similar to, verb group, derivationally related, also see, pertainym."""

Synset = tuple[str, str]


class Net:
    """What is needed of WordNet, by synset: lexicographer file and pointers (kind, target)."""

    def __init__(self, folder: Path) -> None:
        self.file: dict[Synset, int] = {}
        self.points: dict[Synset, list[tuple[str, Synset]]] = {}
        self.of: dict[str, list[tuple[str, list[Synset]]]] = defaultdict(list)
        self.seen: dict[tuple[str, Synset], int] = defaultdict(int)
        for pos, name in FILES.items():
            for line in _lines(folder / f"data.{name}"):
                self._synset(pos, line.split(" | ")[0].split())
            for line in _lines(folder / f"index.{name}"):
                cells = line.split()
                self.of[cells[0]].append((pos, [(pos, at) for at in cells[6 + int(cells[3]) :]]))
        parts = {"1": "n", "2": "v", "3": "a", "4": "r", "5": "a"}
        for line in _lines(folder / "index.sense"):
            key, at, _, count = line.split()
            word, rest = key.split("%")
            self.seen[word, (parts[rest[0]], at)] = int(count)

    def _synset(self, pos: str, cells: list[str]) -> None:
        here, count = (pos, cells[0]), int(cells[3], 16)
        self.file[here] = int(cells[1])
        points = cells[5 + 2 * count :]
        self.points[here] = [
            (points[at], ("a" if points[at + 2] == "s" else points[at + 2], points[at + 1]))
            for at in range(0, 4 * int(cells[4 + 2 * count]), 4)
        ]

    def meanings(self, word: str) -> list[Synset]:
        return [one for _, synsets in self.of[word] for one in synsets[:MEANINGS]]

    def is_thing(self, word: str) -> bool:
        """Return whether the first meaning of the word's most frequent part of speech can be seen, met or dated."""

        def often(entry: tuple[str, list[Synset]]) -> float:
            return sum(self.seen[word, one] for one in entry[1]) + 0.1 * min(len(entry[1]), 3)

        _, synsets = max(self.of[word], key=often)
        return self.file[synsets[0]] in THINGS

    def opposed(self, word: str) -> set[Synset]:
        found = set()
        for here in self.meanings(word):
            for kind, target in self.points[here]:
                if (
                    kind == "!"
                ):  # said of one word of a meaning, and taken as said of all: better and improve both oppose worsen
                    found |= {target, *(near for tie, near in self.points[target] if tie == "&")}
                if kind == "&":
                    found |= {far for tie, far in self.points[target] if tie == "!"}
        return found

    def is_name(self, word: str) -> bool:
        return all(any(kind == "@i" for kind, _ in self.points[one]) for one in self.meanings(word))


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text("latin-1").splitlines() if not line.startswith(" ")]


def main() -> None:
    net = Net(Path(sys.argv[1]))
    kept = sorted(word for word in net.of if word.isalpha() and len(word) > 1 and not net.is_name(word))
    used = {synset for word in kept for synset in net.meanings(word)}
    number = {synset: str(at) for at, synset in enumerate(sorted(used), start=1)}
    rows = []
    for word in kept:
        own = net.meanings(word)
        near = [point[1] for one in own for point in net.points[one] if point[0] in NEAR]
        cells = [own, [one for one in dict.fromkeys(near) if one not in own], sorted(net.opposed(word))]
        told = [",".join(number[one] for one in cell if one in used) for cell in cells]
        rows.append("\t".join([word, "1" if net.is_thing(word) else "0", *told]))
    OUT.write_bytes(gzip.compress(("\n".join(rows) + "\n").encode("ascii"), mtime=0))
    print(f"{len(rows)} words, {len(used)} meanings, {OUT.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
