"""A signal that does what a response asks for, however bad: `odd`, registered by importing this module."""

from __future__ import annotations

import ctypes
import re

from detectors import SIGNALS, Signal
from detectors.records import Column, Records
from detectors.signals.base import each
from monitor.core.worker_child import serve
from monitor.profiling.signal_workers import make_answer


def score(text: str) -> float:
    if text == "never end":
        re.match("(a|aa)+$", "a" * 80 + "b")
    elif text == "crash":
        ctypes.string_at(0)
    elif text == "eat":
        bytearray(4 << 30)
    elif text == "fail":
        raise ValueError(text)
    return float(len(text))


def compute(records: Records) -> Column:
    return each(records["response"], score)


SIGNAL = Signal("odd", ("response",), "numeric", compute, "characters", "", "")
SIGNALS.entries["odd"] = "tests.support.odd_signal:SIGNAL"

if __name__ == "__main__":
    serve(make_answer)
