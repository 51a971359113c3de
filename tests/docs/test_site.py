# SPDX-License-Identifier: MIT
"""The documentation site builds without a warning, and says all that there is to say."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys

import pytest

import headrace
from tests.docs.pages import ROOT

REFERENCE = ROOT / "docs" / "reference"
CHECK_ID = re.compile(r"headrace\.[EW]\d{3}")


def first_cells(page: str) -> list[str]:
    lines = (REFERENCE / page).read_text().splitlines()
    return [line.split("|")[1].strip().strip("`") for line in lines if line.startswith("|")]


@pytest.mark.timeout(300)
def test_the_site_builds_without_warnings() -> None:
    # without Python's development mode, which shows what the builder's parts tell one another
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONDEVMODE"}
    done = subprocess.run(
        [sys.executable, "tools/docs.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    # A page for each reason and each check.
    reference = ROOT / "build" / "docs" / "source" / "reference"
    assert {path.stem for path in (reference / "reasons").glob("*.md")} == set(
        first_cells("reasons.md")
    ) - {"reason", "---"}
    assert {path.stem for path in (reference / "checks").glob("*.md")} == {
        cell for cell in first_cells("checks.md") if CHECK_ID.fullmatch(cell)
    }


def test_every_system_check_has_its_row() -> None:
    used: set[str] = set()
    for path in (ROOT / "pysrc" / "headrace").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                used.update(CHECK_ID.findall(node.value))
            # checks.py has `_warning(number, ...)`
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_warning":
                number = node.args[0]
                assert isinstance(number, ast.Constant)
                used.add(f"headrace.W{number.value:03}")
    documented = [cell for cell in first_cells("checks.md") if CHECK_ID.fullmatch(cell)]
    assert sorted(used) == sorted(documented)


def test_every_reason_has_its_row() -> None:
    header = (ROOT / "ext" / "core" / "base/status.h").read_text()
    words = re.findall(r'X\(\d+, \w+, "(\w+)"', header)
    assert len(words) > 50
    documented = first_cells("reasons.md")[2:]
    assert sorted(documented) == sorted(set(words) - {"ok", "absent"})


def test_every_exception_is_with_its_reasons() -> None:
    page = (REFERENCE / "reasons.md").read_text()
    errors = [
        name
        for name in headrace.__all__
        if isinstance(kind := getattr(headrace, name), type)
        and issubclass(kind, Exception)
        and name != "InvalidTokenError"
    ]
    assert [name for name in errors if f"`{name}`" not in page] == []


def test_every_public_name_is_in_the_reference() -> None:
    """The reference is made from the sources; a class without a docstring says nothing."""
    tree = ast.parse((ROOT / "pysrc" / "headrace" / "_core.pyi").read_text())
    silent = [
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        and node.name in headrace.__all__
        and not ast.get_docstring(node)
    ]
    assert silent == []


def test_every_settings_key_is_described() -> None:
    from headrace.django import conf

    page = (REFERENCE / "settings.md").read_text()
    assert [key for key in conf.KEYS if f"`{key}: " not in page] == []
