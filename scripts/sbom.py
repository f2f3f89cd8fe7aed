"""Write the software bill of materials of the container and of `pip install -r requirements.lock`, in CycloneDX 1.6.

`--licenses` prints a table of licences instead. SOURCE_DATE_EPOCH makes the time, and so the file, reproducible.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tomllib
import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.packages import ROOT, Package, read_packages

VENDORED = ROOT / "monitor" / "web" / "static" / "vendor" / "README.md"
ROW = re.compile(
    r"^\| \S+ \| (?P<name>[\w.-]+) \| (?P<version>[\d.]+) \| \S+ \| (?P<licence>[\w.-]+),.*\| (?P<hash>\w{64}) \|$",
    re.M,
)
NOT_KNOWN = "not known"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the bill of materials, or the licences; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--licenses", action="store_true", help="print a table of licences")
    options = parser.parse_args(arguments)
    packages = read_packages(ROOT / "requirements.lock")
    if options.licenses:
        print_licenses(packages)
        return 0
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    made_at = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", datetime.now(UTC).timestamp())), UTC)
    print(json.dumps(make_bom(project, packages, made_at), indent=2))
    return 0


def print_licenses(packages: Sequence[Package]) -> None:
    """Print the licence of every package, and how often each occurs."""
    vendored = [(row["name"], row["version"], row["licence"]) for row in ROW.finditer(VENDORED.read_text("utf-8"))]
    rows = [(one.name, one.version, one.licence or NOT_KNOWN) for one in packages] + sorted(set(vendored))
    for name, version, licence in rows:
        print(f"{name:40} {version:20} {licence}")
    print()
    for licence, count in Counter(licence for _, _, licence in rows).most_common():
        print(f"{count:5} {licence}")
    unknown = [name for name, _, licence in rows if licence == NOT_KNOWN]
    if unknown:
        print(f"\nThe metadata of {', '.join(unknown)} name no licence, or it is not installed here.", file=sys.stderr)


def make_bom(project: dict[str, Any], packages: Sequence[Package], made_at: datetime) -> dict[str, Any]:
    """Return the bill of materials; its serial number is a hash of its content."""
    root = f"pkg:pypi/{project['name']}@{project['version']}"
    components = [describe_component(one) for one in packages]
    vendored = [describe_vendored(row) for row in ROW.finditer(VENDORED.read_text("utf-8"))]
    direct = list_direct(project)
    content = json.dumps([root, components, vendored])
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, content)}",
        "version": 1,
        "metadata": {
            "timestamp": made_at.isoformat(),
            "component": {
                "type": "application",
                "bom-ref": root,
                "name": project["name"],
                "version": project["version"],
                "description": project["description"],
                "licenses": [{"expression": project["license"]}],
                "purl": root,
            },
        },
        "components": [*components, *{one["bom-ref"]: one for one in vendored}.values()],
        "dependencies": [
            {"ref": root, "dependsOn": sorted(refer(one) for one in packages if one.name in direct)},
            *({"ref": refer(one), "dependsOn": list_needed(one, packages)} for one in packages),
        ],
    }


def describe_component(package: Package) -> dict[str, Any]:
    """Return the component of a locked package; its hashes are those of all files that the index has for it."""
    licence = {"expression": package.licence} if package.is_spdx else {"license": {"name": package.licence}}
    marker = [{"name": "driftd:python:marker", "value": package.marker}] if package.marker else []
    files = [{"name": "driftd:python:sha256", "value": value} for value in package.hashes]
    return {
        "type": "library",
        "bom-ref": refer(package),
        "name": package.name,
        "version": package.version,
        **({"licenses": [licence]} if package.licence else {}),
        "purl": refer(package),
        "properties": [*marker, *files],
    }


def describe_vendored(row: re.Match[str]) -> dict[str, Any]:
    """Return the component of a script in the wheel."""
    reference = f"pkg:npm/{row['name']}@{row['version']}"
    return {
        "type": "library",
        "bom-ref": reference,
        "name": row["name"],
        "version": row["version"],
        "hashes": [{"alg": "SHA-256", "content": row["hash"]}],
        "licenses": [{"expression": row["licence"]}],
        "purl": reference,
    }


def list_direct(project: dict[str, Any]) -> set[str]:
    """Return the names of the packages that pyproject.toml names, extras included."""
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    return {canonicalize_name(Requirement(line).name) for line in [*project["dependencies"], *extras]}


def list_needed(package: Package, packages: Sequence[Package]) -> list[str]:
    """Return the locked packages that a package needs."""
    return sorted(refer(one) for one in packages if one.name in package.requires and one.name != package.name)


def refer(package: Package) -> str:
    """Return the package URL, which is its reference, too."""
    return f"pkg:pypi/{package.name}@{package.version}"


if __name__ == "__main__":
    sys.exit(main())
