# SPDX-License-Identifier: MIT
"""Extras, dependency groups, and the bounds of both."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import groups  # noqa: E402 - tools are no package

TEXT = (ROOT / "pyproject.toml").read_text()
PROJECT: dict[str, Any] = tomllib.loads(TEXT)
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
GROUPS: groups.Groups = PROJECT["dependency-groups"]


def without_reason(text: str) -> list[str]:
    """Requirements that exclude future versions and do not say why: the reason is a comment on
    the line, or, for versions that are pinned with `==`, one above the list.
    """
    project = tomllib.loads(text)
    lists = {**project["project"]["optional-dependencies"], **project["dependency-groups"]}
    found = []
    for name, entries in lists.items():
        explained = re.search(rf"^#.*\n{name} = \[", text, re.M) is not None
        for entry in entries:
            if not isinstance(entry, str) or not re.search(r"<|==|~=", entry.partition(";")[0]):
                continue
            on_its_line = re.search(rf'"{re.escape(entry)}"[^\n"]*#', text) is not None
            if not on_its_line and not (explained and "==" in entry):
                found.append(entry)
    return found


def test_upper_bounds_have_a_reason() -> None:
    assert without_reason(TEXT) == []


def test_an_upper_bound_without_a_reason_is_found() -> None:
    text = """
[project.optional-dependencies]
one = ["a<2", "b>=1"]
two = [
    "c~=1.0", # d needs it
]
[dependency-groups]
three = ["d==1; python_version < '3.13'", { include-group = "four" }]
# for comparison
four = ["e==1", "f<2"]
"""
    assert without_reason(text) == ["a<2", "d==1; python_version < '3.13'", "f<2"]


def test_the_extras_are_the_users() -> None:
    assert set(EXTRAS) == {"django", "drf", "ninja", "celery", "consume", "prometheus", "health"}


def test_each_extra_is_mirrored_by_the_group_of_its_name() -> None:
    assert {name: GROUPS[name] for name in EXTRAS} == EXTRAS
    everything = {requirement for extra in EXTRAS.values() for requirement in extra}
    assert set(groups.requirements(GROUPS, "extras")) == everything


def test_no_group_asks_the_index_for_this_package() -> None:
    named = {requirement for name in GROUPS for requirement in groups.requirements(GROUPS, name)}
    assert [requirement for requirement in named if re.match(r"headrace\b", requirement)] == []


def test_included_groups_are_resolved() -> None:
    known: groups.Groups = {"a": ["x", {"include-group": "b"}], "b": ["y", "x"]}
    assert groups.requirements(known, "a") == ["x", "y"]
    with pytest.raises(ValueError, match="'a' includes itself"):
        groups.requirements({"a": [{"include-group": "b"}], "b": [{"include-group": "a"}]}, "a")
    with pytest.raises(KeyError):
        groups.requirements({"a": [{"include-group": "c"}]}, "a")


def test_every_group_that_the_bootstrap_offers_is_there() -> None:
    usage = re.search(r"usage: tools/bootstrap ([\w|-]+)", (ROOT / "tools/bootstrap").read_text())
    assert usage is not None
    offered = set(usage[1].split("|")) - {"aarch64"}  # Debian packages, and the group `demo`
    assert offered - set(GROUPS) == set()
    for name in offered:
        done = subprocess.run(
            [sys.executable, str(ROOT / "tools" / "groups.py"), name],
            capture_output=True,
            text=True,
            check=True,
        )
        built = PROJECT["build-system"]["requires"]
        expected = sorted({*groups.requirements(GROUPS, name), *built})
        assert done.stdout.splitlines() == expected
