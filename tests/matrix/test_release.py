# SPDX-License-Identifier: MIT
"""What is published: the same bytes from the same commit, and it says what is in it.

`make matrix` runs this; it builds a wheel with AWS-LC twice, in two folders.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator


def build(root: Path, out: Path) -> str:
    python = os.environ.get("HEADRACE_RELEASE_PYTHON", sys.executable)
    done = subprocess.run(
        [sys.executable, "tools/release.py", "--out", str(out), "--python", python],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def first(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("first")
    (out / "table").write_text(build(root, out))
    return out


@pytest.fixture(scope="module")
def wheel(first: Path) -> zipfile.ZipFile:
    [path] = first.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.mark.timeout(3000)
def test_two_builds_are_the_same_bytes(first: Path, root: Path, tmp_path: Path) -> None:
    build(root, tmp_path)
    names = {path.name for path in first.iterdir()} - {"table"}
    assert names == {path.name for path in tmp_path.iterdir()}
    assert {name.rpartition(".")[2] for name in names} == {"whl", "gz", "debug"}
    for name in sorted(names):
        assert (first / name).read_bytes() == (tmp_path / name).read_bytes(), name


@pytest.mark.timeout(3000)
def test_the_table_says_what_a_wheel_is(first: Path, root: Path) -> None:
    row = (first / "table").read_text().splitlines()[-1]
    assert re.search(r"\| manylinux_\d+_\d+_\w+ \|", row)
    assert row.endswith("| PyInit__core |")
    # The README claims this tag, and no other.
    readme = (root / "README.md").read_text()
    assert set(re.findall(r"manylinux_\w+", readme)) == {row.split("|")[3].strip()}
    # TLS is the bundled OpenSSL's, tokens are AWS-LC's; nothing else of the system but its C.
    libraries = row.split("|")[4].split()
    system = [name for name in libraries if not re.search(r"-[0-9a-f]{8}\.", name)]
    assert set(system) <= {"libc.so.6", "libm.so.6", "libpthread.so.0", "ld-linux-x86-64.so.2"}


def test_the_bill_of_materials_is_valid(wheel: zipfile.ZipFile) -> None:
    names = [name for name in wheel.namelist() if ".dist-info/sboms/" in name]
    assert any(name.endswith("/headrace.cdx.json") for name in names)
    for name in names:
        text = wheel.read(name).decode()
        version = SchemaVersion.from_version(json.loads(text)["specVersion"])
        assert JsonStrictValidator(version).validate_str(text) is None, name


def test_all_that_is_bundled_is_listed_with_its_licence(wheel: zipfile.ZipFile) -> None:
    libraries = [Path(name).name for name in wheel.namelist() if "headrace.libs/" in name]
    assert libraries
    [listed] = [name for name in wheel.namelist() if name.endswith("/third-party/LIST.txt")]
    text = wheel.read(listed).decode()
    assert "AWS-LC" in text
    assert [name for name in libraries if name not in text] == []
    folder = listed.rpartition("/")[0]
    for licence in re.findall(r"([\w.-]+\.txt)\)", text):
        assert len(wheel.read(f"{folder}/{licence}")) > 200
    [bill] = [name for name in wheel.namelist() if name.endswith("/headrace.cdx.json")]
    named = " ".join(entry["name"] for entry in json.loads(wheel.read(bill))["components"])
    assert [name for name in libraries if name not in named] == []


def test_no_path_of_the_builder_is_in_it(wheel: zipfile.ZipFile, root: Path) -> None:
    for name in wheel.namelist():
        assert str(root).encode() not in wheel.read(name), name
