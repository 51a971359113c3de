# SPDX-License-Identifier: MIT
"""FingerprintCookie and Fingerprint as Python sees them."""

from __future__ import annotations

import base64
import gc
import sys
import time
from typing import Any

import pytest

from headrace import Fingerprint, FingerprintCookie

NOW = 1_795_000_000
MONTH = 30 * 86400


@pytest.fixture
def cookie() -> FingerprintCookie:
    return FingerprintCookie(name="device_fp", keys=["new secret", "old secret"])


def test_what_was_minted_is_read(cookie: FingerprintCookie) -> None:
    minted = cookie.mint(now=NOW)
    got = cookie.read(f"a=1; device_fp={minted.value}; b=2", now=NOW + 5)
    assert got == minted
    assert got is not None
    assert (got.id, got.value, got.issued_at) == (minted.id, minted.value, NOW)
    assert not got.reissue


def test_a_value_is_short_base64url_and_an_id_is_hex(cookie: FingerprintCookie) -> None:
    minted = cookie.mint()
    assert len(minted.value) <= 64
    assert base64.urlsafe_b64decode(minted.value + "=")[0] == 1
    assert len(minted.id) == 32
    assert int(minted.id, 16) >= 0
    assert minted.id == minted.id.lower()


def test_ids_differ(cookie: FingerprintCookie) -> None:
    assert len({cookie.mint().id for _ in range(1000)}) == 1000


def test_mint_and_read_take_the_clock_by_default(cookie: FingerprintCookie) -> None:
    before = int(time.time())
    minted = cookie.mint()
    assert before - 1 <= minted.issued_at <= time.time()
    assert cookie.read("device_fp=" + minted.value) == minted


@pytest.mark.parametrize(
    "wrap",
    [
        lambda value: f"device_fp={value}",
        lambda value: f"device_fp={value}".encode(),
        lambda value: [f"device_fp={value}"],
        lambda value: [b"a=1", f"device_fp={value}".encode()],
        lambda value: (b"device_fp=x", f"device_fp={value}".encode()),
        lambda value: f'device_fp="{value}"',
        lambda value: 'device_fp="' + "".join(f"\\{ord(c):03o}" for c in value) + '"',
        lambda value: f" device_fp \t=  {value}\r\n",
        lambda value: f"device_fp=forged; device_fp={value}; device_fp=forged",
        lambda value: f"\xff=\xfe; device_fp={value}",
    ],
)
def test_every_way_a_header_arrives(cookie: FingerprintCookie, wrap: Any) -> None:
    minted = cookie.mint(now=NOW)
    assert cookie.read(wrap(minted.value), now=NOW) == minted


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        b"",
        [],
        (),
        ";;;",
        "=",
        "device_fp",
        "device_fp=",
        "device_fp=" + "A" * 51,
        "device_fp=" + "A" * 100_000,
        "device_fp=\x00",
        "device_fp=\ud800",
        "device_fp=\u20ac",
        "\U0001f36a=1",
        b"\xff\xfe; device_fp=\xff",
        ["device_fp=\ud800", b"device_fp=1"],
        'device_fp="\\',
        "device_fp=0011223344556677889900aabbccddee",
    ],
)
def test_hostile_headers_are_no_fingerprint(cookie: FingerprintCookie, header: Any) -> None:
    assert cookie.read(header, now=NOW) is None


@pytest.mark.parametrize("header", [7, 1.5, object(), [7], [None], {"a": 1}, bytearray(b"a=1")])
def test_a_header_of_another_type_is_a_type_error(cookie: FingerprintCookie, header: Any) -> None:
    with pytest.raises(TypeError):
        cookie.read(header)


def test_lifetime_is_fixed_from_issued_at(cookie: FingerprintCookie) -> None:
    minted = cookie.mint(now=NOW)
    header = "device_fp=" + minted.value
    assert cookie.read(header, now=NOW + MONTH - 1) == minted
    assert cookie.read(header, now=NOW + MONTH) is None
    assert cookie.read(header, now=NOW - 300) == minted
    assert cookie.read(header, now=NOW - 301) is None


def test_an_old_key_is_reissued_with_id_and_issued_at(cookie: FingerprintCookie) -> None:
    old = FingerprintCookie(keys=["old secret"])
    minted = old.mint(now=NOW)
    got = cookie.read("device_fp=" + minted.value, now=NOW + 1000)
    assert got is not None
    assert got.reissue
    assert (got.id, got.issued_at) == (minted.id, NOW)
    header = cookie.header(got, now=NOW + 1000)
    assert f"Max-Age={MONTH - 1000};" in header
    fresh = FingerprintCookie(keys=["new secret"]).read(header.split(";")[0], now=NOW + 1000)
    assert fresh is not None
    assert (fresh.id, fresh.issued_at, fresh.reissue) == (minted.id, NOW, False)


def test_a_dropped_key_no_longer_counts(cookie: FingerprintCookie) -> None:
    minted = FingerprintCookie(keys=["older secret"]).mint()
    assert cookie.read("device_fp=" + minted.value) is None


def test_a_value_belongs_to_its_cookies_name(cookie: FingerprintCookie) -> None:
    other = FingerprintCookie(name="other", keys=["new secret"])
    value = other.mint().value
    assert other.read("other=" + value) is not None
    assert cookie.read("device_fp=" + value) is None


@pytest.mark.parametrize(
    ("value", "id_"),
    [
        ("00112233445566778899aabbccddeeff", "00112233445566778899aabbccddeeff"),
        ("00112233445566778899AABBCCDDEEFF", "00112233445566778899aabbccddeeff"),
        ("00112233-4455-6677-8899-aabbccddeeff", "00112233445566778899aabbccddeeff"),
        ("00112233445566778899aabbccddeef", None),
        ("0011223-34455-6677-8899-aabbccddeeff", None),
        ("visitor-7", None),
    ],
)
def test_unsigned_ids_are_taken_over_where_accepted(value: str, id_: str | None) -> None:
    cookie = FingerprintCookie(keys=["k"], accept_unsigned=True)
    got = cookie.read("device_fp=" + value, now=NOW)
    if id_ is None:
        assert got is None
        return
    assert got is not None
    assert (got.id, got.issued_at, got.reissue) == (id_, NOW, True)
    again = cookie.read(cookie.header(got, now=NOW).split(";")[0], now=NOW)
    assert again is not None
    assert (again.id, again.reissue) == (id_, False)


def test_header_writes_what_was_set() -> None:
    plain = FingerprintCookie(keys=["k"])
    minted = plain.mint(now=NOW)
    start = f"device_fp={minted.value}; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax"
    assert plain.header(minted, secure=False, now=NOW) == start
    assert plain.header(minted, now=NOW) == start + "; Secure"
    full = FingerprintCookie(
        "shop_fp",
        keys=[b"k"],
        max_age=60,
        path="/shop",
        domain="example.com",
        samesite="None",
        partitioned=True,
    )
    minted = full.mint(now=NOW)
    assert full.header(minted, secure=False, now=NOW + 10) == (
        f"shop_fp={minted.value}; Path=/shop; Domain=example.com; Max-Age=50; HttpOnly; "
        "SameSite=None; Secure; Partitioned"
    )


@pytest.mark.parametrize("name", ["__Host-fp", "__Host-Http-fp", "__Secure-fp", "__Http-fp"])
def test_prefixed_names_are_always_secure(name: str) -> None:
    cookie = FingerprintCookie(name, keys=["k"])
    minted = cookie.mint()
    assert "; Secure" in cookie.header(minted, secure=False)
    assert cookie.read(f"{name}={minted.value}") == minted


def test_header_signs_with_its_own_key(cookie: FingerprintCookie) -> None:
    foreign = FingerprintCookie(name="x", keys=["y"]).mint()
    got = cookie.read(cookie.header(foreign).split(";")[0])
    assert got is not None
    assert got.id == foreign.id


@pytest.mark.parametrize(
    ("arguments", "setting"),
    [
        ({"name": ""}, "name"),
        ({"name": "a b"}, "name"),
        ({"name": "Path"}, "name"),
        ({"name": "version"}, "name"),
        ({"name": "a;b"}, "name"),
        ({"name": "größe"}, "name"),
        ({"name": "n" * 129}, "name"),
        ({"name": "__Host-a", "domain": "a.b"}, "name"),
        ({"name": "__Host-a", "path": "/a"}, "name"),
        ({"name": "__Host-Http-a", "path": "/a"}, "name"),
        ({"keys": []}, "keys"),
        ({"keys": [""]}, "keys"),
        ({"keys": ["k", b""]}, "keys"),
        ({"keys": ["k"] * 17}, "keys"),
        ({"keys": ["k" * 5000]}, "keys"),
        ({"max_age": 0}, "max_age"),
        ({"max_age": -1}, "max_age"),
        ({"max_age": 2**40}, "max_age"),
        ({"path": ""}, "path"),
        ({"path": "shop"}, "path"),
        ({"path": "/;"}, "path"),
        ({"path": "/\r\nSet-Cookie: a=b"}, "path"),
        ({"domain": ""}, "domain"),
        ({"domain": "a b"}, "domain"),
        ({"samesite": "lax "}, "samesite"),
        ({"samesite": None}, "samesite"),
    ],
)
def test_a_wrong_setting_is_named(arguments: dict[str, Any], setting: str) -> None:
    with pytest.raises(ValueError, match=f"^{setting}: "):
        FingerprintCookie(**{"keys": ["k"], **arguments})


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"keys": None},
        {"keys": "secret"},
        {"keys": b"secret"},
        {"keys": [1]},
        {"keys": ["k"], "name": b"x"},
        {"keys": ["k"], "max_age": "60"},
        {"keys": ["k"], "unknown": 1},
    ],
)
def test_a_setting_of_another_type_is_a_type_error(arguments: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        FingerprintCookie(**arguments)


def test_short_keys_are_taken() -> None:
    cookie = FingerprintCookie(keys=("k", b"\x00\xff"))
    assert cookie.read("device_fp=" + cookie.mint().value) is not None


@pytest.mark.parametrize("now", [float("nan"), float("inf"), 1e300])
def test_a_time_beyond_all_times_is_a_value_error(cookie: FingerprintCookie, now: float) -> None:
    with pytest.raises(ValueError):
        cookie.read("", now=now)


def test_times_before_and_after_the_epochs_range(cookie: FingerprintCookie) -> None:
    assert cookie.mint(now=-5).issued_at == 0
    assert cookie.mint(now=2**40).issued_at == 2**32 - 1


def test_reprs_show_no_secret(cookie: FingerprintCookie) -> None:
    minted = cookie.mint()
    assert "secret" not in repr(cookie)
    assert "device_fp" in repr(cookie)
    assert minted.value not in repr(minted)
    assert minted.id in repr(minted)


def test_fingerprints_compare_and_hash_by_content(cookie: FingerprintCookie) -> None:
    minted = cookie.mint(now=NOW)
    same = cookie.read("device_fp=" + minted.value, now=NOW)
    assert same is not minted
    assert {minted: 1}[same] == 1  # type: ignore[index]
    assert minted != cookie.mint(now=NOW)
    other: object = minted.id
    assert minted != other


def test_types_are_final_and_fingerprints_are_not_made_by_hand() -> None:
    with pytest.raises(TypeError):
        Fingerprint()
    for base in (Fingerprint, FingerprintCookie):
        with pytest.raises(TypeError):
            type("Sub", (base,), {})


def test_objects_give_back_their_types(cookie: FingerprintCookie) -> None:
    gc.collect()  # what other tests left
    before = [sys.getrefcount(kind) for kind in (Fingerprint, FingerprintCookie)]
    for _ in range(100):
        one = FingerprintCookie(keys=["k"])
        one.read("device_fp=" + one.mint().value)
        with pytest.raises(ValueError):
            FingerprintCookie(keys=[])
    del one
    gc.collect()
    assert [sys.getrefcount(kind) for kind in (Fingerprint, FingerprintCookie)] == before
