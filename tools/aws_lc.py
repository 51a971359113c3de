# SPDX-License-Identifier: MIT
"""Links our crypto sources with a static AWS-LC, for builds with HEADRACE_CRYPTO=aws-lc.

AWS-LC's sources are part of the source distribution of ``awscrt``, pinned below by address and
SHA-256. Its libcrypto has the symbol names of the system's, which the TLS of the Redis
connection goes on using; so our files and the parts of AWS-LC that they need are made one
object, in which only our own names (``hr_*``) stay global.

Everything lies below build/aws-lc/ and is kept from one build to the next. Without a network,
HEADRACE_AWS_LC_SDIST names the downloaded archive.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from collections.abc import Sequence
from pathlib import Path

SDIST = "awscrt-0.38.1"
SDIST_URL = (
    "https://files.pythonhosted.org/packages/39/be/"
    "56e6646fe5e866b4df5b8d92ee35dc0cbc0888871c5755f86c33a91960ea/awscrt-0.38.1.tar.gz"
)
SDIST_SHA256 = "0dcebfaa70cf079133cd2352119e3d05e9b8ca1d1621736cfb54c03f3d5fef0f"
DOWNLOAD_SECONDS = 120

# What of ours is compiled against AWS-LC's headers. redis/tls.c is not: it needs libssl.
SOURCES = (
    "ext/core/token/keyring.c",
    "ext/core/token/keyring_jwk.c",
    "ext/core/token/keyring_material.c",
    "ext/core/token/keyring_pem.c",
    "ext/core/token/signature_libjwt.c",
    "ext/core/token/signature_openssl.c",
    "ext/core/base/secret.c",
)

CMAKE_OPTIONS = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DCMAKE_POSITION_INDEPENDENT_CODE=ON",
    "-DDISABLE_GO=ON",
    "-DDISABLE_PERL=ON",
    "-DBUILD_TESTING=OFF",
    "-DBUILD_LIBSSL=OFF",
    "-DBUILD_TOOL=OFF",
)
C_FLAGS = "-ffunction-sections -fdata-sections -fstack-protector-strong"


def say(line: str) -> None:
    """Write one line, at once."""
    sys.stderr.write(f"aws-lc: {line}\n")
    sys.stderr.flush()


def fetch(folder: Path) -> Path:
    """The archive, downloaded where it is not there yet; ValueError when it is another one."""
    given = os.environ.get("HEADRACE_AWS_LC_SDIST")
    archive = Path(given) if given else folder / f"{SDIST}.tar.gz"
    if not archive.exists():
        say(f"downloading {SDIST_URL}")
        part = archive.with_suffix(f".{os.getpid()}")
        with (
            urllib.request.urlopen(SDIST_URL, timeout=DOWNLOAD_SECONDS) as answer,
            part.open("wb") as out,
        ):
            shutil.copyfileobj(answer, out)
        part.replace(archive)
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != SDIST_SHA256:
        raise ValueError(f"{archive} has the SHA-256 {found}, not {SDIST_SHA256}: remove it")
    return archive


def unpack(archive: Path, folder: Path) -> Path:
    """AWS-LC's source tree, out of the archive."""
    start = f"{SDIST}/crt/aws-lc/"
    with tarfile.open(archive) as tar:
        members = [member for member in tar if member.name.startswith(start)]
        tar.extractall(folder, members=members, filter="data")
    return folder / start


def build_library(folder: Path) -> Path:
    """The folder with include/ and libcrypto.a, built where it is not there yet."""
    options = hashlib.sha256(repr((CMAKE_OPTIONS, C_FLAGS)).encode()).hexdigest()
    done = folder / f"{SDIST}-{SDIST_SHA256[:8]}-{options[:8]}"
    if done.exists():
        return done
    cmake = shutil.which("cmake")
    if cmake is None:
        raise FileNotFoundError('cmake, which builds AWS-LC: pip install "cmake>=3.25"')
    folder.mkdir(parents=True, exist_ok=True)
    archive = fetch(folder)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        work = Path(temporary)
        source = unpack(archive, work)
        # Its errors carry __FILE__: without the folder's random name two builds are alike.
        flags = f"{C_FLAGS} -ffile-prefix-map={work}=aws-lc"
        configure = [f"-DCMAKE_C_FLAGS={flags}", f"-DCMAKE_ASM_FLAGS={flags}"]
        generator = ["-GNinja"] if shutil.which("ninja") else []
        say("building libcrypto.a, which takes a minute")
        for command in (
            [
                cmake,
                *generator,
                *CMAKE_OPTIONS,
                *configure,
                "-S",
                str(source),
                "-B",
                str(work / "out"),
            ],
            [cmake, "--build", str(work / "out"), "--parallel", str(os.cpu_count() or 1)],
        ):
            ran = subprocess.run(command, capture_output=True, text=True)
            if ran.returncode != 0:
                raise RuntimeError(f"{' '.join(command)}\n{ran.stdout}{ran.stderr}")
        made = work / "made"
        made.mkdir()
        shutil.copytree(source / "include", made / "include")
        shutil.copy(next((work / "out").rglob("libcrypto.a")), made)
        for name in ("LICENSE", "NOTICE"):
            shutil.copy(source / name, made)
        made.rename(done)
    return done


def combine(objects: Sequence[str], library: Path, out: Path) -> None:
    """Joins our objects with what they need of AWS-LC; only our names stay global."""
    subprocess.run(
        ["ld", "-r", "-o", str(out), *objects, str(library / "libcrypto.a")], check=True
    )
    subprocess.run(["objcopy", "--wildcard", "--keep-global-symbol=hr_*", str(out)], check=True)


def main() -> None:
    """Builds the library alone, below the folder named (default: build/aws-lc)."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "build/aws-lc")
    say(f"{build_library(folder)}")


if __name__ == "__main__":
    main()
