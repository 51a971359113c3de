# SPDX-License-Identifier: MIT
"""A build that lacks something says what, and which Debian package brings it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REQUIRED = {"openssl": "libssl-dev", "hiredis": "libhiredis-dev"}


@pytest.fixture
def tree(root: Path, tmp_path: Path) -> Path:
    """A copy of what the build needs."""
    copy = tmp_path / "tree"
    copy.mkdir()
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, copy)
    for name in ("ext", "pysrc"):
        shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns("*.egg-info"))
    return copy


def descriptions(folder: Path, *libraries: str) -> Path:
    """A pkg-config folder that knows these libraries only."""
    folder.mkdir()
    for name in libraries:
        (folder / f"{name}.pc").write_text(
            f"Name: {name}\nDescription: x\nVersion: 9\nLibs: -l{name}\n"
        )
    return folder


def build(tree: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`setup.py build_ext` with a compiler that does nothing but succeed."""
    return subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--build-temp", "t", "--build-lib", "l"],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        env={**os.environ, "CC": "true", "PYTHONDEVMODE": "0", **environment},
    )


@pytest.mark.parametrize("absent", REQUIRED)
def test_a_missing_library_is_named_with_its_package(
    tree: Path, tmp_path: Path, absent: str
) -> None:
    known = descriptions(tmp_path / "pc", *(REQUIRED.keys() - {absent}))
    done = build(tree, PKG_CONFIG_LIBDIR=str(known))
    assert done.returncode != 0
    assert REQUIRED[absent] in done.stderr
    assert "Traceback" not in done.stderr
    assert not any(package in done.stderr for lib, package in REQUIRED.items() if lib != absent)


def test_all_that_is_missing_is_named_at_once(tree: Path, tmp_path: Path) -> None:
    done = build(tree, PKG_CONFIG_LIBDIR=str(descriptions(tmp_path / "pc")))
    assert done.returncode != 0
    assert all(package in done.stderr for package in REQUIRED.values())


@pytest.mark.parametrize(
    ("here", "named"),
    [
        ('sys.platform = "darwin"', "darwin"),
        ('sys.platform = "win32"', "win32"),
        ('sysconfig.get_config_var = lambda name: "x86_64-linux-musl"', "musl"),
    ],
)
def test_an_unsupported_platform_gets_the_line_to_use(tree: Path, here: str, named: str) -> None:
    """The command starts on the real platform, and setup.py is told of another one."""
    start = "sys.argv = ['setup.py', 'build_ext', '--build-temp', 't', '--build-lib', 'l']"
    text = (tree / "setup.py").read_text()
    assert "\nHERE = " in text
    (tree / "setup.py").write_text(
        text.replace("\ncompile_args, link_args = options()", f"\n{here}\n{start}\n"
                     "compile_args, link_args = options()")
    )  # fmt: skip
    done = build(tree)
    assert done.returncode != 0
    assert named in done.stderr
    assert 'headrace; sys_platform == "linux" and platform_machine in "x86_64 aarch64"' in (
        done.stderr
    )
    assert "Traceback" not in done.stderr


def test_a_missing_pkg_config_is_named(tree: Path) -> None:
    done = build(tree, PKG_CONFIG="/nowhere/pkg-config")
    assert done.returncode != 0
    assert "pkg-config" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_libjwt_the_build_goes_on_and_says_so(tree: Path, tmp_path: Path) -> None:
    done = build(tree, PKG_CONFIG_LIBDIR=str(descriptions(tmp_path / "pc", *REQUIRED)))
    said = done.stdout + done.stderr
    assert "libjwt-dev" in said
    assert "token/signature_openssl.c" in said
    assert "token/signature_libjwt.c" not in said
    assert "HR_HAVE_LIBJWT" not in said


def test_with_libjwt_its_engine_is_built(tree: Path, tmp_path: Path) -> None:
    known = descriptions(tmp_path / "pc", *REQUIRED, "libjwt")
    done = build(tree, PKG_CONFIG_LIBDIR=str(known))
    assert "HR_HAVE_LIBJWT" in done.stdout + done.stderr
    assert "libjwt-dev" not in done.stdout + done.stderr


@pytest.mark.parametrize(("value", "expected"), [("1", True), ("0", False)])
def test_warnings_are_errors_only_when_asked(
    tree: Path, tmp_path: Path, value: str, expected: bool
) -> None:
    known = descriptions(tmp_path / "pc", *REQUIRED)
    done = build(tree, PKG_CONFIG_LIBDIR=str(known), HEADRACE_WERROR=value)
    assert ("-Werror" in (done.stdout + done.stderr).split()) == expected


def test_an_unknown_crypto_library_is_refused(tree: Path, tmp_path: Path) -> None:
    known = descriptions(tmp_path / "pc", *REQUIRED)
    done = build(tree, PKG_CONFIG_LIBDIR=str(known), HEADRACE_CRYPTO="boringssl")
    assert done.returncode != 0
    assert "aws-lc, not boringssl" in done.stderr
    assert "Traceback" not in done.stderr


def test_another_archive_than_the_pinned_one_is_refused(
    tree: Path, tmp_path: Path, root: Path
) -> None:
    shutil.copytree(root / "tools", tree / "tools")
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "cmake").symlink_to("/bin/true")
    archive = tmp_path / "sources.tar.gz"
    archive.write_bytes(b"something else")
    done = build(
        tree,
        PKG_CONFIG_LIBDIR=str(descriptions(tmp_path / "pc", *REQUIRED)),
        PATH=f"{programs}:{os.environ['PATH']}",
        HEADRACE_CRYPTO="aws-lc",
        HEADRACE_AWS_LC_SDIST=str(archive),
    )
    assert done.returncode != 0
    assert "SHA-256" in done.stderr
    assert "Traceback" not in done.stderr
