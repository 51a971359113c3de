# SPDX-License-Identifier: MIT
"""The rooms of ext/: which folder may include which, what a file may export, who calls whom."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXT = ROOT / "ext"
CORE = EXT / "core"
BINDING = EXT / "binding"

# A folder includes itself and the folders above it.
FOLDERS = "base path token visitor ring sink redis gate".split()

# Which files may include which library, by the start of the header's path.
DOORS = {
    "openssl/": r"base/secret|token/signature_\w+|token/keyring(_\w+)?|redis/tls",
    "jwt.h": r"token/signature_libjwt",
    "hiredis": r"redis/\w+",
    "Python.h": r"$never",
}

# Who knows the fields of a ring's header; view.c and totals.c read the files of others.
HEADER_FIELDS = "ring/header ring/ring ring/view ring/totals".split()

# Two files that call each other: none.
CIRCLES: set[tuple[str, str]] = set()

INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"(?P<own>[^"]+)"|<(?P<system>[^>]+)>)', re.M)
NO_CODE = re.compile(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.S)
WORD = re.compile(r"\b[A-Za-z_]\w*")


def code_of(text: str) -> str:
    """The text with comments and strings blanked, its lines kept."""
    return NO_CODE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def name_of(path: Path) -> str:
    """`ring/event` for ext/core/ring/event.c and its header, `binding/visit` for the binding's."""
    inside = path.relative_to(CORE if path.is_relative_to(CORE) else EXT)
    return str(inside.with_suffix(""))


def prefix_of(name: str) -> str:
    """What the symbols of a core file begin with."""
    folder, _, file = name.partition("/")
    if folder == "base":
        return f"hr_{file}"
    return f"hr_{folder}" if file == folder else f"hr_{folder}_{file}"


def sources(folder: Path) -> list[Path]:
    return sorted([*folder.rglob("*.c"), *folder.rglob("*.h")])


def ids(path: Path) -> str:
    return str(path.relative_to(EXT))


core_files = pytest.mark.parametrize("path", sources(CORE), ids=ids)


# --- who includes whom ------------------------------------------------------------------------


def wrong_includes(name: str, text: str) -> list[str]:
    """What is wrong with the includes of a core file, one line each."""
    folder = name.partition("/")[0]
    if folder not in FOLDERS:
        return [f"{name}: no folder of the core"]
    allowed = FOLDERS[: FOLDERS.index(folder) + 1]
    wrong = []
    for include in INCLUDE.finditer(text):
        own, system = include["own"], include["system"]
        if own is not None:
            if own.partition("/")[0] not in allowed or not (CORE / own).exists():
                wrong.append(f"{name} includes {own}")
        else:
            wrong += [
                f"{name} includes <{system}>"
                for start, door in DOORS.items()
                if system.startswith(start) and not re.fullmatch(door, name)
            ]
    return wrong


@core_files
def test_a_core_file_includes_only_folders_above_it(path: Path) -> None:
    assert wrong_includes(name_of(path), path.read_text()) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("base/span", '#include "token/verifier.h"'),
        ("redis/link", '#include "gate/gate.h"'),
        ("visitor/derived", '#include "ring/file.h"'),
        ("ring/file", '#include "ring/nothing_here.h"'),
        ("ring/file", '#include "event.h"'),
        ("base/span", "#include <Python.h>"),
        ("token/claims", "#include <openssl/evp.h>"),
        ("base/secret_extra", "#include <openssl/sha.h>"),
        ("sink/sink", "#include <hiredis/hiredis.h>"),
        ("token/verifier", "#include <jwt.h>"),
        ("gate/gate", '#include "../binding/state.h"'),
        ("attic/gate", ""),
    ],
)
def test_a_planted_include_is_found(name: str, text: str) -> None:
    assert wrong_includes(name, text) != []


@pytest.mark.parametrize("path", sources(BINDING), ids=ids)
def test_the_binding_includes_no_library(path: Path) -> None:
    for include in INCLUDE.finditer(path.read_text()):
        for start in ("openssl/", "jwt.h", "hiredis", "sys/socket.h", "netdb.h"):
            assert not (include["system"] or "").startswith(start)


# --- what a file exports ----------------------------------------------------------------------

# A function's name stands in the first column, after a line with its type (.clang-format).
FUNCTION = re.compile(r"^(?P<type>\w[^\n;{}()]*)\n(?P<name>\w+)\(", re.M)
DATA = re.compile(
    r"^(?!static|extern|typedef|struct|enum|return|case)[A-Za-z_][\w ]*[ *]+(?P<name>\w+)"
    r"(?:\[[^\]\n]*\])? =",
    re.M,
)
TYPE = re.compile(
    r"^typedef (?:[^;{}]*?|[^;{]*\{.*?^\}) ?\*?(?P<name>\w+);"
    r"|^(?:struct|enum|union) (?P<tag>\w+) \{",
    re.M | re.S,
)


def functions(text: str) -> Iterator[str]:
    """The functions that a file defines and does not keep to itself."""
    for found in FUNCTION.finditer(code_of(text)):
        if "static" not in found["type"].split():
            yield found["name"]


def exports(path_suffix: str, text: str) -> set[str]:
    """Functions, data and, of a header, types."""
    names = set(functions(text)) | {found["name"] for found in DATA.finditer(code_of(text))}
    if path_suffix == ".h":
        names = {found["name"] or found["tag"] for found in TYPE.finditer(code_of(text))}
        names |= {
            found["name"]
            for found in FUNCTION.finditer(code_of(text))
            if "inline" in found["type"].split()
        }
    return names


def belongs(symbol: str, prefix: str) -> bool:
    return symbol == prefix or symbol.startswith(f"{prefix}_")


def strangers(name: str, suffix: str, text: str) -> list[str]:
    """What a core file exports under the name of another one.

    A part (`keyring_pem` of `keyring`) has its prototypes and types in the header of the whole.
    """
    return sorted(
        symbol for symbol in exports(suffix, text) if not belongs(symbol, prefix_of(name))
    )


# Headers of two files each, which belong to one of these two: none.
SHARED: set[str] = set()


@core_files
def test_a_path_is_the_prefix_of_what_the_file_exports(path: Path) -> None:
    name = name_of(path)
    if name not in SHARED:
        assert strangers(name, path.suffix, path.read_text()) == []


@pytest.mark.parametrize(
    ("name", "suffix", "text"),
    [
        ("ring/event", ".c", "void\nhr_event_read(void)\n{\n}\n"),
        ("ring/event", ".c", "hr_status\nread_event(int a)\n{\n}\n"),
        ("ring/event", ".c", "const char hr_ring_names[] = {1};\n"),
        ("base/span", ".c", "bool\nhr_spanner(void)\n{\n}\n"),
        ("ring/event", ".h", "typedef struct hr_event {\n    int a;\n} hr_event;\n"),
        ("ring/event", ".h", "typedef struct hr_event hr_event;\n"),
        ("ring/event", ".h", "static inline int\nhr_event_size(void)\n{\n}\n"),
    ],
)
def test_a_planted_name_is_found(name: str, suffix: str, text: str) -> None:
    assert len(strangers(name, suffix, text)) == 1


def test_what_is_static_belongs_to_the_file() -> None:
    assert strangers("ring/event", ".c", "static void\nread(void)\n{\n}\n") == []
    assert strangers("ring/ring", ".c", "void\nhr_ring_seal(int a)\n{\n}\n") == []
    assert strangers("base/span", ".c", "void\nhr_span_trim(int a)\n{\n}\n") == []


def looks_into_a_header(text: str) -> bool:
    return re.search(r"\bheader\s*->", code_of(text)) is not None


@pytest.mark.parametrize("path", sources(EXT), ids=ids)
def test_only_the_ring_knows_the_fields_of_its_header(path: Path) -> None:
    assert name_of(path) in HEADER_FIELDS or not looks_into_a_header(path.read_text())


def test_a_planted_look_into_a_header_is_found() -> None:
    assert looks_into_a_header("sum(&ring->header->stats);")
    assert not looks_into_a_header("sum(hr_ring_header_counters(ring->header));")


# --- who calls whom ---------------------------------------------------------------------------


def circles(texts: dict[str, str]) -> set[tuple[str, str]]:
    """Pairs of files, each of which names a function that the other one defines."""
    defined = {name: set(functions(text)) for name, text in texts.items()}
    named = {name: set(WORD.findall(code_of(text))) for name, text in texts.items()}
    return {
        (one, other)
        for one, other in combinations(sorted(texts), 2)
        if named[one] & defined[other] and named[other] & defined[one]
    }


def test_no_two_files_call_each_other() -> None:
    texts = {name_of(path): path.read_text() for path in sources(EXT) if path.suffix == ".c"}
    assert len(texts) > 80
    assert circles(texts) == CIRCLES


def test_a_planted_circle_is_found() -> None:
    one = "void\nhr_a(void)\n{\n    hr_b();\n}\n"
    other = "void\nhr_b(void)\n{\n    hr_a();\n}\n"
    assert circles({"a": one, "b": other}) == {("a", "b")}
    assert circles({"a": one, "b": "void\nhr_b(void)\n{\n    /* hr_a() */\n}\n"}) == set()


def test_headers_include_each_other_in_no_circle() -> None:
    above = {
        str(path.relative_to(CORE)): {
            include["own"] for include in INCLUDE.finditer(path.read_text()) if include["own"]
        }
        for path in sources(CORE)
        if path.suffix == ".h"
    }
    while above:
        ground = {header for header, needs in above.items() if not needs & above.keys()}
        assert ground, sorted(above)
        above = {header: needs for header, needs in above.items() if header not in ground}
