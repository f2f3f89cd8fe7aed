"""A run as JUnit XML, which every CI server reads: one test case a case, and one for each comparison.

Only what makes the run fail is a failure: a case that got worse by chance is no finding, so a run that ended well
shows no red. What a single case scored stands in its output.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from monitor.evals.result import CaseResult, Comparison, Run, mean

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
EXCERPT = 500


def junit(run: Run) -> str:
    """Return the document."""
    seconds = f"{(run.finished_at - run.started_at).total_seconds():.3f}"
    suite = ET.Element(
        "testsuite", name=_clean(run.suite), timestamp=f"{run.started_at:%Y-%m-%dT%H:%M:%S}", time=seconds
    )
    for case in run.cases:
        _add_case(suite, run, case)
    for one in run.comparisons:
        _add_comparison(suite, run, one)
    if run.result in ("below", "inconclusive"):
        element = _test(suite, run, "result")
        _note(element, "failure" if run.result == "below" else "error", run.result, run.reason)
    for kind, name in (("testcase", "tests"), ("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(name, str(sum(1 for _ in suite.iter(kind))))
    top = ET.Element("testsuites")
    top.append(suite)
    ET.indent(top)
    document: bytes = ET.tostring(top, encoding="utf-8", xml_declaration=True)
    return document.decode() + "\n"


def _test(suite: ET.Element, run: Run, name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=_clean(run.suite), name=_clean(name), time="0")


def _add_case(suite: ET.Element, run: Run, case: CaseResult) -> None:
    element = _test(suite, run, f"case {case.id}")
    if case.failures:
        known = any(text is not None for text in case.answers)
        if run.result == "inconclusive":
            _note(element, "error", case.failures[0], "the endpoint gave no answer")
        elif not known:
            _note(element, "skipped", case.failures[0], "")
    scores = [f"{name}: {mean(values):.3f}" for name, values in case.scores.items()]
    answers = [f"answer: {text[:EXCERPT]}" for text in case.answers if text is not None]
    ET.SubElement(element, "system-out").text = _clean("\n".join(scores + answers))


def _add_comparison(suite: ET.Element, run: Run, one: Comparison) -> None:
    element = _test(suite, run, f"comparison {one.measure}")
    pair = one.paired
    said = (
        f"{pair.before:.4f} before, {pair.after:.4f} now on {pair.cases} cases, "
        f"95 % interval of the change ±{pair.reach:.4f}, p {one.p_adjusted:.4g}"
    )
    if one.regressed and run.result == "regressed":
        falls = "\n".join(f"{case}: {before:.3f} -> {after:.3f}" for case, before, after in run.fallen)
        _note(element, "failure", f"{one.measure} regressed", f"{said}\n{falls}")
    ET.SubElement(element, "system-out").text = said


def _note(element: ET.Element, kind: str, message: str, text: str) -> None:
    note = ET.SubElement(element, kind, message=_clean(message))
    if kind != "skipped":
        note.set("type", kind)
    note.text = _clean(text) or None


def _clean(text: str) -> str:
    """Replace what XML cannot hold."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
