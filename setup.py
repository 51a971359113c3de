# SPDX-License-Identifier: MIT
"""Builds penstock._core: finds the libraries with pkg-config, lists the sources."""

from __future__ import annotations

import glob
import os
import shlex
import subprocess
import sys

from setuptools import Extension, setup

DEBIAN_PACKAGE = {"openssl": "libssl-dev", "hiredis": "libhiredis-dev", "libjwt": "libjwt-dev"}


def pkg_config(library: str, *options: str) -> list[str]:
    """Flags of `library`; raises FileNotFoundError (no pkg-config) or CalledProcessError."""
    out = subprocess.run(
        ["pkg-config", *options, library], check=True, capture_output=True, text=True
    )
    return shlex.split(out.stdout)


def find(library: str) -> tuple[list[str], list[str]] | None:
    """Compiler and linker flags of `library`, None where it is not installed."""
    try:
        return pkg_config(library, "--cflags"), pkg_config(library, "--libs")
    except FileNotFoundError:
        sys.exit("penstock needs pkg-config to find its libraries: apt-get install pkg-config")
    except subprocess.CalledProcessError:
        return None


def flags() -> tuple[list[str], list[str], list[str]]:
    """Compiler flags, linker flags, and the sources that are left out."""
    compile_args: list[str] = []
    link_args: list[str] = []
    for library in ("openssl", "hiredis"):
        found = find(library)
        if found is None:
            sys.exit(
                f"penstock needs the development files of {library}: "
                f"apt-get install {DEBIAN_PACKAGE[library]}"
            )
        compile_args += found[0]
        link_args += found[1]
    libjwt = find("libjwt")
    if libjwt is None:
        print('penstock: built without the optional engine "libjwt" (libjwt-dev is not installed)')
        return compile_args, link_args, ["ext/core/signature_libjwt.c"]
    return [*compile_args, "-DPS_HAVE_LIBJWT", *libjwt[0]], [*link_args, *libjwt[1]], []


compile_args, link_args, left_out = flags()
if os.environ.get("PENSTOCK_WERROR") == "1":
    compile_args += ["-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes"]
    compile_args += ["-Wmissing-prototypes", "-Wvla", "-Werror"]

setup(
    ext_modules=[
        Extension(
            "penstock._core",
            sources=sorted(
                set(glob.glob("ext/core/*.c") + glob.glob("ext/binding/*.c")) - set(left_out)
            ),
            depends=glob.glob("ext/core/*.h") + glob.glob("ext/binding/*.h"),
            extra_compile_args=[
                "-std=c11",
                "-D_GNU_SOURCE",
                "-O2",
                "-fvisibility=hidden",
                *compile_args,
            ],
            extra_link_args=link_args,
        )
    ]
)
