"""Output parser: checks a text against a policy and returns a verdict. Pure; never returns unredacted text."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from detectors.scan import GROUPS, PUBLIC, NameFinder, ScannedText, Span
from detectors.scan.base import EMBEDDED_TYPE, PERSON
from detectors.scan.patterns import PatternError, Patterns
from detectors.scan.topics import Topics

Action = Literal["count", "alert", "block", "redact"]
Fail = Literal["closed", "open"]
ACTIONS: tuple[Action, ...] = ("count", "alert", "redact", "block")
"""Actions on a finding, in the order of severity."""
SETTINGS = ("pattern", "topic", "json_schema", "max_length")
"""Types of rules with their own settings."""
MOST_FINDINGS = 1000
FALLBACK = "Sorry, this answer cannot be shown."

__all__ = [
    "ACTIONS",
    "GuardFinding",
    "GuardRule",
    "PatternError",
    "Policy",
    "Verdict",
    "built_in",
    "guard",
    "is_type",
    "known_types",
]


def known_types() -> tuple[str, ...]:
    """Return all types of rules: groups, the types of their findings, and those with settings."""
    of_groups = (kind for types in GROUPS.values() for kind in types)
    return tuple(sorted({*GROUPS, *SETTINGS, EMBEDDED_TYPE, *of_groups}))


def is_type(name: str) -> bool:
    """Return whether a type of rule exists; imports a scanner only to look up the types of its findings.

    Examples
    --------
    >>> is_type("pii"), is_type("credit_card"), is_type("credit")
    (True, True, False)
    """
    return name in GROUPS or name in (*SETTINGS, EMBEDDED_TYPE) or any(name in types for types in GROUPS.values())


@dataclass(frozen=True)
class GuardRule:
    """Rule of a policy: what to look for and which action to take.

    Parameters
    ----------
    type
        A group (``pii``, ``secrets``, ``profanity``, ``injection``), one of their types (``credit_card``), or
        ``embedded_instruction``, ``pattern``, ``topic``, ``json_schema``, ``max_length``.
    action
        ``count`` and ``alert`` pass the text, ``redact`` replaces the findings, ``block`` withholds the text.
    threshold
        Fewest findings for the action; fewer are counted.
    patterns, topics, schema, limit
        Settings of ``pattern`` (name to RE2 pattern), ``topic`` (name to words), ``json_schema`` and ``max_length``
        (code points).
    fallback
        Replacement of a text that this rule blocks; by default the policy's.
    fail
        Whether a failure of this rule withholds the text; by default the policy's.

    Raises
    ------
    PatternError
        If a setting is missing or invalid.
    """

    type: str
    action: Action = "count"
    threshold: int = 1
    patterns: Mapping[str, str] = field(default_factory=dict)
    topics: Mapping[str, Sequence[str]] = field(default_factory=dict)
    schema: Mapping[str, Any] | bool | None = None
    limit: int | None = None
    fallback: str | None = None
    fail: Fail | None = None

    def __post_init__(self) -> None:
        """Compile the settings, so that errors are raised when the policy is created."""
        if not is_type(self.type):
            raise PatternError(f"the type {self.type!r} does not exist; choose from {', '.join(known_types())}.")
        if self.action not in ACTIONS:
            raise PatternError(f"the action {self.action!r} does not exist; choose from {', '.join(ACTIONS)}.")
        if self.threshold < 1:
            raise PatternError(f"the threshold {self.threshold} of {self.type!r} is below 1.")
        wanted = {"pattern": self.patterns, "topic": self.topics, "json_schema": self.schema, "max_length": self.limit}
        if self.type in wanted and wanted[self.type] in (None, {}):
            names = {"pattern": "patterns", "topic": "topics", "json_schema": "schema", "max_length": "limit"}
            raise PatternError(f"a rule of type {self.type!r} needs `{names[self.type]}:`.")
        if self.action == "redact" and self.type in ("json_schema", "max_length"):
            raise PatternError(f"a rule of type {self.type!r} cannot redact; use block, alert or count.")
        _ = self.finder

    @cached_property
    def finder(self) -> Callable[[str], list[Span]] | None:
        """Return the finder of a rule with settings; None for the scanners' types."""
        if self.type == "pattern":
            return Patterns(self.patterns).scan
        if self.type == "topic":
            return Topics(self.topics).scan
        if self.type == "json_schema" and self.schema is not None:
            from detectors.scan.structure import JsonSchema

            return JsonSchema(self.schema).scan
        if self.type == "max_length":
            most = self.limit or 0
            return lambda text: [Span("max_length", most, len(text))] if len(text) > most else []
        return None


@dataclass(frozen=True)
class Policy:
    """Rules, and the behaviour when they cannot be evaluated.

    Parameters
    ----------
    name
        Name of the policy.
    rules
        If several rules cover a type, a rule for the type overrides one for its group, and a later rule an earlier one.
    fallback
        Replacement of a text that is withheld.
    fail
        ``closed`` withholds a text that could not be checked, ``open`` passes it.
    salt
        Key of the hashes of findings. Without it there are no hashes, as those of short numbers could be reversed by
        trial.
    max_bytes
        Longer texts (UTF-8) are not scanned and fail as set by ``fail``.
    max_seconds
        Time limit per text, checked between scanners if ``guard`` gets a clock; each scanner is linear in the text.
    """

    name: str
    rules: tuple[GuardRule, ...]
    fallback: str = FALLBACK
    fail: Fail = "closed"
    salt: bytes = b""
    max_bytes: int = 200_000
    max_seconds: float | None = None

    def __post_init__(self) -> None:
        """Reject a policy without rules."""
        if not self.rules:
            raise PatternError(f"the policy {self.name!r} has no rules.")

    @cached_property
    def by_type(self) -> Mapping[str, GuardRule]:
        """Return the rule of each of the scanners' types."""
        covered: dict[str, GuardRule] = {}
        for rule in self.rules:
            covered.update(dict.fromkeys(GROUPS.get(rule.type, ()) if rule.type in GROUPS else (), rule))
        for public in PUBLIC & covered.keys():
            covered[public] = GuardRule(public, "count")
        for rule in self.rules:
            if rule.type not in GROUPS and rule.finder is None:
                covered[rule.type] = rule
        return covered

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """Return the scanners that the rules use."""
        covered = self.by_type.keys()
        needed = [group for group, types in GROUPS.items() if types & covered]
        return (*needed, *([EMBEDDED_TYPE] if EMBEDDED_TYPE in covered else []))


@dataclass(frozen=True)
class GuardFinding:
    """Type and location of a finding, with a salted hash; never the text.

    Parameters
    ----------
    type
        Type of the finding; of a pattern or topic its name.
    start, end
        Half-open range of code points.
    action
        Action of the policy.
    hash
        First 16 hexadecimal digits of HMAC-SHA256 under the policy's salt; None without a salt.
    """

    type: str
    start: int
    end: int
    action: Action
    hash: str | None = None


@dataclass(frozen=True)
class Verdict:
    """Result of the output parser.

    Parameters
    ----------
    verdict
        ``allow``, ``redact``, ``block``, or ``error`` if the text could not be checked.
    policy
        Name of the policy.
    reasons
        Sentences that do not quote the text.
    findings
        In the order of the text, at most 1,000.
    redacted
        Text with typed placeholders; only for ``redact``.
    fallback
        Replacement text for ``block`` and for an ``error`` that failed closed.
    failed
        ``closed`` or ``open`` for an ``error``, else None.
    """

    verdict: Literal["allow", "redact", "block", "error"]
    policy: str
    reasons: tuple[str, ...] = ()
    findings: tuple[GuardFinding, ...] = ()
    redacted: str | None = None
    fallback: str | None = None
    failed: Fail | None = None

    @property
    def passes(self) -> bool:
        """Return whether the text, or its redacted form, may be shown."""
        return self.verdict in ("allow", "redact") or self.failed == "open"

    def answer(self, text: str) -> str:
        """Return the text that the application may show: the text, its redacted form, or the fallback."""
        if not self.passes:
            return self.fallback or FALLBACK
        return text if self.redacted is None else self.redacted


class _TooLate(Exception):  # noqa: N818
    """Raised when the time limit of a text is exceeded."""


def guard(
    text: str, policy: Policy, clock: Callable[[], float] | None = None, names: NameFinder | None = None
) -> Verdict:
    """Check a text before it is shown.

    Parameters
    ----------
    text
        An answer, or any other text.
    policy
        Rules and actions.
    clock
        Returns seconds, such as ``time.monotonic``, for ``max_seconds``; without it only ``max_bytes`` limits the work.
    names
        Finds names of people, for rules of type ``person``.

    Returns
    -------
    Verdict
        Always: internal errors become an ``error`` that fails closed or open as set by the policy.

    Limits
    ------
    Those of the scanners, which match formats, words and phrases, not meaning.

    Examples
    --------
    >>> policy = Policy("support", (GuardRule("pii", "redact"), GuardRule("secrets", "block")))
    >>> verdict = guard("Write to jane@example.com.", policy)
    >>> verdict.verdict, verdict.redacted
    ('redact', 'Write to [EMAIL_ADDRESS].')
    """
    unread = _unreadable(text, policy)
    if unread:
        return unchecked_verdict(policy, unread)
    begun = clock() if clock else 0.0

    def check_time() -> None:
        if clock and policy.max_seconds is not None and clock() - begun > policy.max_seconds:
            raise _TooLate

    pairs: list[tuple[Span, GuardRule]] = []
    place, fail = "the scanners", policy.fail
    try:
        reading = ScannedText(text)
        for group in policy.groups:
            place = group
            pairs += [(s, policy.by_type[s.type]) for s in reading.find(group, names) if s.type in policy.by_type]
            check_time()
        for rule in policy.rules:
            if rule.finder is not None:
                place, fail = rule.type, rule.fail or policy.fail
                pairs += [(span, rule) for span in rule.finder(text)]
                check_time()
    except _TooLate:
        return unchecked_verdict(policy, f"The check took longer than {policy.max_seconds:g} seconds.", fail)
    except Exception as error:  # noqa: BLE001  a guard always returns a verdict
        return unchecked_verdict(policy, f"The check of {place} failed: {type(error).__name__}.", fail)
    return _judge(text, policy, pairs)


def _unreadable(text: object, policy: Policy) -> str:
    """Return the reason why a text cannot be read, if any; an application may pass any object."""
    if not isinstance(text, str):
        return f"The text is not a string but {type(text).__name__}."
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    if size <= policy.max_bytes:
        return ""
    return f"The text has {size} bytes; the policy {policy.name!r} reads at most {policy.max_bytes}."


def unchecked_verdict(policy: Policy, reason: str, fail: Fail | None = None) -> Verdict:
    """Return the verdict on a text that could not be checked: withheld or passed, as set by the policy.

    Examples
    --------
    >>> unchecked_verdict(Policy("p", (GuardRule("pii"),), fail="open"), "The guard is busy.").reasons
    ('The guard is busy. It passes unchecked (fails open).',)
    """
    fails = fail or policy.fail
    consequence = "It is withheld (fails closed)." if fails == "closed" else "It passes unchecked (fails open)."
    fallback = policy.fallback if fails == "closed" else None
    return Verdict("error", policy.name, (f"{reason} {consequence}",), fallback=fallback, failed=fails)


def _judge(text: str, policy: Policy, pairs: list[tuple[Span, GuardRule]]) -> Verdict:
    counts: dict[int, int] = {}
    for _, rule in pairs:
        counts[id(rule)] = counts.get(id(rule), 0) + 1
    acted = [(s, r, r.action if counts[id(r)] >= r.threshold else "count") for s, r in pairs]
    acted.sort(key=lambda item: (item[0].start, item[0].end))
    findings = tuple(
        GuardFinding(span.type, span.start, span.end, action, _hash(text, span, policy.salt))
        for span, _, action in acted[:MOST_FINDINGS]
    )
    reasons = _reasons(acted)
    blocking = [rule for _, rule, action in acted if action == "block"]
    if blocking:
        fallback = next((rule.fallback for rule in blocking if rule.fallback), policy.fallback)
        return Verdict("block", policy.name, reasons, findings, fallback=fallback)
    hide = [span for span, _, action in acted if action == "redact"]
    if hide:
        return Verdict("redact", policy.name, reasons, findings, redacted=redact(text, hide))
    return Verdict("allow", policy.name, reasons, findings)


def _reasons(acted: Sequence[tuple[Span, GuardRule, Action]]) -> tuple[str, ...]:
    counted: dict[tuple[Action, str, str], int] = {}
    for span, rule, action in acted:
        if action != "count":
            key = (action, span.type, rule.type)
            counted[key] = counted.get(key, 0) + 1
    done = {"block": "blocked", "redact": "redacted", "alert": "alerted"}
    ordered = sorted(counted.items(), key=lambda item: (-ACTIONS.index(item[0][0]), item[0][1]))
    return tuple(
        f"{count} finding{'s' if count > 1 else ''} of type {kind}"
        f"{f' (rule {rule})' if rule != kind else ''}: {done[action]}."
        for (action, kind, rule), count in ordered
    )


def redact(text: str, spans: Sequence[Span]) -> str:
    """Replace findings by their type in brackets; overlapping findings are merged.

    Examples
    --------
    >>> redact("Call 555-0100 now", [Span("phone_number", 5, 13)])
    'Call [PHONE_NUMBER] now'
    """
    parts: list[str] = []
    done = 0
    for span in sorted(spans, key=lambda s: (s.start, -s.end)):
        if span.start >= done:
            parts += [text[done : span.start], f"[{span.type.upper()}]"]
        done = max(done, span.end)
    return "".join([*parts, text[done:]])


def _hash(text: str, span: Span, salt: bytes) -> str | None:
    if not salt:
        return None
    value = text[span.start : span.end].encode("utf-8", "surrogatepass")
    return hmac.new(salt, value, hashlib.sha256).hexdigest()[:16]


def needs_names(policy: Policy) -> bool:
    """Return whether a policy has a rule for names of people, which requires a model."""
    return any(rule.type == PERSON for rule in policy.rules)


def built_in() -> dict[str, Policy]:
    """Return the predefined policies.

    ``default`` blocks secrets, redacts personal data and alerts on injection and profanity; ``pii`` redacts personal
    data; ``secrets`` blocks secrets; ``injection`` blocks injection, for the *input* of a model; ``audit`` reports all
    findings and changes nothing.

    Examples
    --------
    >>> sorted(built_in())
    ['audit', 'default', 'injection', 'pii', 'secrets']
    """
    alerts = (GuardRule("injection", "alert"), GuardRule("profanity", "alert"))
    return {
        "default": Policy("default", (GuardRule("secrets", "block"), GuardRule("pii", "redact"), *alerts)),
        "pii": Policy("pii", (GuardRule("pii", "redact"),)),
        "secrets": Policy("secrets", (GuardRule("secrets", "block"),)),
        "injection": Policy("injection", (GuardRule("injection", "block"), GuardRule(EMBEDDED_TYPE, "alert"))),
        "audit": Policy("audit", tuple(GuardRule(group) for group in GROUPS)),
    }
