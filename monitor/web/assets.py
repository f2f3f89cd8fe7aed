"""The files of the web pages: stylesheet and scripts, with a version in their address, so that browsers keep them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

STATIC = Path(__file__).parent / "static"
MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript"}
PREFIX = "/static/"
LONG = "public, max-age=31536000, immutable"
"""Caching of an address with the version of the file: the content of such an address never changes."""


class Assets:
    """The stylesheets and scripts, read once; other files of the folder, such as licences, are not served."""

    def __init__(self) -> None:
        paths = [path for path in STATIC.rglob("*") if path.suffix in MEDIA_TYPES]
        self._files = {path.relative_to(STATIC).as_posix(): path.read_bytes() for path in sorted(paths)}
        self._versions = {name: hashlib.sha256(content).hexdigest()[:16] for name, content in self._files.items()}

    def address(self, name: str) -> str:
        """Return the address of a file with the version of its content."""
        return f"{PREFIX}{name}?v={self._versions[name]}"

    def route(self) -> Route:
        """Return the route of all files."""
        return Route(f"{PREFIX}{{name:path}}", self.serve)

    async def serve(self, request: Request) -> Response:
        """Return a file; only the address with its version may be kept, as another version may run elsewhere."""
        name = request.path_params["name"]
        if name not in self._files:
            return Response("There is no such file.\n", 404, media_type="text/plain")
        is_current = request.query_params.get("v") == self._versions[name]
        headers = {"cache-control": LONG} if is_current else None
        return Response(self._files[name], media_type=MEDIA_TYPES[Path(name).suffix], headers=headers)
