"""Write a run as JUnit XML for CI servers: a test case per case and per comparison.

In a run with a regression, every case with a lower score is a failure; in an inconclusive run, it is an error. In a
good run it is neither, since the decrease is noise. A report contains ids, scores and reasons, but no prompts and no
answers, because CI servers store reports and show them to many users.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from xml.etree import ElementTree as ET

from monitor.core.suite_run import CaseResult, Comparison, Result, Run, mean

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_KIND: Mapping[Result, str] = {"regressed": "failure", "below": "failure", "inconclusive": "error"}
"""Element of a case or comparison by the result of the run."""


def junit(run: Run) -> str:
    """Return the XML document."""
    seconds = f"{(run.finished_at - run.started_at).total_seconds():.3f}"
    suite = ET.Element(
        "testsuite", name=_clean(run.suite), timestamp=f"{run.started_at:%Y-%m-%dT%H:%M:%S}", time=seconds
    )
    changes = {case: f"the score fell from {before:.3f} to {after:.3f}" for case, before, after in run.fallen}
    for case in run.cases:
        _add_case(suite, run, case, changes.get(case.id))
    for one in run.comparisons:
        _add_comparison(suite, run, one)
    if run.result in ("below", "inconclusive"):
        element = _test(suite, run, "result")
        _note(element, _KIND[run.result], run.result, run.reason)
    for kind, name in (("testcase", "tests"), ("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(name, str(sum(1 for _ in suite.iter(kind))))
    top = ET.Element("testsuites")
    top.append(suite)
    ET.indent(top)
    document: bytes = ET.tostring(top, encoding="utf-8", xml_declaration=True)
    return document.decode() + "\n"


def _test(suite: ET.Element, run: Run, name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=_clean(run.suite), name=_clean(name), time="0")


def _add_case(suite: ET.Element, run: Run, case: CaseResult, change: str | None) -> None:
    element = _test(suite, run, f"case {case.id}")
    if case.failures and run.result == "inconclusive":
        _note(element, "error", case.failures[0], "the endpoint gave no answer")
    elif change is not None and run.result in _KIND:
        _note(element, _KIND[run.result], change, "")
    elif case.failures and math.isnan(case.score):
        _note(element, "skipped", case.failures[0], "")
    scores = [f"{name}: {mean(values):.3f}" for name, values in case.scores.items()]
    ET.SubElement(element, "system-out").text = _clean("\n".join(scores))


def _add_comparison(suite: ET.Element, run: Run, one: Comparison) -> None:
    element = _test(suite, run, f"comparison {one.measure}")
    pair = one.paired
    message = (
        f"{pair.before:.4f} before, {pair.after:.4f} now on {pair.cases} cases, "
        f"95 % interval of the change ±{pair.reach:.4f}, p {one.p_adjusted:.4g}"
    )
    if one.regressed and run.result == "regressed":
        _note(element, "failure", f"{one.measure} regressed", message)
    ET.SubElement(element, "system-out").text = message


def _note(element: ET.Element, kind: str, message: str, text: str) -> None:
    note = ET.SubElement(element, kind, message=_clean(message))
    if kind != "skipped":
        note.set("type", kind)
    note.text = _clean(text) or None


def _clean(text: str) -> str:
    """Replace characters that XML does not allow."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
