# SPDX-License-Identifier: MIT
"""FingerprintCookie.read against Django's parsing of the same bytes and Python's own HMAC."""

from __future__ import annotations

import os

from django.http import parse_cookie
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headrace import FingerprintCookie
from tests.oracle import cookie_model

EXAMPLES = 5000 if os.environ.get("HEADRACE_SOAK") == "1" else 500
NOW = 1_795_000_000
MAX_AGE = 86400
NAME = "fp"
KEYS = [b"new", b"old"]
COOKIE = FingerprintCookie(NAME, keys=KEYS, max_age=MAX_AGE)

content = st.builds(
    cookie_model.Content,
    st.binary(min_size=16, max_size=16).map(bytes.hex),
    st.one_of(
        st.integers(0, 2**32 - 1),
        st.integers(NOW - MAX_AGE - 2, NOW - MAX_AGE + 2),
        st.integers(NOW + 298, NOW + 302),
        st.just(NOW - 5),
    ),
)
value = st.builds(
    cookie_model.sign,
    st.sampled_from([NAME, NAME, "xfp"]),
    st.sampled_from([b"new", b"old", b"foreign"]),
    content,
)


def quote(text: str) -> str:
    return '"' + text + '"'


def escape(text: str) -> str:
    return quote("".join(f"\\{ord(char):03o}" if i % 2 else char for i, char in enumerate(text)))


def slash(text: str) -> str:
    return quote("".join("\\" + char if not char.isdigit() else char for char in text))


dressed = st.builds(
    lambda text, dress: dress(text), value, st.sampled_from([str, str, quote, escape, slash])
)
# latin-1 text: what a WSGI server hands over. The no-break spaces and wide spaces are there both
# as latin-1 and as UTF-8 bytes.
BLANKS = [
    "",
    " ",
    "\t",
    "\x0b",
    "\x1c",
    "\x85",
    "\xa0",
    "\xc2\xa0",
    "\xe2\x80\x83",
    "\xe3\x80\x80",
]
blank = st.sampled_from(BLANKS)
noise = st.text(
    st.one_of(st.characters(max_codepoint=255), st.sampled_from('fp=;," \\"\x00\r\n')),
    max_size=20,
)
pair = st.builds(
    lambda *parts: "".join(parts),
    blank,
    st.sampled_from(["fp", "fp", "fp", "FP", "xfp", "fp2", ""]),
    blank,
    st.sampled_from(["=", "=", "=", "==", ""]),
    blank,
    st.one_of(dressed, dressed, noise),
    blank,
)
header = st.lists(st.one_of(pair, noise), max_size=5).map(";".join)


@settings(max_examples=EXAMPLES, deadline=None)
@given(header, st.booleans())
@example("fp\x1f=\x85", False)
def test_reads_what_the_model_reads(text: str, asgi: bool) -> None:
    raw = text.encode("latin-1") if asgi else text
    got = COOKIE.read(raw, now=NOW)
    want = cookie_model.read(raw, NAME, KEYS, MAX_AGE, NOW)
    assert (got and (got.id, got.issued_at)) == want


@settings(max_examples=EXAMPLES, deadline=None)
@given(header)
def test_the_model_is_django(text: str) -> None:
    text = cookie_model.text_of(text)
    found = list(cookie_model.values(text, NAME))
    assert parse_cookie(text).get(NAME) == (found[-1] if found else None)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(header, max_size=4))
def test_several_headers_are_one(headers: list[str]) -> None:
    together = COOKIE.read("; ".join(headers), now=NOW)
    assert COOKIE.read(headers, now=NOW) == together


@settings(max_examples=EXAMPLES, deadline=None)
@given(content)
def test_reissuing_keeps_id_and_issued_at(made: cookie_model.Content) -> None:
    old = COOKIE.read(f"fp={cookie_model.sign(NAME, b'old', made)}", now=made.issued_at)
    assert old is not None
    assert old.reissue
    assert (old.id, old.issued_at) == made
    assert old.value == cookie_model.sign(NAME, b"new", made)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.one_of(
        st.text(),
        st.binary(),
        st.lists(st.one_of(st.text(), st.binary(), st.text(st.characters(categories=["Cs"])))),
    )
)
def test_nothing_a_client_sends_raises(sent: str | bytes | list[str | bytes]) -> None:
    assert COOKIE.read(sent, now=NOW) is None
