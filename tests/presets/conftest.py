"""Databases of tools that log, and what a reader finds in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from monitor.config.source import Source
from monitor.sources.base import Reader
from monitor.sources.connect import connect
from tests.support.logs.base import START

Opener = Callable[..., Reader]


@pytest.fixture
def engine(store_url: str) -> Iterator[sa.Engine]:
    """Lend an engine on an empty database of each kind."""
    made = sa.create_engine(store_url)
    with made.connect():
        yield made
    made.dispose()


@pytest.fixture
def opened(engine: sa.Engine) -> Iterator[Opener]:
    """Open readers of a preset over that database."""
    readers: list[Reader] = []

    def open_reader(preset: str, **settings: Any) -> Reader:
        url = engine.url.render_as_string(hide_password=False)
        readers.append(connect(Source.model_validate({"url": url, "preset": preset, "timeout": "30s", **settings})))
        return readers[-1]

    yield open_reader
    for reader in readers:
        reader.close()


def read(reader: Reader, columns: list[str], days: float = 1.0) -> dict[str, list[Any]]:
    """Return the values of a stretch, None for what is missing."""
    pages = list(reader.read(START, START + timedelta(days=days), columns))
    return {
        name: [
            None if gone else value
            for page in pages
            for value, gone in zip(page[name].values, page[name].missing, strict=True)
        ]
        for name in ["timestamp", *columns]
    }
