# SPDX-License-Identifier: MIT
"""A statement goes into a log without its values, whatever they look like."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.django.measure.statements import MAX_LENGTH, masked


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        (
            'SELECT "a"."b" FROM "a" WHERE "a"."b" = %s',
            'SELECT "a"."b" FROM "a" WHERE "a"."b" = %s',
        ),
        ("SELECT 1", "SELECT ?"),
        ("SELECT 1.5e-3, .5, 0xFF, -7", "SELECT ?, ?, ?, -?"),
        ("SELECT t1.c2 FROM t1 LIMIT 21", "SELECT t1.c2 FROM t1 LIMIT ?"),
        ("SELECT $1, $2", "SELECT $1, $2"),
        ("SELECT 'secret'", "SELECT ?"),
        ("SELECT 'it''s a secret', 'b'", "SELECT ?, ?"),
        ("SELECT 'secret", "SELECT ?"),
        (r"SELECT E'it\'s a secret', 'b'", "SELECT ?, ?"),
        (r"SELECT 'ends with \', 'b'", "SELECT ?, ?"),
        ("SELECT X'5EC2E7', b'01', N'secret', U&'secret'", "SELECT ?, ?, ?, ?"),
        ("SELECT $$secret$$, $tag$a $$ secret$tag$, 1", "SELECT ?, ?, ?"),
        ("SELECT $$secret", "SELECT ?"),
        ("SELECT a -- secret\n, b", "SELECT a , b"),
        ("SELECT a /* secret */, b", "SELECT a , b"),
        ("SELECT a /* secret", "SELECT a"),
        ("SELECT '-- no comment', a", "SELECT ?, a"),
        ("SELECT\n\t  a\r\n", "SELECT a"),
        ('SELECT "\x1b[31m"', 'SELECT "\\x1b[31m"'),
        ('SELECT "a\ud800"', 'SELECT "a\\ud800"'),
    ],
)
def test_values_are_taken_out(statement: str, shown: str) -> None:
    assert masked(statement) == shown


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        (r"SELECT 'it\'s a secret', 1", "SELECT ?, ?"),
        (r'SELECT "it\"s a secret", `name`', "SELECT ?, `name`"),
        ("SELECT a # secret\n, b", "SELECT a , b"),
    ],
)
def test_mysql_quotes_in_its_own_way(statement: str, shown: str) -> None:
    assert masked(statement, "mysql") == shown


@given(st.text())
def test_any_literal_is_masked(value: str) -> None:
    quoted = "'" + ("SECRET" + value).replace("'", "''") + "'"
    assert masked(f"SELECT {quoted}") == "SELECT ?"


@given(st.text(max_size=2000))
def test_what_comes_out_is_one_printable_line(statement: str) -> None:
    shown = masked(statement)
    assert shown.isprintable()
    assert len(shown) <= MAX_LENGTH


def test_long_statement_is_cut() -> None:
    assert len(masked("SELECT " + "a, " * 5_000)) == MAX_LENGTH


def test_an_object_in_place_of_a_statement() -> None:
    assert masked(object()).startswith("<object object at")
