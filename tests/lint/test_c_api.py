# SPDX-License-Identifier: MIT
"""Mistakes with the C API, and with hostile input, that a search can find."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXT = ROOT / "ext"
CORE = EXT / "core"
SOURCES = sorted([*EXT.rglob("*.c"), *EXT.rglob("*.h")])

# pattern -> (what is wrong with it, a line that it must find)
EVERYWHERE = {
    r"\bPyModule_AddObject\(": (
        "steals only on success: PyModule_AddObjectRef",
        "PyModule_AddObject(module, name, value);",
    ),
    r"^\s*static\s+(?:PyObject|PyTypeObject)\s*\*\s*\w+\s*(?:=|;|\[)": (
        "one for all interpreters: it belongs in the module state",
        "static PyObject *error;",
    ),
    r"^\s*static\s+PyTypeObject\s+\w+": (
        "a static type is shared by interpreters: a spec and PyType_FromModuleAndSpec",
        "static PyTypeObject Token = {0};",
    ),
    r"\bredis(?:v?Append)?v?Command\(": (
        "a format with a client's data: redisFormatCommandArgv with lengths",
        'redisCommand(context, "SET %s", text);',
    ),
    r"\b(?:strcpy|strcat|sprintf|vsprintf|gets|strtok|alloca|strncpy|strncat)\(": (
        "has no bound, or leaves no NUL",
        "strcpy(to, from);",
    ),
    r"\b(?:atoi|atol|atof|strtod|sscanf)\(": (
        "follows the locale or hides an overflow",
        "int n = atoi(text);",
    ),
    r"\b(?:rand|random|srand|drand48)\(": (
        "not random: getrandom",
        "int n = rand();",
    ),
    r"\bPy_LIMITED_API\b": (
        "the fast calls are outside of the limited API",
        "#define Py_LIMITED_API 1",
    ),
    r"\b(?:TODO|FIXME|XXX|HACK)\b": (
        "unfinished",
        "/* TODO: bound this */",
    ),
}

# Only in ext/core, where base/alloc.c is the one door to the heap.
CORE_ONLY = {
    r"(?<![_>.])\b(?:malloc|calloc|realloc|free|strdup|strndup)\(": (
        "not through base/alloc.h",
        "char *copy = strdup(text);",
    ),
    r"\b(?:printf|fprintf|perror|puts|exit|abort)\(": (
        "the core reports by status",
        'fprintf(stderr, "lost");',
    ),
    r"\bCLOCK_REALTIME\b": (
        "a wait on it hangs when the clock is set: base/clock.h",
        "clock_gettime(CLOCK_REALTIME, &t);",
    ),
}
CORE_EXCEPT = {CORE / "base/alloc.c": "malloc", CORE / "base/clock.c": "CLOCK_REALTIME"}

COMMENT = re.compile(r'/\*.*?\*/|"(?:\\.|[^"\\])*"', re.S)


def code_of(text: str) -> str:
    """The text with comments and strings blanked, its lines kept."""
    return COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def hits(pattern: str, text: str) -> list[str]:
    # What is unfinished is said in comments; everything else is code.
    body = text if "TODO" in pattern else code_of(text)
    lines = text.splitlines()
    return [
        lines[body.count("\n", 0, match.start())].strip()
        for match in re.finditer(pattern, body, re.M)
    ]


@pytest.mark.parametrize("pattern", [*EVERYWHERE, *CORE_ONLY])
def test_each_pattern_finds_its_mistake(pattern: str) -> None:
    assert hits(pattern, ({**EVERYWHERE, **CORE_ONLY})[pattern][1])


@pytest.mark.parametrize("pattern", EVERYWHERE, ids=lambda p: EVERYWHERE[p][0])
def test_no_source_makes_the_mistake(pattern: str) -> None:
    found = {path.name: lines for path in SOURCES if (lines := hits(pattern, path.read_text()))}
    assert found == {}


@pytest.mark.parametrize("pattern", CORE_ONLY, ids=lambda p: CORE_ONLY[p][0])
def test_no_core_source_makes_the_mistake(pattern: str) -> None:
    assert any(path.is_relative_to(CORE) for path in SOURCES)
    found = {
        path.name: lines
        for path in SOURCES
        if path.is_relative_to(CORE)
        and CORE_EXCEPT.get(path, "\0") not in pattern
        and (lines := hits(pattern, path.read_text()))
    }
    assert found == {}


def functions(text: str, name: str) -> list[str]:
    """The bodies of the functions whose name matches; one `}` at column 0 ends each."""
    return re.findall(rf"^{name}\(.*?^}}", text, re.M | re.S)


def test_every_dealloc_of_a_heap_type_gives_back_its_type() -> None:
    bodies = {
        f"{path.name}:{body.splitlines()[0]}": body
        for path in sorted((EXT / "binding").glob("*.c"))
        for body in functions(path.read_text(), r"\w*dealloc")
    }
    assert bodies, "there are heap types, so there are dealloc functions"
    assert [name for name, body in bodies.items() if "Py_DECREF(t" not in body] == []


def test_every_type_is_immutable_and_sealed() -> None:
    for path in sorted((EXT / "binding").glob("*.c")):
        for spec in re.findall(r"PyType_Spec \w+ = \{.*?\};", path.read_text(), re.S):
            assert "Py_TPFLAGS_IMMUTABLETYPE" in spec, path.name
            assert "Py_TPFLAGS_BASETYPE" not in spec, path.name


def test_every_type_with_gc_is_visited_and_untracked() -> None:
    for path in sorted((EXT / "binding").glob("*.c")):
        text = path.read_text()
        if "Py_TPFLAGS_HAVE_GC" in text:
            assert "Py_tp_traverse" in text, path.name
            assert "Py_VISIT(Py_TYPE(" in text, f"{path.name}: a heap type visits its type"
            assert "PyObject_GC_UnTrack(" in text, path.name
