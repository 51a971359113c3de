# SPDX-License-Identifier: MIT
"""A statement as it may be logged: without values, on one line, of bounded length."""

from __future__ import annotations

import re

MAX_LENGTH = 500  # characters of a statement in a log line or an event
_MAX_READ = 10_000  # characters of a statement that are looked at

# What a server might read as a value, or as a place to hide one. Where servers differ, more is
# taken out rather than less: an unclosed quote runs to the end.
_COMMON = r"""
      (?P<comment> --[^\n]* | /\*(?:.*?\*/|.*\Z) )
    | (?P<dollar> \$(?P<tag>[A-Za-z_]\w*|)\$ (?:.*?\$(?P=tag)\$|.*\Z) )
    | (?P<escaped> \b[Ee] ' (?:\\.|''|[^'\\])* (?:'|\Z) )
    | (?P<number> (?<![\w$"`.]) (?:0[xX][0-9a-fA-F]+ | \d+(?:\.\d*)?(?:[eE][-+]?\d+)? | \.\d+) )
"""
_STANDARD = re.compile(
    rf"""
      (?P<text> (?:\b[BbXxNn]|\b[Uu]&)? ' (?:''|[^'])* (?:'|\Z) )
    | (?P<name> "(?:""|[^"])*" | `[^`]*` | \[[A-Za-z_]\w*\] )
    | {_COMMON}
    """,
    re.VERBOSE | re.DOTALL,
)
# MySQL: a backslash escapes, double quotes hold text, and # begins a comment
_MYSQL = re.compile(
    rf"""
      (?P<text> (?:\b[BbXxNn])? ' (?:\\.|''|[^'\\])* (?:'|\Z) | "(?:\\.|""|[^"\\])*(?:"|\Z) )
    | (?P<name> `[^`]*` )
    | (?P<hash> \#[^\n]* )
    | {_COMMON}
    """,
    re.VERBOSE | re.DOTALL,
)


def _mask(match: re.Match[str]) -> str:
    kind = match.lastgroup
    if kind == "name":
        return match[0]
    if kind in ("comment", "hash"):
        return " "
    return "?"


def printable(text: str) -> str:
    """The text on one line: blanks joined, everything else that is not to be printed escaped."""
    joined = " ".join(text.split())
    return joined if joined.isprintable() else "".join(map(_escaped, joined))


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def masked(statement: object, vendor: str = "") -> str:
    """The statement with every literal replaced by ``?`` and every comment taken out.

    What Django passes as parameters is in no statement; what a site writes into its own SQL
    might be a value. ``vendor`` is that of the Django connection.
    """
    text = statement if isinstance(statement, str) else str(statement)
    pattern = _MYSQL if vendor == "mysql" else _STANDARD
    shown = printable(pattern.sub(_mask, text[:_MAX_READ]))
    return shown if len(shown) <= MAX_LENGTH else shown[: MAX_LENGTH - 1] + "…"
