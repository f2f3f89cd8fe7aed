"""A worker that does what it is asked to, however bad."""

from __future__ import annotations

import ctypes
import json
import os
import re
import time
from pathlib import Path

from monitor.core.worker_child import Answer, serve


def make_answer(setup: bytes) -> Answer:
    def answer(body: bytes, _ends: float) -> bytes:
        if body == b"environment":
            return json.dumps([dict(os.environ), sorted(one.name for one in Path("/proc/self/fd").iterdir())]).encode()
        if body == b"never end":
            re.match("(a|aa)+$", "a" * 80 + "b")
        elif body == b"sleep":
            time.sleep(60)
        elif body == b"crash":
            ctypes.string_at(0)
        elif body == b"eat":
            return str(len(bytearray(4 << 30))).encode()
        return setup + body

    return answer


if __name__ == "__main__":
    serve(make_answer)
