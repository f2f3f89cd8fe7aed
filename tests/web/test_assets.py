"""The vendored scripts are unchanged files of their packages, and every page refers to existing files."""

from __future__ import annotations

import hashlib
import re

from monitor.web.assets import STATIC
from tests.web.conftest import Serve
from tests.web.seed import Seed

ROW = re.compile(r"^\| (\S+) \| (\S+) \| ([\d.]+) \| \S+ \| \S+, \[(\S+)\]\(\S+\) \| ([0-9a-f]{64}) \|$", re.MULTILINE)


def test_vendored_files_are_unchanged_and_have_their_license() -> None:
    folder = STATIC / "vendor"
    rows = ROW.findall((folder / "README.md").read_text(encoding="utf-8"))
    assert {row[0] for row in rows} == {path.name for path in folder.iterdir() if path.suffix in (".js", ".css")}
    for name, _package, version, license_name, digest in rows:
        content = (folder / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest, name
        assert "WARRANTIES" in (folder / license_name).read_text(encoding="utf-8")
        assert name.endswith(".css") or version.encode() in content


def test_every_file_of_a_page_is_served(seed: Seed, serve: Serve) -> None:
    client = serve()
    page = client.get("/").text
    addresses = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    assert len(addresses) == 5
    for address in addresses:
        answer = client.get(address)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(("text/javascript", "text/css"))
        assert "immutable" in answer.headers["cache-control"]
    assert client.get("/static/vendor/README.md").status_code == 404
