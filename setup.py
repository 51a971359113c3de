# SPDX-License-Identifier: MIT
"""Builds headrace._core: finds the libraries with pkg-config, lists the sources.

Environment: HEADRACE_WERROR=1 turns on our warnings and makes them errors;
HEADRACE_SANITIZE=address,undefined (any list of gcc's) instruments the extension;
HEADRACE_CRYPTO=aws-lc verifies with a static AWS-LC (tools/aws_lc.py) in place of the system's
OpenSSL, which TLS goes on using; HEADRACE_AWS_LC_BUILD is the folder that AWS-LC is kept in from
one build to the next.
"""

from __future__ import annotations

import glob
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import PlatformError

HERE = Path(__file__).resolve().parent

DEBIAN_PACKAGE = {
    "openssl": "libssl-dev",
    "hiredis": "libhiredis-dev",
    "libjwt": "libjwt-dev",
}
REQUIRED = {"openssl": "3.0", "hiredis": "0.14"}
OPTIONAL_LIBRARY, OPTIONAL_SOURCE = "libjwt", "ext/core/token/signature_libjwt.c"

WARNINGS = [
    "-Wall",
    "-Wextra",
    "-Wshadow",
    "-Wconversion",
    "-Wstrict-prototypes",
    "-Wmissing-prototypes",
    "-Wvla",
    "-Werror",
]


MARKER = 'headrace; sys_platform == "linux" and platform_machine in "x86_64 aarch64"'


def unsupported() -> str | None:
    """Why this platform is none that headrace runs on; None where it is one."""
    if not sys.platform.startswith("linux"):
        return f"{sys.platform}, and headrace needs Linux: eventfd, shared memory, robust locks"
    libc = str(sysconfig.get_config_var("SOABI")) + str(sysconfig.get_config_var("HOST_GNU_TYPE"))
    if "musl" in libc:
        return "a Python for musl, and headrace needs glibc"
    if sys.implementation.name != "cpython":
        return f"{sys.implementation.name}, and headrace is an extension of CPython"
    return None


def pkg_config(library: str, *options: str) -> list[str] | None:
    """What pkg-config answers for `library`, as words; None where it is not installed."""
    command = [os.environ.get("PKG_CONFIG", "pkg-config"), *options, library]
    done = subprocess.run(command, capture_output=True, text=True)
    return shlex.split(done.stdout) if done.returncode == 0 else None


def missing() -> list[str]:
    """One line for each thing that the build needs and does not find."""
    lines = []
    if not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):
        lines.append("Python.h, the headers of this Python (Debian: python3-dev)")
    if shutil.which(os.environ.get("PKG_CONFIG", "pkg-config")) is None:
        lines.append("pkg-config, which finds the libraries (Debian: pkg-config)")
        return lines
    for library, version in REQUIRED.items():
        if pkg_config(library, f"--atleast-version={version}") is None:
            package = DEBIAN_PACKAGE[library]
            lines.append(f"the development files of {library} >= {version} (Debian: {package})")
    return lines


class BuildExt(build_ext):
    """Looks for the libraries when the extension is built, not when metadata is read."""

    def build_extensions(self) -> None:
        platform = unsupported()
        if platform:
            raise PlatformError(
                f"headrace cannot be built here: this is {platform}.\n"
                "In requirements that other machines read too, write:\n"
                f"    {MARKER}\n"
                "and leave its lines out of MIDDLEWARE and INSTALLED_APPS where it is missing."
            )
        lines = missing()
        if lines:
            raise PlatformError("\n".join(["headrace cannot be built without:", *lines]))
        for extension in self.extensions:
            for library in REQUIRED:
                self.link_with(extension, library)
            if self.link_with(extension, OPTIONAL_LIBRARY):
                extension.extra_compile_args.append("-DHR_HAVE_LIBJWT")
            else:
                package = DEBIAN_PACKAGE[OPTIONAL_LIBRARY]
                self.warn(
                    f'building without the optional engine "{OPTIONAL_LIBRARY}": its '
                    f"development files are not installed (Debian: {package})"
                )
                extension.sources = [
                    source for source in extension.sources if source != OPTIONAL_SOURCE
                ]
        crypto = os.environ.get("HEADRACE_CRYPTO", "openssl")
        if crypto == "aws-lc":
            for extension in self.extensions:
                self.take_aws_lc(extension)
        elif crypto != "openssl":
            raise PlatformError(f"HEADRACE_CRYPTO: openssl or aws-lc, not {crypto}")
        super().build_extensions()

    def take_aws_lc(self, extension: Extension) -> None:
        """Compiles the crypto sources against AWS-LC, into one object beside the others."""
        sys.path.insert(0, str(HERE / "tools"))
        import aws_lc

        try:
            kept = os.environ.get("HEADRACE_AWS_LC_BUILD", str(HERE / "build" / "aws-lc"))
            library = aws_lc.build_library(Path(kept))
        except (OSError, ValueError, RuntimeError) as error:
            raise PlatformError(f"headrace cannot be built with AWS-LC: {error}") from error
        sources = [source for source in extension.sources if source in aws_lc.SOURCES]
        extension.sources = [source for source in extension.sources if source not in sources]
        temporary = Path(self.build_temp) / "aws-lc"
        objects = self.compiler.compile(
            sources,
            output_dir=str(temporary),
            include_dirs=[str(library / "include")],
            extra_postargs=extension.extra_compile_args,
        )
        combined = temporary / "crypto.o"
        aws_lc.combine(objects, library, combined)
        extension.extra_objects.append(str(combined))
        extension.depends = [*extension.depends, str(combined)]
        extension.extra_link_args.append("-Wl,--gc-sections")
        licence = Path(self.build_lib) / "headrace" / "LICENSE.aws-lc"
        licence.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library / "LICENSE", licence)

    def link_with(self, extension: Extension, library: str) -> bool:
        """Adds the library's flags to the extension; False where it is not installed."""
        compile_args = pkg_config(library, "--cflags")
        link_args = pkg_config(library, "--libs")
        if compile_args is None or link_args is None:
            return False
        extension.extra_compile_args += compile_args
        extension.extra_link_args += link_args
        return True


def options() -> tuple[list[str], list[str]]:
    """Our own compiler and linker flags."""
    compile_args = ["-std=c11", "-D_GNU_SOURCE", "-fvisibility=hidden"]
    link_args = ["-Wl,-z,now", "-lpthread"]
    sanitizers = os.environ.get("HEADRACE_SANITIZE")
    if sanitizers:
        compile_args += ["-O1", "-g", "-UNDEBUG", "-fno-omit-frame-pointer"]
        compile_args += [f"-fsanitize={sanitizers}", "-fno-sanitize-recover=undefined"]
        link_args += [f"-fsanitize={sanitizers}"]
    else:
        compile_args += ["-O3", "-fno-plt", "-fstack-protector-strong"]
    if os.environ.get("HEADRACE_WERROR") == "1":
        compile_args += WARNINGS
    return compile_args, link_args


compile_args, link_args = options()

setup(
    cmdclass={"build_ext": BuildExt},
    ext_modules=[
        Extension(
            "headrace._core",
            sources=sorted(glob.glob("ext/core/*/*.c") + glob.glob("ext/binding/*.c")),
            depends=sorted(glob.glob("ext/core/*/*.h") + glob.glob("ext/binding/*.h")),
            include_dirs=["ext/core"],
            extra_compile_args=compile_args,
            extra_link_args=link_args,
        )
    ],
)
