"""Texts that make patterns, parsers and loops slow, and a process that measures how long a function takes for them.

There are two kinds of text: the well-known worst cases (repeats of separators, quotes, brackets, comments, digits,
combining marks …), and repeats that are derived from the patterns of the product themselves: whatever a pattern repeats
is repeated until the text is as long as wanted, and then the pattern is disappointed.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import pkgutil
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import detectors
from detectors import SIGNALS, Signal
from detectors.binning import numbers
from detectors.policy import SETTINGS, GuardRule, Policy, built_in, guard
from detectors.records import Column
from detectors.scan import GROUPS, ScannedText
from detectors.scan.base import EMBEDDED_TYPE, RuleSet, near_pattern
from detectors.signals.entailment import Entailment
from detectors.signals.patterns import load_phrases
from monitor.jobs.evals.expectation import KINDS, Expectation
from monitor.jobs.evals.score import read_judgement, score
from monitor.jobs.evals.suite import Case
from monitor.sources.chat import ASSISTANTS, USERS, extract_text
from monitor.sources.values import clean

LENGTHS = (100, 1_000, 5_000, 20_000)
PATTERN_LENGTH = 1_000
"""Code points on which a pattern is tried by itself: many of them see short pieces of a text only."""
KNOWN_SLOW = {"of comments": r"(?s)(?:\s|/\*.*?\*/)*(select|with)\b", "of words": r"(?:\w+\s?)+$"}
"""Patterns that backtrack without end, to see that such are found; the first one froze the daemon."""

UNITS: list[str] = json.loads(Path(__file__).with_name("hostile_units.json").read_text(encoding="utf-8"))
"""What the well-known worst cases repeat."""
STARTS = ("", "x", "SELECT ", "(", '"', "'", "/*", "```json\n", "{", "[", "<", "a@", "-", "password: ", "ignore ")
ENDS = ("", "x", "!", "\n", "\0", '"', ")", "*/", "\n```", "@", " ", "1", "\ud800")
"""What stands before and behind the repeats, drawn at random, and nothing as often as anything else."""


@dataclass(frozen=True)
class Shape:
    """A text of any length: a start, a piece that is repeated, an end."""

    start: str
    unit: str
    end: str = ""

    def text(self, length: int) -> str:
        """Return the text of about so many code points."""
        times = max(1, (length - len(self.start) - len(self.end)) // len(self.unit))
        return f"{self.start}{self.unit * times}{self.end}"

    def __str__(self) -> str:
        """Return it as a test shows it."""
        return ascii(f"{self.start[:40]}|{self.unit[:60]}|{self.end[:20]}")


ONCE_SLOW = (
    Shape("", "/**/", "x"),
    Shape("SELECT a", ".f(1)"),
    Shape("SELECT [", "`b` (a) -> "),
    Shape("SELECT ", "ARRAY["),
    Shape("", ".", "x"),
    Shape("", "…", "x"),
    Shape("```json\n", " ", "x"),
    Shape("```", "\n", "x"),
    Shape("", "_"),
    Shape("http://a.a/", ")"),
    Shape("GB82 A", " ", "x"),
    Shape("", '{"a":', "1"),
)
"""What signals, scanners or guards needed a time for that grew faster than the text, up to for ever."""


def shapes(seed: int, of_patterns: int | None = None) -> list[Shape]:
    """Return the worst cases; those that are derived from patterns as many as wanted, drawn at random."""
    rng = random.Random(seed)
    known = [Shape("", unit, rng.choice(ENDS)) for unit in UNITS]
    known += [Shape(rng.choice(STARTS), unit, rng.choice(ENDS)) for unit in UNITS]
    known += [Shape("", rng.choice(UNITS) + rng.choice(UNITS), rng.choice(ENDS)) for _ in range(len(UNITS) // 2)]
    derived = list(dict.fromkeys(shape for pattern in patterns() for shape in pumped(pattern, rng)))
    if of_patterns is not None:
        derived = rng.sample(derived, min(of_patterns, len(derived)))
    return [*dict.fromkeys(known), *derived]


def texts(length: int, seed: int) -> Iterator[tuple[str, str]]:
    """Yield texts of many kinds of piece, which are no repeats: each with a name."""
    rng = random.Random(seed)
    for number in range(4):
        pieces = [rng.choice(UNITS) for _ in range(length)]
        yield f"random pieces {number}", "".join(pieces)[:length]
    yield "random letters", "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=length))
    yield "random words", "".join(rng.choices("abcdefghijklmnopqrstuvwxyz     ", k=length))
    yield "random capitals", "".join(rng.choices("ABCdef. ", k=length))
    yield "random digits", "".join(rng.choices("0123456789 -.", k=length))
    yield "random base64", "".join(rng.choices("ABCDEFabcdef0123456789+/", k=length))
    yield "random code points", "".join(chr(rng.randrange(0x3000)) for _ in range(length))
    yield "counted words", " ".join(f"w{number}" for number in range(length // 5))[:length]
    yield "counted numbers", " ".join(map(str, range(length // 4)))[:length]
    yield "counted sentences", " ".join(f"Fact {number} is true." for number in range(length // 16))[:length]
    yield "closed brackets", "[" * (length // 2) + "]" * (length // 2)
    yield "closed objects", '{"a":' * (length // 6) + "1" + "}" * (length // 6)
    yield "a list in SQL", f"SELECT 1 IN ({','.join(['1'] * (length // 2 - 6))})"
    yield "columns in SQL", f"SELECT {','.join(f'c{number}' for number in range(length // 6))} FROM t"


@cache
def compiled_patterns() -> dict[str, re.Pattern[str]]:
    """Return the patterns that `detectors` gives to Python's own engine, which backtracks, by where they stand."""
    found: dict[str, re.Pattern[str]] = {}
    for module in modules(detectors):
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
                found[f"{module.__name__}.{name}"] = value
        for call in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(call, ast.Call) and ast.unparse(call.func).startswith("re.") and call.args:
                written = call.args[0]
                if isinstance(written, ast.Constant) and isinstance(written.value, str):
                    found.setdefault(f"{module.__name__}, line {call.lineno}", re.compile(written.value))
    return found


def patterns() -> list[str]:
    """Return the regular expressions of `detectors`, and the phrases that it makes such of."""
    found = dict.fromkeys(pattern.pattern for pattern in compiled_patterns().values())
    for module in modules(detectors):
        for value in vars(module).values():
            for rule in value.rules if isinstance(value, RuleSet) else ():
                found |= dict.fromkeys([rule.pattern, rule.hint, rule.near and near_pattern(rule.near)])
    for name in ("refusal", "hedging"):
        for kinds in load_phrases(name).values():
            found |= dict.fromkeys(phrase for phrases in kinds.values() for phrase in phrases)
    found.pop("", None)
    return list(found)


def modules(package: ModuleType) -> Iterator[ModuleType]:
    """Yield all modules of a package."""
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        yield importlib.import_module(info.name)


def pumped(pattern: str, rng: random.Random) -> Iterator[Shape]:
    """Yield what a pattern repeats, as texts: what leads to each of its repeats, and that many times more."""
    parser: Any = importlib.import_module("re._parser")
    plain = re.sub(r"\\x\{(\w+)\}", lambda code: chr(int(code[1], 16)), pattern)
    plain = plain.replace(r"\pL", "a").replace(r"\pN", "1")
    try:
        parsed = parser.parse(plain)
    except re.error:
        return
    whole = "".join(_spelt(parsed, rng, None))
    if whole:
        yield Shape("", whole, "!")
        yield Shape("", whole[:-1] or whole, "!")
    for repeat in _repeats(parsed):
        parts = _spelt(parsed, rng, repeat)
        if PUMP in parts:
            start, unit = "".join(parts[: parts.index(PUMP)]), "".join(_spelt(repeat[1][2], rng, None))
            if unit:
                yield Shape(start, unit, rng.choice(ENDS))
            if start:
                yield Shape("", start + unit, rng.choice(ENDS))


PUMP = "\uf8ff"
"""Stands for the repeat that is pumped."""


def _repeats(parsed: Any) -> Iterator[Any]:  # noqa: ANN401
    for item in parsed:
        if str(item[0]).endswith("_REPEAT") and int(item[1][1]) > 3:  # noqa: PLR2004
            yield item
        for part in _parts(item):
            yield from _repeats(part)


def _parts(item: Any) -> list[Any]:  # noqa: ANN401
    """Return the patterns inside one piece of a pattern."""
    kind, held = str(item[0]), item[1]
    if kind == "BRANCH":
        return list(held[1])
    if kind == "SUBPATTERN":
        return [held[3]]
    if kind.endswith("_REPEAT"):
        return [held[2]]
    return [held] if kind == "ATOMIC_GROUP" else []


def _spelt(parsed: Any, rng: random.Random, pump: Any) -> list[str]:  # noqa: ANN401
    """Return pieces of a text that matches, but for the repeat that is pumped, for which `PUMP` stands."""
    found: list[str] = []
    for item in parsed:
        kind, held = str(item[0]), item[1]
        if item is pump:
            found.append(PUMP)
        elif kind == "LITERAL":
            found.append(chr(held))
        elif kind in ("NOT_LITERAL", "ANY"):
            found.append(rng.choice([sign for sign in "a1 -" if kind == "ANY" or ord(sign) != held]))
        elif kind == "IN":
            found.append(_member(held, rng))
        elif kind.endswith("_REPEAT"):
            times = max(int(held[0]), rng.choice([0, 1])) if not _holds(held[2], pump) else 1
            for _ in range(times):
                found += _spelt(held[2], rng, pump)
        elif parts := _parts(item):
            chosen = [part for part in parts if _holds(part, pump)] or parts
            found += _spelt(rng.choice(chosen), rng, pump)
    return found


def _holds(parsed: Any, pump: Any) -> bool:  # noqa: ANN401
    return pump is not None and any(item is pump or any(_holds(p, pump) for p in _parts(item)) for item in parsed)


_CATEGORIES = {
    "CATEGORY_DIGIT": "7",
    "CATEGORY_WORD": "b",
    "CATEGORY_SPACE": " ",
    "CATEGORY_NOT_DIGIT": "c",
    "CATEGORY_NOT_WORD": "-",
    "CATEGORY_NOT_SPACE": "d",
}


def _member(members: Any, rng: random.Random) -> str:  # noqa: ANN401
    """Return a code point of a class, or one outside of it when the class is negated."""
    negated = str(members[0][0]) == "NEGATE"
    listed = [(str(kind), held) for kind, held in members if str(kind) != "NEGATE"]
    if negated:
        parser = "".join(chr(held) if kind == "LITERAL" else "" for kind, held in listed)
        categories = {str(held) for kind, held in listed if kind == "CATEGORY"}
        signs = "-.,; " if "CATEGORY_WORD" in categories else "ab1 -.;é"
        if "CATEGORY_NOT_WORD" in categories:
            signs = "abcé"
        if "CATEGORY_SPACE" in categories:
            signs = signs.replace(" ", "")
        return rng.choice([sign for sign in signs if sign not in parser] or ["\x01"])
    kind, held = rng.choice(listed)
    if kind == "RANGE":
        return chr(rng.randint(*held))
    return chr(held) if kind == "LITERAL" else _CATEGORIES[str(held)]


ORDINARY = "The shop was opened in Paris in 1999. It sold bread, and never cake; I think that it closed in 2010."
ROLES = (
    "response",
    "question",
    "context",
    "samples",
    "logprobs",
    "finish_reason",
    "feedback",
    "status",
    "error_type",
    "model_version",
    "provider",
    "cache_hit",
)
SCHEMA = {
    "type": ["object", "array", "string"],
    "properties": {"a": {"$ref": "#"}},
    "additionalProperties": {"$ref": "#"},
    "items": {"anyOf": [{"$ref": "#"}, {"type": ["number", "null", "boolean"]}]},
    "uniqueItems": True,
    "pattern": "^(a+)+$|(.*)*x",
}
EXPLOSIVE = {"nested": "(a+)+$", "either": "(a|aa)+b", "any": "(?:.*)*x", "late": "a[^b]*b|a", "counted": "(x+x+)+y"}
Target = Callable[[str], object]


class Agreeing(Entailment):
    """The signal `entailment` with a model that entails everything: what is left is its handling of texts."""

    def probabilities(self, pairs: list[tuple[str, str]]) -> list[float]:
        """Entail everything."""
        return [1.0] * len(pairs)


def targets() -> dict[str, Target]:
    """Return everything that reads a text which users or models wrote, by name: whatever is registered, and the rest.

    A signal, a scanner or a guard that is added to its registry is among them without being named here.
    """
    found: dict[str, Target] = {}
    for name, signal in {**SIGNALS, **configured()}.items():
        found[f"signal {name}"] = partial(_compute, signal)
        if signal.evidence is not None and name != "entailment":
            found[f"evidence {name}"] = partial(_evidence, signal)
    found |= {f"scanner {group}": partial(_find, group) for group in (*GROUPS, EMBEDDED_TYPE)}
    found |= {f"guard {name}": partial(guard, policy=policy) for name, policy in policies().items()}
    found |= {f"evaluation {kind}": partial(_evaluate, kind) for kind in KINDS if kind != "judge"}
    found |= {f"pattern {name}": partial(match_in_every_way, one) for name, one in compiled_patterns().items()}
    found["reply of a judge"] = read_judgement
    found["words of a chat"] = lambda text: [extract_text(text, speakers) for speakers in (USERS, ASSISTANTS)]
    found["value of a source"] = lambda text: (clean(text, 200_000), numbers(Column.of([text])))
    return found


def configured() -> dict[str, Signal]:
    """Return signals whose options let them do more than they do by default."""
    options: dict[str, tuple[str, dict[str, Any]]] = {
        "valid_json, fenced": ("valid_json", {"fenced": True}),
        "valid_sql, fenced": ("valid_sql", {"fenced": True}),
        "json_schema, of all": ("json_schema", {"schema": SCHEMA, "fenced": True}),
        "language, of three": ("language", {"among": ["en", "de", "fr"]}),
        **{f"valid_sql, {dialect}": ("valid_sql", {"dialect": dialect}) for dialect in ("postgres", "bigquery")},
        **{f"matches, {name}": ("matches", {"pattern": pattern}) for name, pattern in EXPLOSIVE.items()},
    }
    made = {name: (SIGNALS[kind].configure, given) for name, (kind, given) in options.items()}
    judge = replace(SIGNALS["entailment"], compute=Agreeing(model=Path("none")), evidence=Agreeing().claims)
    return {"entailment, of a model": judge} | {
        name: configure(**given) for name, (configure, given) in made.items() if configure is not None
    }


def policies() -> dict[str, Policy]:
    """Return the built-in policies, and one for each kind of rule that has settings."""
    settings: dict[str, dict[str, Any]] = {
        "pattern": {"patterns": EXPLOSIVE},
        "topic": {"topics": {"rivals": ["Acme", "a b c", "x*", "日本"]}},
        "json_schema": {"schema": SCHEMA},
        "max_length": {"limit": 10},
    }
    own = {kind: Policy(kind, (GuardRule(kind, "alert", **settings[kind]),), salt=b"salt") for kind in SETTINGS}
    return built_in() | own


def _compute(signal: Signal, text: str) -> None:
    """Put the text into all columns; and, where a signal compares two, into each beside an ordinary one."""
    everywhere = dict.fromkeys(ROLES, text)
    others = [everywhere | {role: ORDINARY} for role in ("response", "context", "question") if role in signal.needs]
    listed = everywhere | {"samples": json.dumps([text, ORDINARY])}
    for texts in [everywhere, *(others if len(others) > 1 else []), *([listed] if "samples" in signal.needs else [])]:
        records = {role: Column.of([value]) for role, value in texts.items()}
        counts = {name: Column.floats(np.ones(1)) for name in signal.needs if name not in records}
        signal.compute(records | counts)


def _evidence(signal: Signal, text: str) -> None:
    if signal.evidence is not None:
        signal.evidence(dict.fromkeys(ROLES, text))
        signal.evidence(dict.fromkeys(ROLES, text) | {"context": ORDINARY})


def match_in_every_way(pattern: re.Pattern[str], text: str) -> None:
    """Match in every way; a pattern that takes 2^n or n^3 steps shows by itself, n^2 where it sees whole texts."""
    piece = text[:PATTERN_LENGTH]
    pattern.match(piece)
    pattern.fullmatch(piece)
    pattern.findall(piece)


def _find(group: str, text: str) -> None:
    ScannedText(text).find(group)


def _evaluate(kind: str, text: str) -> None:
    values = {"regex": EXPLOSIVE["any"], "json_schema": SCHEMA, "signal": "repetition", "numeric": 7}
    case = Case(id="a", prompt="Hello", expected=ORDINARY)
    one = Expectation(kind=kind, value=values.get(kind, ORDINARY), max=0.5 if kind == "signal" else None)
    score(case, [one], [text])
