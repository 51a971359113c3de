# SPDX-License-Identifier: MIT
"""headrace.jwt beside PyJWT: same answers, same exceptions, but where it is stricter."""

from __future__ import annotations

import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.warnings import RemovedInPyjwt3Warning

from headrace import Key
from headrace import jwt as ours
from tests.oracle.tokens import (
    ALGORITHMS,
    HMACS,
    SECRET,
    b64,
    encode_json,
    kind_of,
    private_key,
    private_pem,
    public_jwk,
    public_pem,
    raw_token,
    token,
)

NOW = int(time.time())


@pytest.fixture(autouse=True)
def _no_warnings_of_pyjwt() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pyjwt.InsecureKeyLengthWarning)
        yield


def outcome(module: Any, *args: Any, **kwargs: Any) -> Any:
    """What a call answers, or the class of what it raises."""
    try:
        return module.decode_complete(*args, **kwargs)
    except Exception as error:
        return type(error)


def live(claims: dict[str, Any] | None = None, algorithm: str = "HS256", **more: Any) -> str:
    return token({"exp": NOW + 600, **(claims or {})}, algorithm, **more)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_and_kind_of_key(algorithm: str) -> None:
    text = live({"a": [1, 2.5, None, {"b": "é"}]}, algorithm)
    keys: list[Any] = [pyjwt.PyJWK(public_jwk(algorithm))]
    if algorithm in HMACS:
        keys += [SECRET, SECRET.encode()]
    else:
        private = private_key("RSA" if algorithm[:2] in ("RS", "PS") else algorithm)
        keys += [public_pem(algorithm), public_pem(algorithm).decode(), private.public_key()]
        if not isinstance(private, rsa.RSAPrivateKey):  # PyJWT fails on its own for RSA
            keys += [private]
    for key in keys:
        want = pyjwt.decode_complete(text, key, algorithms=[algorithm])
        assert ours.decode_complete(text, key, algorithms=[algorithm]) == want
        assert ours.decode(text, key, [algorithm]) == want["payload"]
    own = Key.jwk(public_jwk(algorithm))
    assert ours.decode(text, own) == want["payload"]
    assert ours.decode(text, own, algorithms=[algorithm]) == want["payload"]


CLAIMS: list[dict[str, Any]] = [
    {},
    {"exp": NOW - 10},
    {"exp": NOW + 10.9},
    {"exp": str(NOW + 10)},
    {"exp": ""},
    {"exp": "x"},
    {"exp": None},
    {"exp": True},
    {"exp": [1]},
    {"exp": {}},
    {"nbf": NOW + 100},
    {"nbf": NOW - 100},
    {"nbf": "x"},
    {"nbf": None},
    {"iat": NOW + 100},
    {"iat": NOW - 100},
    {"iat": "x"},
    {"iat": None},
    {"iat": NOW + 100, "exp": NOW - 100},
    {"aud": "a"},
    {"aud": "b"},
    {"aud": ["a", "b"]},
    {"aud": ["a", 1]},
    {"aud": []},
    {"aud": ""},
    {"aud": None},
    {"aud": {"a": 1}},
    {"aud": "a", "exp": NOW - 10},
    {"iss": "i"},
    {"iss": "j"},
    {"iss": 1},
    {"iss": None},
    {"sub": "s"},
    {"sub": "t"},
    {"sub": 1},
    {"sub": None},
    {"jti": "j"},
    {"jti": 1},
    {"jti": None},
    {"x": 0},
    {"x": None},
]
CALLS: list[dict[str, Any]] = [
    {},
    {"audience": "a"},
    {"audience": ["a", "c"]},
    {"audience": {"a", "c"}},
    {"audience": []},
    {"audience": 1},
    {"audience": b"a"},
    {"issuer": "i"},
    {"issuer": ["i", "k"]},
    {"issuer": {"i"}},
    {"issuer": 1},
    {"subject": "s"},
    {"leeway": 60},
    {"leeway": 1000},
    {"leeway": -60},
    {"leeway": timedelta(seconds=1000)},
    {"options": {"require": ["exp", "x"]}},
    {"options": {"require": ["aud"]}, "audience": "a"},
    {"options": {"verify_signature": False}},
    {"options": {"verify_signature": False, "verify_exp": True}},
    {"options": {"strict_aud": True}, "audience": "a"},
    {"options": {"strict_aud": True}, "audience": ["a"]},
    *(
        {"options": {f"verify_{name}": False}, "audience": "a", "issuer": "i", "subject": "s"}
        for name in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")
    ),
    {"options": {"unheard_of": True}},
]


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_claims_are_judged_as_pyjwt_does(call: dict[str, Any]) -> None:
    for claims in CLAIMS:
        text = live(claims)
        want = outcome(pyjwt, text, SECRET, algorithms=["HS256"], **call)
        got = outcome(ours, text, SECRET, algorithms=["HS256"], **call)
        assert got == want, (claims, call)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a.b",
        "a.b.c.d",
        "..",
        None,
        1,
        raw_token(b"[1]"),
        raw_token(b"not json"),
        raw_token(b'{"exp":1}', b"[]"),
        raw_token(b'{"exp":1}', b"x"),
        raw_token(b"{}", b'{"typ":"JWT"}'),
        raw_token(b"{}", b'{"alg":null}'),
        raw_token(b"{}", b'{"alg":"none"}'),
        raw_token(b"{}", b'{"alg":"HS512"}'),
        raw_token(b"{}", b'{"alg":"HS256","kid":1}'),
        raw_token(b"{}", b'{"alg":"HS256","crit":["x"],"x":1}'),
        raw_token(b"{}", b'{"alg":"HS256","crit":[]}'),
        live(secret="another secret that is long enough"),
        live() + "AAAA",
        live()[:-4],
        live().replace(".", ". ", 1),
        f"{b64(b'{}')}.{b64(b'{}')}.",
    ],
    ids=str,
)
def test_bad_tokens_raise_what_pyjwt_raises(text: Any) -> None:
    want = outcome(pyjwt, text, SECRET, algorithms=["HS256"])
    assert issubclass(want, pyjwt.PyJWTError)
    got = outcome(ours, text, SECRET, algorithms=["HS256"])
    assert got is want or (want, got) == (pyjwt.InvalidAlgorithmError, pyjwt.DecodeError)


def words(module: Any, call: str, *args: Any, **kwargs: Any) -> str:
    """The text of what a call raises, up to what the JSON reader says."""
    with pytest.raises(pyjwt.PyJWTError) as caught:
        getattr(module, call)(*args, **kwargs)
    return str(caught.value).partition(":")[0]


@pytest.mark.parametrize(
    "text",
    [
        "a.b",
        "a!.e30.AAAA",
        f"{b64(b'[]')}.e30.AAAA",
        f"{b64(b'x')}.e30.AAAA",
        raw_token(b"{}").replace(".", ".!", 1),
        raw_token(b"{}") + "!",
        raw_token(b"[1]"),
        raw_token(b"nonsense"),
        raw_token(b"{}", b'{"typ":"JWT"}'),
        raw_token(b"{}", b'{"alg":"HS512"}'),
        raw_token(b"{}", b'{"alg":"HS256","kid":1}'),
        raw_token(b"{}", b'{"alg":"HS256","crit":["x"],"x":1}'),
        raw_token(b"{}", b'{"alg":"HS256","crit":[1]}'),
        raw_token(b"{}", b'{"alg":"HS256","crit":[]}'),
        raw_token(b"{}")[:-43] + "A" * 43,
        raw_token(b"{}")[:-43],
    ],
)
def test_texts_of_exceptions_begin_as_pyjwts(text: str) -> None:
    arguments = (text, SECRET, ["HS256"])
    assert words(ours, "decode", *arguments) == words(pyjwt, "decode", *arguments)


@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", [b"Infinity", b"-Infinity", b"NaN", b"1e400"])
def test_times_that_are_no_numbers(claim: str, value: bytes) -> None:
    text = raw_token(b'{"%b":%b}' % (claim.encode(), value))
    arguments = (text, SECRET, ["HS256"])
    if value != b"1e400":
        assert words(ours, "decode", *arguments) == words(pyjwt, "decode", *arguments)
    assert outcome(ours, *arguments) is outcome(pyjwt, *arguments)


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_public_keys_in_opensshs_format(algorithm: str) -> None:
    key = (
        private_key(kind_of(algorithm))
        .public_key()
        .public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    )
    text = live({"a": 1}, algorithm)
    for form in (key, key.decode()):
        assert ours.decode(text, form, [algorithm]) == pyjwt.decode(text, form, [algorithm])
        assert outcome(ours, token({}), form, ["HS256"]) is pyjwt.InvalidKeyError
    assert outcome(ours, text, key[:40], [algorithm]) is pyjwt.InvalidKeyError


def test_tokens_without_a_signature_are_read_where_none_is_asked_for() -> None:
    text = f"{b64(encode_json({'alg': 'none'}))}.{b64(encode_json({'a': 1}))}."
    options = {"verify_signature": False}
    assert outcome(ours, text, options=options) == outcome(pyjwt, text, options=options)
    assert ours.get_unverified_header(text) == {"alg": "none"}
    for algorithms in (["HS256"], ["none"], ["none", "HS256"]):
        got = outcome(ours, text, SECRET, algorithms)
        assert issubclass(got, pyjwt.PyJWTError)
    unsigned = raw_token(b"{}")[:-43]
    for call in ((unsigned, SECRET, ["HS256"]), (unsigned, SECRET, ["HS512"])):
        assert outcome(ours, *call) is outcome(pyjwt, *call)


@pytest.mark.parametrize(
    ("key", "algorithms"),
    [
        (SECRET, None),
        (SECRET, []),
        (SECRET, ["RS256"]),
        (SECRET, ["HS512"]),
        (SECRET, ["none"]),
        ("", ["HS256"]),
        (public_pem("RS256"), ["HS256"]),
        (public_pem("RS256"), ["HS256", "RS256"]),
        (public_pem("ES384"), ["ES256"]),
        (None, ["HS256"]),
        (1, ["HS256"]),
    ],
)
@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "ES256"])
def test_keys_that_do_not_fit(key: Any, algorithms: Any, algorithm: str) -> None:
    text = live({}, algorithm)
    want = outcome(pyjwt, text, key, algorithms=algorithms)
    assert outcome(ours, text, key, algorithms=algorithms) == want


def test_what_is_stricter_than_pyjwt() -> None:
    """Each of these is a row of docs/explanation/security.md."""
    good = live({"a": 1})
    header, _, signature = good.split(".")
    assert outcome(pyjwt, good + "=", SECRET, algorithms=["HS256"])["payload"]["a"] == 1
    for text in (
        good + "=",  # padding
        raw_token(b'{"a":1,"a":2}'),  # a name twice
        raw_token(b'{"a":NaN}'),
        raw_token(b'{"a":"\\ud800"}'),
        raw_token(b"\xef\xbb\xbf{}"),
        raw_token(b'{"a":%b1%b}' % (b"[" * 40, b"]" * 40)),
        raw_token(b"{}", b'{"alg":"HS256","alg":"HS256"}'),
        raw_token(b"{}", b'{"alg":"HS256","zip":"DEF"}'),
        raw_token(b"{}", b'{"alg":"HS256","cty":"JWT"}'),
        raw_token(b"{}", b'{"alg":"HS256","x":"%b"}' % (b"x" * 1024)),
    ):
        assert outcome(ours, text, SECRET, algorithms=["HS256"]) is pyjwt.DecodeError
    short = token({"exp": NOW + 3600}, secret="short")
    assert isinstance(outcome(pyjwt, short, "short", algorithms=["HS256"]), dict)
    assert outcome(ours, short, "short", algorithms=["HS256"]) is pyjwt.InvalidKeyError
    assert "below" in words(ours, "decode", short, "short", ["HS256"])
    options = {"enforce_minimum_key_length": False}
    assert isinstance(outcome(ours, short, "short", ["HS256"], options=options), dict)
    pem = private_pem("RS256")
    assert outcome(ours, live({}, "RS256"), pem, ["RS256"]) is pyjwt.InvalidKeyError
    detached = f"{header}..{signature}"
    assert outcome(ours, detached, SECRET, ["HS256"], detached_payload=b"x") is pyjwt.DecodeError


def test_arguments_have_pyjwts_order() -> None:
    text = live({"sub": "s", "iss": "i", "aud": "a"})
    args = (text, SECRET, ["HS256"], None, None, None, "a")
    assert ours.decode(*args, "s", "i", 0) == pyjwt.decode(*args, "s", "i", 0)
    assert ours.decode_complete(*args, "i", "s", 0) == pyjwt.decode_complete(*args, "i", "s", 0)


@pytest.mark.parametrize("call", ["decode", "decode_complete"])
def test_deprecated_arguments_warn(call: str) -> None:
    with pytest.warns(DeprecationWarning, match="verify") as found:
        getattr(ours, call)(live(), SECRET, ["HS256"], verify=False)
    assert [one.filename for one in found] == [__file__]
    with pytest.warns(RemovedInPyjwt3Warning, match="foo") as found:
        getattr(ours, call)(live(), SECRET, ["HS256"], foo=1)
    assert [one.filename for one in found] == [__file__]


def test_options_are_not_changed() -> None:
    options = {"verify_signature": False}
    ours.decode(live(), options=options)
    assert options == {"verify_signature": False}


def test_unverified_header() -> None:
    text = token({}, header={"kid": "k", "x": {"y": [1]}})
    assert ours.get_unverified_header(text) == pyjwt.get_unverified_header(text)
    none = f"{b64(encode_json({'alg': 'none'}))}.{b64(b'{}')}.{b64(b'x')}"
    assert ours.get_unverified_header(none) == {"alg": "none"}
    for bad in ("a.b", raw_token(b"{}", b'{"kid":1}'), raw_token(b"{}", b'{"crit":["x"]}')):
        with pytest.raises(pyjwt.InvalidTokenError):
            ours.get_unverified_header(bad)


def test_exceptions_are_pyjwts_own() -> None:
    for name in ours.__all__:
        if name.endswith("Error"):
            assert getattr(ours, name) is getattr(pyjwt.exceptions, name)
    with pytest.raises(pyjwt.MissingRequiredClaimError) as caught:
        ours.decode(live(), SECRET, ["HS256"], options={"require": ["x"]})
    assert caught.value.claim == "x"


def test_other_names_are_handed_on() -> None:
    assert ours.encode is pyjwt.encode
    assert ours.PyJWKClient is pyjwt.PyJWKClient
    assert ours.decode(ours.encode({"a": 1}, SECRET), SECRET, ["HS256"]) == {"a": 1}
    with pytest.raises(AttributeError, match="unheard_of"):
        _ = ours.unheard_of


WITHOUT_PYJWT = """
import sys
sys.modules["jwt"] = None
from headrace import jwt
assert jwt.DecodeError.__module__.startswith("headrace")
assert issubclass(jwt.InvalidSignatureError, jwt.DecodeError)
assert issubclass(jwt.DecodeError, jwt.InvalidTokenError)
assert issubclass(jwt.InvalidKeyError, jwt.PyJWTError)
try:
    jwt.decode("a.b.c", "x" * 32, ["HS256"])
except jwt.DecodeError:
    pass
else:
    raise SystemExit("not refused")
try:
    jwt.decode(sys.argv[1], sys.argv[2], ["HS256"], options={"require": ["x"]})
except jwt.MissingRequiredClaimError as error:
    assert str(error) == 'Token is missing the "x" claim'
    assert error.claim == "x"
else:
    raise SystemExit("not refused")
assert jwt.decode(sys.argv[1], sys.argv[2], ["HS256"])["a"] == 1
try:
    jwt.encode
except ImportError as error:
    assert "PyJWT" in str(error), error
else:
    raise SystemExit("no ImportError")
"""


def test_without_pyjwt() -> None:
    subprocess.run(
        [sys.executable, "-c", WITHOUT_PYJWT, live({"a": 1}), SECRET], check=True, timeout=60
    )


def test_cost_table_names_engines_and_algorithms() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "headrace.jwt"],
        check=True,
        timeout=120,
        capture_output=True,
        text=True,
    )
    assert "engine openssl: " in done.stdout
    for algorithm in ALGORITHMS:
        assert f"\n{algorithm} " in done.stdout


@pytest.mark.parametrize("algorithms", [[], (), [None]])
def test_empty_list_of_algorithms_allows_none(algorithms: Any) -> None:
    """Not even the one that a key is pinned to."""
    text = token({"exp": NOW + 3600})
    with pytest.raises(pyjwt.InvalidAlgorithmError):
        ours.decode(text, Key.secret(SECRET, algorithm="HS256"), algorithms=algorithms)


def test_unverified_header_has_its_limits_too() -> None:
    text = raw_token(b"{}", b'{"alg":"HS256","x":"%b"}' % (b"x" * 1024))
    with pytest.raises(pyjwt.DecodeError):
        ours.get_unverified_header(text)


def test_more_digits_than_python_takes_are_a_decode_error() -> None:
    text = raw_token(b'{"n":%b}' % (b"7" * 700))
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    try:
        with pytest.raises(pyjwt.DecodeError):
            ours.decode(text, SECRET, algorithms=["HS256"])
    finally:
        sys.set_int_max_str_digits(before)
