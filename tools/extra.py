# SPDX-License-Identifier: MIT
"""Prints the requirements of one extra of pyproject.toml, one a line.

What an extra takes from others, as `headrace[a,b]`, is printed in its place, so that
pip installs what an extra names without building the package itself.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path


def requirements(extras: dict[str, list[str]], name: str) -> list[str]:
    """The requirements of extra `name`, sorted, its own package's extras replaced."""
    found: set[str] = set()
    for requirement in extras[name]:
        own = re.fullmatch(r"headrace\[([a-z,-]+)\]", requirement)
        if own:
            for other in own[1].split(","):
                found.update(requirements(extras, other))
        else:
            found.add(requirement)
    return sorted(found)


def main() -> None:
    """Command line: the name of an extra (plus setuptools, which every build needs)."""
    root = Path(__file__).resolve().parent.parent
    project = tomllib.loads((root / "pyproject.toml").read_text())
    names = requirements(project["project"]["optional-dependencies"], sys.argv[1])
    print("\n".join(sorted({*names, *project["build-system"]["requires"]})))


if __name__ == "__main__":
    main()
