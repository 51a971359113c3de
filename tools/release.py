# SPDX-License-Identifier: MIT
"""Builds what is published: the sdist, and a wheel for each CPython of this machine.

    tools/release.py [--out dist] [--python program ...]

Wheels verify with AWS-LC, linked in; OpenSSL (for TLS to Redis), hiredis and libjwt are bundled
by auditwheel. Debug symbols are split off and lie beside the wheels. A list of licences and an
SBOM (CycloneDX, PEP 770) are in each wheel. Two builds of one commit are the same bytes: times
are the commit's, the order of files is by name, and paths of this machine are mapped away.
"""

from __future__ import annotations

import argparse
import base64
import csv
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import uuid
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aws_lc
from pythons import Python, ask, pythons

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "build" / "release"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NAME, VERSION = PROJECT["name"], PROJECT["version"]

# By Debian source package: what each is, for people and for SBOMs. Another one that auditwheel
# bundles stops the build, so that its licence is looked at first.
KNOWN = {
    "openssl": ("OpenSSL", "Apache-2.0", "TLS of rediss://"),
    "hiredis": ("hiredis", "BSD-3-Clause", "Redis' protocol"),
    "libjwt": ("libjwt", "MPL-2.0", 'engine="libjwt"'),
    "libb64": ("libb64", "LicenseRef-PublicDomain", "base64 for libjwt"),
    "jansson": ("jansson", "MIT", "JSON for libjwt"),
}
EXPORTED = ["PyInit__core"]


def run(command: Sequence[str | Path], cwd: Path = ROOT, **environment: str) -> str:
    """What a command printed; RuntimeError with all of it where it fails."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def say(line: str) -> None:
    """Write one line, at once."""
    sys.stderr.write(f"release: {line}\n")
    sys.stderr.flush()


def commit_time() -> int:
    """Seconds since the epoch: SOURCE_DATE_EPOCH, else when the commit was made."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    return int(given) if given else int(run(["git", "log", "-1", "--format=%ct"]))


# --- archives that are the same bytes each time ---------------------------------------------


def write_zip(folder: Path, out: Path, epoch: int) -> None:
    """All of a folder as a wheel: by name, the dist-info at the end, RECORD last of all."""

    def order(path: Path) -> tuple[bool, bool, str]:
        name = str(path.relative_to(folder))
        return ".dist-info/" in name, path.name == "RECORD", name

    date = time.gmtime(epoch)[:6]
    with zipfile.ZipFile(out, "w") as archive:
        for path in sorted((path for path in folder.rglob("*") if path.is_file()), key=order):
            entry = zipfile.ZipInfo(str(path.relative_to(folder)), date)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            executable = path.stat().st_mode & 0o100 or ".so" in path.name
            entry.external_attr = (0o100755 if executable else 0o100644) << 16
            archive.writestr(entry, path.read_bytes(), compresslevel=9)


def write_record(folder: Path) -> None:
    """The dist-info's RECORD of what lies in the folder now."""
    [info] = folder.glob("*.dist-info")
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if path != info / "RECORD":
            digest = base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest())
            size = path.stat().st_size
            name = path.relative_to(folder)
            lines.writerow([name, f"sha256={digest.rstrip(b'=').decode()}", size])
    lines.writerow([(info / "RECORD").relative_to(folder), "", ""])
    (info / "RECORD").write_text(text.getvalue())


def build_sdist(out: Path, epoch: int) -> Path:
    """The source distribution, of what git has: nothing else that lies about gets in."""
    with tempfile.TemporaryDirectory(dir=WORK) as temporary:
        work = Path(temporary)
        (work / "tree").mkdir()
        files = run(["git", "ls-files", "-z"]).split("\0")
        for name in filter(None, files):
            target = work / "tree" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
        made = work / "made"
        setup = "import setuptools.build_meta as b, sys; b.build_sdist(sys.argv[1])"
        made.mkdir()
        run([sys.executable, "-c", setup, made], work / "tree")
        [raw] = made.glob("*.tar.gz")
        content = io.BytesIO()
        with (
            tarfile.open(raw) as old,
            tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as new,
        ):
            for member in sorted(old.getmembers(), key=lambda member: member.name):
                plain = tarfile.TarInfo(member.name)
                plain.type, plain.size, plain.mtime = member.type, member.size, epoch
                plain.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
                new.addfile(plain, old.extractfile(member) if member.isfile() else None)
        target = out / raw.name
        target.write_bytes(gzip.compress(content.getvalue(), mtime=epoch))
    return target


# --- one wheel ------------------------------------------------------------------------------


@dataclass
class Wheel:
    """A wheel that was built, and what is to be said of it."""

    path: Path
    debug: Path
    needed: list[str] = field(default_factory=list)
    bundled: list[str] = field(default_factory=list)
    exported: list[str] = field(default_factory=list)


def environment_of(python: Python) -> Path:
    """The interpreter of an environment that has what the build needs."""
    venv = WORK / f"venv-{python.tag}"
    program = venv / "bin" / "python"
    wanted = f"{python.program} {' '.join(BUILD_REQUIRES)}"
    stamp = venv / ".made-of"
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(venv, ignore_errors=True)
        run([python.program, "-m", "venv", venv])
        run([program, "-m", "pip", "install", "-q", *BUILD_REQUIRES])
        stamp.write_text(wanted)
    return program


BUILD_REQUIRES = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]


def split_debug(library: Path, debug: Path) -> None:
    """Moves the debug symbols of a shared object into a file of their own."""
    debug.parent.mkdir(parents=True, exist_ok=True)
    run(["objcopy", "--only-keep-debug", "--compress-debug-sections", library, debug])
    run(["objcopy", "--strip-unneeded", f"--add-gnu-debuglink={debug}", library])


def owner(library: Path) -> tuple[str, str, str]:
    """The Debian package of a library: its name, its version, its source package."""
    # A library may be known by a path below /usr, or by the link to it in /.
    named = run(["dpkg-query", "-S", f"*/{library.name}"])
    package = named.splitlines()[0].split(": ")[0].split(",")[0]
    form = "${Package}\t${Version}\t${source:Package}"
    name, version, source = run(["dpkg-query", "-W", "-f", form, package]).split("\t")
    return name, version, source


def system_library(bundled: Path) -> Path:
    """The file of the system that auditwheel copied: libssl-0123abcd.so.3 is libssl.so.3."""
    name = re.sub(r"-[0-9a-f]{8}(?=\.so)", "", bundled.name)
    architecture = os.uname().machine.replace("_", "-")
    # Lines such as "libssl.so.3 (libc6,x86-64) => /lib/x86_64-linux-gnu/libssl.so.3"
    for line in run(["/sbin/ldconfig", "-p"]).splitlines():
        known, arrow, path = line.strip().partition(" => ")
        if arrow and architecture in known.lower():
            library = Path(path).resolve()
            if name in (known.split()[0], library.name):
                return library
    raise RuntimeError(f"{bundled.name}: no library of the system has that name")


def describe(tree: Path, aws_lc_folder: Path, epoch: int) -> None:
    """Writes the licences and the SBOM of what was linked in and bundled into the dist-info."""
    [info] = tree.glob("*.dist-info")
    licences = info / "licenses" / "third-party"
    licences.mkdir(parents=True, exist_ok=True)
    version = aws_lc_version(aws_lc_folder)
    shutil.copy(aws_lc_folder / "LICENSE", licences / "AWS-LC.txt")
    purl = f"pkg:github/aws/aws-lc@v{version}"
    components = [
        component("AWS-LC", version, "Apache-2.0 OR ISC", purl, "verifies tokens, signs cookies")
    ]
    list_of = [f"AWS-LC {version}: Apache-2.0 OR ISC (linked into _core; AWS-LC.txt)"]
    for library in sorted((tree / f"{NAME}.libs").iterdir()):
        package, package_version, source = owner(system_library(library))
        if source not in KNOWN:
            raise RuntimeError(f"{library.name} of {source}: its licence is not in KNOWN")
        title, licence, what = KNOWN[source]
        shutil.copy(f"/usr/share/doc/{package}/copyright", licences / f"{title}.txt")
        purl = f"pkg:deb/debian/{package}@{package_version}?arch={debian_architecture()}"
        entry = component(f"{title} ({library.name})", package_version, licence, purl, what)
        digest = hashlib.sha256(library.read_bytes()).hexdigest()
        entry["hashes"] = [{"alg": "SHA-256", "content": digest}]
        components.append(entry)
        list_of.append(f"{library.name}, {title} {package_version}: {licence} ({title}.txt)")
    text = "\n".join(["What this wheel carries beside headrace (MIT):", "", *list_of, ""])
    (licences / "LIST.txt").write_text(text)
    sboms = info / "sboms"
    sboms.mkdir(exist_ok=True)
    document = bill(components, epoch)
    (sboms / f"{NAME}.cdx.json").write_text(json.dumps(document, indent=2) + "\n")


def debian_architecture() -> str:
    """As dpkg names it: amd64."""
    return run(["dpkg", "--print-architecture"]).strip()


def aws_lc_version(folder: Path) -> str:
    """As its header says."""
    header = (folder / "include" / "openssl" / "base.h").read_text()
    found = re.search(r'AWSLC_VERSION_NUMBER_STRING "([^"]+)"', header)
    if found is None:
        raise RuntimeError("AWS-LC's headers do not say its version")
    return found[1]


def component(name: str, version: str, licence: str, purl: str, what: str) -> dict[str, Any]:
    """One library in an SBOM."""
    return {
        "type": "library",
        "bom-ref": f"{purl}#{name}",
        "name": name,
        "version": version,
        "description": what,
        "licenses": [{"expression": licence}],
        "purl": purl,
    }


def bill(components: list[dict[str, Any]], epoch: int) -> dict[str, Any]:
    """The CycloneDX document; its serial number follows from what it says."""
    own = component(
        NAME, VERSION, PROJECT["license"], f"pkg:pypi/{NAME}@{VERSION}", PROJECT["description"]
    )
    references = [entry["bom-ref"] for entry in components]
    said = json.dumps([own, components, epoch])
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, said)}",
        "version": 1,
        "metadata": {"timestamp": stamp, "component": own},
        "components": components,
        "dependencies": [
            {"ref": own["bom-ref"], "dependsOn": references},
            *({"ref": reference} for reference in references),
        ],
    }


def symbols(library: Path) -> list[str]:
    """What a shared object exports."""
    lines = run(["nm", "-D", "--defined-only", library]).splitlines()
    return sorted(line.split()[-1] for line in lines)


def needs(library: Path) -> list[str]:
    """What a shared object asks the loader for."""
    return re.findall(r"\(NEEDED\).*\[(.+)\]", run(["readelf", "-d", library]))


def repair(raw: Path, folder: Path, epoch: int) -> Path:
    """The wheel as auditwheel makes it, with its libraries in it."""
    scripts = Path(sys.executable).parent
    environment = {"PATH": f"{scripts}:{os.environ['PATH']}", "SOURCE_DATE_EPOCH": str(epoch)}
    run(
        [sys.executable, "-m", "auditwheel", "repair", "-w", folder, raw],
        raw.parent,
        **environment,
    )
    [wheel] = folder.glob("*.whl")
    return wheel


def build_wheel(python: Python, sdist: Path, out: Path, epoch: int) -> Wheel:
    """One wheel, from the sdist."""
    program = environment_of(python)
    aws_lc_folder = aws_lc.build_library(ROOT / "build" / "aws-lc")
    with tempfile.TemporaryDirectory(dir=WORK) as temporary:
        work = Path(temporary)
        with tarfile.open(sdist) as archive:
            archive.extractall(work, filter="data")
        source = work / f"{NAME}-{VERSION}"
        say(f"{python.tag}: compiling")
        run(
            [
                *(program, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"),
                *("-w", work / "raw", source),
            ],
            work,
            HEADRACE_CRYPTO="aws-lc",
            HEADRACE_WERROR="1",
            HEADRACE_AWS_LC_BUILD=str(aws_lc_folder.parent),
            SOURCE_DATE_EPOCH=str(epoch),
            CFLAGS=f"-g -ffile-prefix-map={work}=/headrace",
        )
        [raw] = (work / "raw").glob("*.whl")
        tree = work / "tree"
        with zipfile.ZipFile(raw) as archive:
            archive.extractall(tree)
        [library] = (tree / NAME).glob("_core.*.so")
        debug = work / "debug" / f"{library.name}.debug"
        split_debug(library, debug)
        write_record(tree)
        (work / "stripped").mkdir()
        stripped = work / "stripped" / raw.name
        write_zip(tree, stripped, epoch)
        repaired = repair(stripped, work / "repaired", epoch)
        shutil.rmtree(tree)
        with zipfile.ZipFile(repaired) as archive:
            archive.extractall(tree)
        describe(tree, aws_lc_folder, epoch)
        write_record(tree)
        out.mkdir(parents=True, exist_ok=True)
        wheel = Wheel(out / repaired.name, out / f"{repaired.stem}.debug")
        write_zip(tree, wheel.path, epoch)
        shutil.copy(debug, wheel.debug)
        wheel.needed = needs(library)
        wheel.bundled = sorted(path.name for path in (tree / f"{NAME}.libs").iterdir())
        wheel.exported = symbols(library)
    if wheel.exported != EXPORTED:
        raise RuntimeError(f"{wheel.path.name} exports {wheel.exported}")
    return wheel


def table(wheels: Iterable[Wheel]) -> str:
    """For people: one row a wheel."""
    lines = [
        "| wheel | KiB | platform tag | linked libraries | exported symbols |",
        "|---|---|---|---|---|",
    ]
    for wheel in wheels:
        tag = wheel.path.stem.split("-")[-1]
        size = wheel.path.stat().st_size // 1024
        libraries = " ".join(wheel.needed)
        cells = [wheel.path.name, str(size), tag, libraries, " ".join(wheel.exported)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--python", type=Path, action="append")
    arguments = parser.parse_args()
    found = (
        [python for program in arguments.python if (python := ask(program))]
        if arguments.python
        else pythons()
    )
    if not found:
        say("no CPython that we build for")
        return 1
    out: Path = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    WORK.mkdir(parents=True, exist_ok=True)
    epoch = commit_time()
    sdist = build_sdist(out, epoch)
    say(f"{sdist.name}: {sdist.stat().st_size // 1024} KiB")
    wheels = [build_wheel(python, sdist, out, epoch) for python in found]
    print(table(wheels))
    return 0


if __name__ == "__main__":
    sys.exit(main())
