# SPDX-License-Identifier: MIT
"""What the constructors take: signatures, defaults, and errors that name the argument."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from headrace import EventSink, FingerprintCookie, Gate, Key, PathFilter, TokenVerifier

SECRET = "a secret that must not be shown in any message"
JWK = {"kty": "oct", "alg": "HS256", "k": "c2VjcmV0" * 6}
PEM = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----"""


@dataclass
class Constructor:
    call: Callable[..., Any]
    needed: dict[str, Any]
    wrong: dict[str, list[Any]]  # out of range, by argument


HUGE, TINY = 1 << 100, -(1 << 100)
KEY_WRONG: dict[str, list[Any]] = {
    "data": ["", b"short", "\ud800" + SECRET],
    "algorithm": ["none", "\ud800"],
    "key_id": ["a\n", "x" * 257, "\ud800"],
}
CONSTRUCTORS = {
    "TokenVerifier": Constructor(
        TokenVerifier,
        {"keys": [Key.secret(SECRET, algorithm="HS256")]},
        {
            "keys": [[], "x", [object()]],
            "audience": ["", [], ["a", ""], "\ud800", [object()]],
            "issuer": ["", [], ["a", ""], "\ud800", [object()]],
            "subject": ["\ud800"],
            "expect": [{"a": ()}, {"a": float("nan")}, {"a": object()}, {1: 2}, {"\ud800": 1}],
            "leeway": [-1, float("nan"), 10**400],
            "require": ["exp", ["\ud800"], [object()]],
            "type": ["\ud800"],
            "max_lifetime": [0, -1, float("nan"), float("inf"), 10**400],
            "max_bytes": [0, -1, 1 << 21, HUGE, TINY],
            "cache_size": [-1, 1 << 21, HUGE, TINY],
            "engine": ["jansson", "", "\ud800", "openssl'"],
        },
    ),
    "PathFilter": Constructor(
        PathFilter,
        {"rules": {"skip": ["/static/"]}},
        {
            "rules": [{"skip": ["nonsense"]}, {"": ["/"]}, {1: ["/"]}, {"skip": 1}],
            "default": ["", "x" * 65],
        },
    ),
    "FingerprintCookie": Constructor(
        FingerprintCookie,
        {"keys": [SECRET]},
        {
            "name": ["", "a b", "\ud800"],
            "keys": [[], [""], "k", ["k"] * 17, ["k" * 4097], ["\ud800" + SECRET], [object()]],
            "max_age": [0, -1, 1 << 40, HUGE, TINY],
            "path": ["", "x", "\ud800"],
            "domain": ["", "a b", "\ud800"],
            "samesite": [None, "", "lax ", "\ud800"],
        },
    ),
    "EventSink": Constructor(
        EventSink,
        {"url": "memory:"},
        {
            "url": ["http://x", f"redis://:{SECRET}#@host", "\ud800", "file:"],
            "prefix": ["a b", "{", "x" * 65, "\ud800"],
            "stream": ["", "x" * 513, "\ud800"],
            "ring_bytes": [0, -1, 1 << 40, HUGE, TINY],
            "linger": [-1, 61, float("nan"), 10**400],
            "batch": [0, -1, 4097, HUGE, TINY],
            "max_length": [0, -1, HUGE, TINY],
            "ring_dir": ["\0", 1.5],
            "reconnect": [(0, 1), (1, 0.5), (1,), (1, 2, 3), (1, float("inf")), (1, object())],
            "connect_timeout": [0, -1, float("nan"), float("inf"), 10**400],
            "command_timeout": [0, -1, float("nan"), float("inf"), 10**400],
            "exit_timeout": [-1, float("nan"), float("inf"), 10**400],
            "delivery": ["perhaps", "", "\ud800"],
            "reserve": [{"a": 1}, {"": 0.1}, {1: 0.1}, {"a": "b"}, {"\ud800": 0.1}, {"a": HUGE}],
            "max_age": [0, -1, float("nan"), float("inf"), 10**400],
            "sample": [0, -1, 1.5, float("nan"), 10**400],
            "ca_file": ["\0"],
            "certificate": ["\0"],
            "private_key": ["\0"],
            "client_name": ["two words", "x" * 129, "\ud800"],
        },
    ),
    "Gate": Constructor(
        Gate,
        {},
        {
            "require_token": ["api", ["nope"], [object()], ["api"]],
            "user_claims": ["sub", [""], ["x"] * 17, [object()], ["\ud800"]],
            "token_from": ["bearer", ["header"], ["cookie:"], ["bearer"] * 9, [object()]],
            "treat_as": [{"nope": "api"}, {"api": "track"}, {1: 2}],
            "event_fields": ["host", ["nope"], [object()]],
            "mode": ["maybe", 1, "\ud800"],
            "gpc": ["maybe", 1, "\ud800"],
            "trusted_proxies": [-1, 101, HUGE, TINY],
            "token_header": ["", "X Token", "x" * 65],
        },
    ),
    "Key.secret": Constructor(Key.secret, {"data": SECRET, "algorithm": "HS256"}, KEY_WRONG),
    "Key.pem": Constructor(Key.pem, {"data": PEM, "algorithm": "EdDSA"}, KEY_WRONG),
    "Key.jwk": Constructor(
        Key.jwk,
        {"document": JWK},
        {"document": ["{", {}, {"a": object()}, "\ud800"], "algorithm": ["none", "\ud800"]},
    ),
    "Key.jwks": Constructor(
        Key.jwks,
        {"document": {"keys": [JWK]}},
        {"document": ["{", {"keys": [{}]}, {"a": object()}], "algorithm": ["none", "\ud800"]},
    ),
}
ARGUMENTS = [
    (name, argument)
    for name, made in CONSTRUCTORS.items()
    for argument in inspect.signature(made.call).parameters
]
EMPTY = inspect.Parameter.empty


def called(constructor: str, arguments: dict[str, Any]) -> Any:
    """Calls the constructor as its signature says, by place where it may be."""
    made = CONSTRUCTORS[constructor]
    bound = inspect.signature(made.call).bind(**{**made.needed, **arguments})
    return made.call(*bound.args, **bound.kwargs)


def attributes(made: Any) -> dict[str, Any]:
    one = made[0] if isinstance(made, list) else made
    names = [name for name in dir(one) if not name.startswith("_")]
    return {name: value for name in names if not callable(value := getattr(one, name))}


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_every_shown_default_is_taken(name: str) -> None:
    parameters = inspect.signature(CONSTRUCTORS[name].call).parameters
    shown = {key: one.default for key, one in parameters.items() if one.default is not EMPTY}
    assert attributes(called(name, shown)) == attributes(called(name, {}))
    for key, default in shown.items():
        assert attributes(called(name, {key: default})) == attributes(called(name, {}))


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_what_has_no_default_must_be_given(name: str) -> None:
    made = CONSTRUCTORS[name]
    parameters = inspect.signature(made.call).parameters
    assert {key for key, one in parameters.items() if one.default is EMPTY} == set(made.needed)
    for key in made.needed:
        with pytest.raises(TypeError, match=f"'{key}'"):
            made.call(**{other: made.needed[other] for other in made.needed if other != key})


@pytest.mark.parametrize("name", CONSTRUCTORS)
def test_keyword_only_arguments_are_not_taken_by_place(name: str) -> None:
    made = CONSTRUCTORS[name]
    parameters = inspect.signature(made.call).parameters.values()
    places = [one.name for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD]
    assert len(places) == {"PathFilter": 2, "Gate": 0}.get(name, 1)
    values = [made.needed.get(place, "track") for place in places]
    with pytest.raises(TypeError, match=f"at most {len(places)} positional"):
        made.call(*values, object())
    with pytest.raises(TypeError, match="unexpected keyword argument 'nonsense'"):
        made.call(nonsense=1)
    with pytest.raises(TypeError):
        made.call(**{"*": 1})
    for place in places:
        with pytest.raises(TypeError, match=f"multiple values for argument '{place}'"):
            made.call(*values, **{place: 1})


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
def test_an_object_of_another_type_is_named(name: str, argument: str) -> None:
    words = {"samesite", "engine", "delivery", "mode", "gpc"}  # any other one is a ValueError
    error = ValueError if argument in words else TypeError
    with pytest.raises(error, match=rf"^{argument}: ") as raised:
        called(name, {argument: object()})
    assert "object object" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "argument", "value"),
    [
        (name, argument, value)
        for name, argument in ARGUMENTS
        for value in CONSTRUCTORS[name].wrong.get(argument, [])
    ],
)
def test_a_value_out_of_range_is_named(name: str, argument: str, value: object) -> None:
    with pytest.raises((TypeError, ValueError), match=rf"^{argument}\b") as raised:
        called(name, {argument: value})
    assert not isinstance(raised.value, UnicodeError)
    shown = "".join(map(str, raised.value.args))
    assert SECRET not in shown
    assert "0x" not in shown


def test_a_tuple_with_one_member_is_shown_as_a_tuple() -> None:
    assert inspect.signature(TokenVerifier).parameters["require"].default == ("exp",)
    assert inspect.signature(Gate).parameters["token_from"].default == ("bearer",)


@pytest.mark.parametrize("kind", [TokenVerifier, PathFilter, FingerprintCookie, EventSink, Gate])
def test_the_text_signature_is_the_signature(kind: type) -> None:
    assert str(inspect.signature(kind)) == kind.__text_signature__
    for name, method in vars(kind).items():
        if callable(method) and not name.startswith("__"):
            assert inspect.signature(getattr(kind, name)) is not None


def test_both_enter_calls_take_the_same() -> None:
    one, other = (
        list(inspect.signature(call).parameters.values())[2:]
        for call in (Gate.enter, Gate.enter_scope)
    )
    assert one == other
    assert {parameter.kind for parameter in one} == {inspect.Parameter.KEYWORD_ONLY}
    assert [parameter.name for parameter in one] == ["path", "secure", "mode"]
    for call in (Gate().enter, Gate().enter_scope):
        with pytest.raises(TypeError, match="positional"):
            call({}, "/")  # type: ignore[operator]


def test_a_gate_has_the_attributes_of_its_parts_only() -> None:
    public = {name for name in dir(Gate) if not name.startswith("_")}
    assert public == {"verifier", "paths", "fingerprint", "sink", "mode", "enter", "enter_scope"}
