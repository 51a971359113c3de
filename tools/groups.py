# SPDX-License-Identifier: MIT
"""Prints the requirements of one dependency group of pyproject.toml, one a line.

The groups that a group includes are printed in its place. Debian 12's pip does not know
`--group`; it installs what this prints.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

Groups = dict[str, list[str | dict[str, str]]]

ROOT = Path(__file__).resolve().parents[1]


def requirements(groups: Groups, name: str, within: tuple[str, ...] = ()) -> list[str]:
    """The requirements of group `name`, sorted, with those of the groups that it includes.
    ValueError for a group that includes itself, KeyError for one that is not there.
    """
    if name in within:
        raise ValueError(f"dependency group {name!r} includes itself")
    found: set[str] = set()
    for entry in groups[name]:
        if isinstance(entry, str):
            found.add(entry)
        else:
            found.update(requirements(groups, entry["include-group"], (*within, name)))
    return sorted(found)


def main() -> None:
    """Command line: the name of a group (plus setuptools, which every build needs)."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    names = requirements(project["dependency-groups"], sys.argv[1])
    print("\n".join(sorted({*names, *project["build-system"]["requires"]})))


if __name__ == "__main__":
    main()
