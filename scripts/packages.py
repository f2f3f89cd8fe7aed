"""What a lock file installs: names, versions, hashes and licences of packages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.check_locks import PINNED

ROOT = Path(__file__).resolve().parents[1]
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
LONGEST_NAME = 60
SPDX = {
    "2-clause BSD": "BSD-2-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "BSD 3-Clause License": "BSD-3-Clause",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""SPDX expressions of classifiers and names that mean exactly one licence; `BSD License` may be one of several."""


@dataclass(frozen=True)
class Package:
    """A locked package.

    Parameters
    ----------
    marker
        Environment in which this version is installed; empty for all.
    licence, is_spdx
        Its licence, and whether that is an SPDX expression; empty if its metadata name none, or it is not installed here.
    requires
        Names of the packages that it needs, as far as it is installed here.
    """

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]
    licence: str = ""
    is_spdx: bool = False
    requires: tuple[str, ...] = field(default=())


def read_packages(lock: Path) -> list[Package]:
    """Return the packages of a lock file, in its order."""
    packages: list[Package] = []
    for entry in re.split(r"\n(?=\S)", lock.read_text("utf-8")):
        found = PINNED.match(entry)
        if found:
            name, hashes = canonicalize_name(found["name"]), tuple(HASH.findall(entry))
            licence, is_spdx, requires = describe(name)
            packages.append(Package(name, found["version"], found["marker"] or "", hashes, licence, is_spdx, requires))
    return packages


def describe(name: str) -> tuple[str, bool, tuple[str, ...]]:
    """Return licence, whether that is an SPDX expression, and requirements of an installed package."""
    try:
        found = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return "", False, ()
    needed = {canonicalize_name(Requirement(line).name) for line in found.get_all("Requires-Dist") or []}
    for text in list_licences(found):
        try:
            return canonicalize_license_expression(text), True, tuple(sorted(needed))
        except InvalidLicenseExpression:
            continue
    texts = [text for text in list_licences(found) if 0 < len(text) <= LONGEST_NAME]
    return (texts[0] if texts else ""), False, tuple(sorted(needed))


def list_licences(found: metadata.PackageMetadata) -> Iterator[str]:
    """Yield what the metadata of a package say about its licence, the most exact first."""
    names = [line.rpartition(" :: ")[2] for line in found.get_all("Classifier") or [] if line.startswith("License ::")]
    stated = [text.strip().splitlines()[0] for key in ("License-Expression", "License") if (text := found.get(key))]
    for text in [*stated, *(names if len(names) == 1 else [" and ".join(names)])]:
        yield SPDX.get(text, text)
