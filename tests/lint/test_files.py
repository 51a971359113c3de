# SPDX-License-Identifier: MIT
"""Habits of files: a licence line, lengths, no trace of how or where the work was done."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def tracked() -> list[Path]:
    """The files that git would keep, without the seeds of fuzzers."""
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = [ROOT / line for line in done.stdout.splitlines()]
    return [path for path in paths if path.is_file() and "corpus" not in path.parts]


FILES = tracked()
CODE = [path for path in FILES if path.suffix in {".c", ".h", ".py", ".pyi"}]


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_code_opens_with_one_licence_line(path: Path) -> None:
    text = path.read_text()
    if not text.strip():
        return
    assert "SPDX-License-Identifier: MIT" in text[:200]


def test_no_c_file_grows_past_its_seam() -> None:
    long = {
        path.name: count
        for path in CODE
        if path.suffix == ".c"
        and path.is_relative_to(ROOT / "ext")
        and (count := path.read_text().count("\n")) > 900
    }
    assert long == {}


def test_no_binary_or_generated_file_is_kept() -> None:
    kept = [
        str(path.relative_to(ROOT))
        for path in FILES
        if path.suffix in {".so", ".o", ".a", ".pyc", ".svg"}
        or path == ROOT / "benchmarks" / "report.md"
    ]
    assert kept == []


def test_every_header_guard_names_its_file() -> None:
    for path in CODE:
        if path.suffix == ".h" and path.is_relative_to(ROOT / "ext"):
            inside = path.relative_to(ROOT / "ext").with_suffix("")
            parts = [part.upper() for part in inside.parts if part != "core"]
            if parts[0] == parts[-1]:
                del parts[0]
            guard = re.search(r"^#ifndef (\w+)\n#define \1$", path.read_text(), re.M)
            assert guard, path.name
            assert guard[1] in {f"HR_{'_'.join(parts)}_H", f"HR_{parts[0]}_{'_'.join(parts)}_H"}


# A part of a module is tested with its module; what lives from a server, a thread or the
# end of a process is tested with one, from Python.
TESTED_BY = {
    "base_json_text": "tests/c/test_base_json.c",
    "gate_event": "tests/c/test_gate_gate.c",
    "path_rule": "tests/c/test_path_filter.c",
    "redis_tls": "tests/redis/test_tls.py",
    "ring_file": "tests/c/test_ring_ring.c",
    "sink_adopt": "tests/process/test_sink_life.py",
    "sink_drain": "tests/c/test_sink_sink.c",
    "sink_state": "tests/c/test_sink_sink.c",
    "sink_thread": "tests/c/test_sink_sink.c",
    "token_signature_openssl": "tests/c/test_token_verifier.c",
    "token_verifier_keyset": "tests/c/test_token_verifier.c",
}


def test_every_core_file_has_a_test_of_its_name() -> None:
    """tests/c/test_<folder>_<file>.c for ext/core/<folder>/<file>.c."""
    own = {
        path.stem.removeprefix("test_").removesuffix("_threads")
        for path in (ROOT / "tests" / "c").glob("test_*.c")
    }
    wanted = {f"{path.parent.name}_{path.stem}" for path in (ROOT / "ext" / "core").glob("*/*.c")}
    assert wanted - own - TESTED_BY.keys() == set()
    assert own - wanted == set()
    assert own & TESTED_BY.keys() == set()


def test_what_is_tested_elsewhere_is_tested_there() -> None:
    assert [where for where in TESTED_BY.values() if not (ROOT / where).exists()] == []


def test_every_fuzzer_has_seeds() -> None:
    for path in (ROOT / "tests" / "fuzz").glob("fuzz_*.c"):
        corpus = path.parent / "corpus" / path.stem.removeprefix("fuzz_")
        assert corpus.is_dir(), corpus
        assert any(corpus.iterdir()), corpus


def test_signatures_are_skipped_in_one_fuzzer_only() -> None:
    """Nothing that a package is built from turns this on; a wheel's own tests see the rest."""
    switch = "HR_FUZZ_" + "SKIP_SIGNATURE"
    named = {
        str(path.relative_to(ROOT)): path.read_text().count(switch)
        for path in FILES
        if switch.encode() in path.read_bytes()
    }
    assert named == {
        "Makefile": 1,
        "ext/core/token/verifier.c": 1,
        "tests/fuzz/fuzz_token_verifier.c": 2,
    }
    assert f"#ifdef {switch}" in (ROOT / "ext/core/token/verifier.c").read_text()
