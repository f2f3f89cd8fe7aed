"""What a :class:`tests.support.stopwatch.Stopwatch` measures; importing this imports all of it, which takes seconds."""

from __future__ import annotations

import re
import threading
from functools import partial

from tests.support.hostile import KNOWN_SLOW, Target, match_in_every_way, targets


def _wait(_text: str) -> None:
    threading.Event().wait()


FUNCTIONS: dict[str, Target] = {
    **targets(),
    **{f"pattern {name}": partial(match_in_every_way, re.compile(one)) for name, one in KNOWN_SLOW.items()},
    "stuck": _wait,
}
