# SPDX-License-Identifier: MIT
"""The request table, cell by cell, through `enter` and through `enter_scope`."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from headrace import (
    EventSink,
    FingerprintCookie,
    Gate,
    Key,
    PathFilter,
    Token,
    TokenVerifier,
    Visit,
)
from tests.oracle.jws import SECRET, make_token

RULES = {"skip": ["/static/"], "api": ["/api/"], "shop": ["/shop/"], "account": ["/account/"]}
NAVIGATION = {"Sec-Fetch-Mode": "navigate"}
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"

Enter = Callable[..., Visit]


def make_environ(
    path: str = "/", method: str = "GET", headers: dict[str, str] | None = None, **more: Any
) -> dict[str, Any]:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path.encode().decode("latin-1"),
        "QUERY_STRING": "q=secret",
        "REMOTE_ADDR": "192.0.2.77",
        "wsgi.url_scheme": "http",
        "HTTP_USER_AGENT": BROWSER,
    }
    for name, value in (headers or {}).items():
        environ["HTTP_" + name.upper().replace("-", "_")] = value
    return {**environ, **more}


def make_scope(
    path: str = "/", method: str = "GET", headers: dict[str, str] | None = None, **more: Any
) -> dict[str, Any]:
    pairs = {"User-Agent": BROWSER, **(headers or {})}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "root_path": "",
        "query_string": b"q=secret",
        "scheme": "http",
        "client": ("192.0.2.77", 4711),
        "headers": [[k.lower().encode(), v.encode("latin-1")] for k, v in pairs.items()],
    }
    return {**scope, **more}


@pytest.fixture
def sink() -> Iterator[EventSink]:
    sink = EventSink("memory:")
    yield sink
    sink.close()


@pytest.fixture(scope="module")
def verifier() -> TokenVerifier:
    return TokenVerifier([Key.secret(SECRET, algorithm="HS256")])


@pytest.fixture(scope="module")
def cookie() -> FingerprintCookie:
    return FingerprintCookie(keys=["a key of the site"])


@pytest.fixture
def make_gate(
    sink: EventSink, verifier: TokenVerifier, cookie: FingerprintCookie
) -> Callable[..., Gate]:
    def make(**settings: Any) -> Gate:
        defaults: dict[str, Any] = {
            "verifier": verifier,
            "paths": PathFilter(RULES),
            "fingerprint": cookie,
            "sink": sink,
        }
        return Gate(**{**defaults, **settings})

    return make


@pytest.fixture(params=["environ", "scope"])
def enter(request: pytest.FixtureRequest) -> Enter:
    """``enter(gate, path, method, headers)`` through one front or the other."""

    def through_environ(
        gate: Gate,
        path: str = "/",
        method: str = "GET",
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> Visit:
        return gate.enter(make_environ(path, method, headers), **options)

    def through_scope(
        gate: Gate,
        path: str = "/",
        method: str = "GET",
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> Visit:
        return gate.enter_scope(make_scope(path, method, headers), **options)

    return through_environ if request.param == "environ" else through_scope


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def one_event(sink: EventSink) -> dict[str, Any]:
    events = sink.captured()
    assert len(events) == 1
    return events[0]


def set_cookie(added: list[tuple[Any, Any]]) -> str | None:
    """The Set-Cookie value that `finish` answered, as str."""
    if not added:
        return None
    [(name, value)] = added
    if isinstance(name, bytes):
        assert name == b"set-cookie"
        return value.decode()
    assert name == "Set-Cookie"
    return value


# --- the label ---------------------------------------------------------------------------------


def test_skip_looks_at_nothing(make_gate: Any, enter: Enter, sink: EventSink) -> None:
    headers = {**bearer(make_token()), **NAVIGATION}
    visit = enter(make_gate(), "/static/app.css", headers=headers)
    assert (visit.label, visit.token, visit.fingerprint) == ("skip", None, None)
    assert visit.reason is None
    assert visit.finish(200, []) == []
    assert sink.captured() == []


def test_label_of_the_users_own_follows_track_by_default(make_gate: Any, enter: Enter) -> None:
    visit = enter(make_gate(), "/shop/7", headers=NAVIGATION)
    assert visit.label == "shop"
    assert visit.is_new


def test_treat_as_gives_a_label_another_row(make_gate: Any, enter: Enter) -> None:
    gate = make_gate(treat_as={"shop": "api", "account": "skip"})
    assert not enter(gate, "/shop/7", headers=NAVIGATION).is_new
    visit = enter(gate, "/account/", headers=bearer(make_token()))
    assert (visit.label, visit.token) == ("account", None)


def test_without_paths_everything_is_tracked(make_gate: Any, enter: Enter) -> None:
    assert enter(make_gate(paths=None), "/static/x").label == "track"


# --- the token ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/api/x"])
def test_token_is_verified(make_gate: Any, enter: Enter, path: str) -> None:
    visit = enter(make_gate(), path, headers=bearer(make_token(user_id="7")))
    assert isinstance(visit.token, Token)
    assert visit.token is visit.token
    assert (visit.user, visit.reason, visit.token_source) == ("7", None, "bearer")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("Bearer", "malformed"),
        ("Bearer ", "malformed"),
        ("Bearer nonsense", "malformed"),
        ("Bearer " + make_token(exp=1), "expired"),
        ("Bearer " + make_token(secret="f" * 32), "signature"),
        ("Bearer " + make_token(header={"alg": "none"}), "algorithm"),
    ],
)
def test_bad_token_never_raises_and_says_why(
    make_gate: Any, enter: Enter, sink: EventSink, value: str, reason: str
) -> None:
    visit = enter(make_gate(), "/", headers={"Authorization": value})
    assert (visit.token, visit.user, visit.reason) == (None, None, reason)
    visit.finish(200, [])
    assert one_event(sink)["reason"] == reason


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
@pytest.mark.parametrize("space", [" ", "  ", "\t"])
def test_scheme_is_compared_without_case(
    make_gate: Any, enter: Enter, scheme: str, space: str
) -> None:
    headers = {"Authorization": scheme + space + make_token()}
    assert enter(make_gate(), headers=headers).token is not None


@pytest.mark.parametrize("value", ["", "Basic dTpw", "Bearerx", "Token abc", "Bear"])
def test_other_scheme_is_no_token(make_gate: Any, enter: Enter, value: str) -> None:
    visit = enter(make_gate(), headers={"Authorization": value})
    assert (visit.token, visit.reason, visit.token_source) == (None, None, None)


def test_two_authorization_headers_are_malformed(make_gate: Any) -> None:
    scope = make_scope(headers=bearer(make_token()))
    scope["headers"].append([b"Authorization", b"Bearer x"])
    visit = make_gate().enter_scope(scope)
    assert (visit.token, visit.reason) == (None, "malformed")


def test_header_name_with_underscore_is_not_authorization(make_gate: Any) -> None:
    scope = make_scope()
    scope["headers"].append([b"author_ization", b"Bearer x"])
    assert make_gate().enter_scope(scope).reason is None


def test_first_source_present_counts(make_gate: Any, enter: Enter) -> None:
    gate = make_gate(token_from=("bearer", "cookie:access"))
    good, bad = make_token(user_id="1"), make_token(user_id="2", secret="f" * 32)
    visit = enter(gate, headers={"Cookie": f"a=1; access={good}"})
    assert (visit.user, visit.token_source) == ("1", "cookie:access")
    visit = enter(gate, headers={**bearer(bad), "Cookie": f"access={good}"})
    assert (visit.token, visit.reason, visit.token_source) == (None, "signature", "bearer")
    visit = enter(gate, headers={"Authorization": "Basic x", "Cookie": f"access={good}"})
    assert visit.token_source == "cookie:access"


def test_exact_scheme_of_a_framework(make_gate: Any, enter: Enter) -> None:
    gate = make_gate(token_from=("scheme:JWT",))
    token = make_token()
    assert enter(gate, headers={"Authorization": f"JWT {token}"}).token_source == "bearer"
    assert enter(gate, headers={"Authorization": f"jwt {token}"}).token is None


@pytest.mark.parametrize(
    ("claims", "user"),
    [
        ({"user_id": 42}, "42"),
        ({"user_id": None, "sub": "bob"}, "bob"),
        ({"user_id": "a", "sub": "b"}, "a"),
        ({"user_id": "J\u00f6rg \U0001f600"}, "J\u00f6rg \U0001f600"),
        ({"user_id": ["x"], "sub": None}, None),
        ({"user_id": None}, None),
    ],
)
def test_user_is_the_first_of_user_claims(
    make_gate: Any, enter: Enter, claims: dict[str, Any], user: str | None
) -> None:
    visit = enter(make_gate(), headers=bearer(make_token(claims)))
    assert visit.token is not None
    assert visit.user == user


def test_required_label_is_refused_without_a_token(make_gate: Any, enter: Enter) -> None:
    gate = make_gate(require_token=["account"])
    assert enter(gate, "/account/").refusal == "token"
    assert enter(gate, "/account/", headers=bearer(make_token(exp=1))).refusal == "token"
    assert enter(gate, "/account/", headers=bearer(make_token())).refusal is None
    assert enter(gate, "/account/", "OPTIONS").refusal is None
    assert enter(gate, "/").refusal is None


# --- the fingerprint ---------------------------------------------------------------------------


def test_navigation_without_a_cookie_makes_a_candidate(
    make_gate: Any, enter: Enter, sink: EventSink, cookie: FingerprintCookie
) -> None:
    visit = enter(make_gate(), headers=NAVIGATION)
    assert visit.is_new
    fingerprint = visit.fingerprint
    assert fingerprint is not None
    value = set_cookie(visit.finish(200, []))
    assert value is not None
    pair, *attributes = value.split("; ")
    assert pair == f"device_fp={fingerprint.value}"
    assert "Max-Age=2592000" in attributes
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(attributes)
    assert "Secure" not in attributes
    event = one_event(sink)
    assert (event["fingerprint"], event["new"]) == (fingerprint.id, "1")
    read = cookie.read(pair)
    assert read is not None
    assert read.id == fingerprint.id


@pytest.mark.parametrize("front", ["environ", "scope"])
def test_secure_follows_the_scheme_unless_given(make_gate: Any, front: str) -> None:
    gate = make_gate()

    def cookie_of(scheme: str, secure: bool | None) -> str:
        visit = (
            gate.enter(
                make_environ(headers=NAVIGATION, **{"wsgi.url_scheme": scheme}), secure=secure
            )
            if front == "environ"
            else gate.enter_scope(make_scope(headers=NAVIGATION, scheme=scheme), secure=secure)
        )
        value = set_cookie(visit.finish(200, []))
        assert value is not None
        return value

    assert "Secure" in cookie_of("https", None).split("; ")
    assert "Secure" not in cookie_of("http", None).split("; ")
    assert "Secure" in cookie_of("http", True).split("; ")
    assert "Secure" not in cookie_of("https", False).split("; ")


def test_returning_visitor_keeps_the_id(
    make_gate: Any, enter: Enter, sink: EventSink, cookie: FingerprintCookie
) -> None:
    fingerprint = cookie.mint()
    headers = {"Cookie": f"a=b; device_fp={fingerprint.value}", **NAVIGATION}
    visit = enter(make_gate(), headers=headers)
    assert visit.fingerprint is not None
    assert (visit.fingerprint.id, visit.is_new) == (fingerprint.id, False)
    assert visit.finish(200, []) == []
    event = one_event(sink)
    assert event["fingerprint"] == fingerprint.id
    assert "new" not in event


@pytest.mark.parametrize(
    ("why", "path", "method", "headers"),
    [
        ("api", "/api/x", "GET", NAVIGATION),
        ("not GET", "/", "POST", NAVIGATION),
        ("HEAD", "/", "HEAD", NAVIGATION),
        ("a script fetches", "/", "GET", {"Sec-Fetch-Mode": "cors", "Accept": "text/html"}),
        ("no sign of a navigation", "/", "GET", {"Accept": "application/json"}),
        ("nothing at all", "/", "GET", {}),
        ("prefetch", "/", "GET", {**NAVIGATION, "Sec-Purpose": "prefetch;prerender"}),
        ("old prefetch", "/", "GET", {**NAVIGATION, "Purpose": "prefetch"}),
        ("old Firefox prefetch", "/", "GET", {**NAVIGATION, "X-Moz": "prefetch"}),
        ("bot", "/", "GET", {**NAVIGATION, "User-Agent": "Googlebot/2.1"}),
        ("a user", "/", "GET", {**NAVIGATION, **bearer(make_token())}),
        ("GPC", "/", "GET", {**NAVIGATION, "Sec-GPC": "1"}),
    ],
)
def test_no_candidate(
    make_gate: Any,
    enter: Enter,
    sink: EventSink,
    why: str,
    path: str,
    method: str,
    headers: dict[str, str],
) -> None:
    visit = enter(make_gate(gpc="off"), path, method, headers)
    assert not visit.is_new
    assert visit.fingerprint is None
    assert visit.finish(200, []) == []


def test_accept_stands_in_for_a_missing_fetch_mode(make_gate: Any, enter: Enter) -> None:
    accept = "text/html,application/xhtml+xml,*/*;q=0.8"
    assert enter(make_gate(), headers={"Accept": accept}).is_new


def test_bad_token_is_anonymous_and_gets_a_cookie(make_gate: Any, enter: Enter) -> None:
    headers = {**NAVIGATION, **bearer(make_token(exp=1))}
    assert enter(make_gate(), headers=headers).is_new


@pytest.mark.parametrize(
    ("status", "headers", "handed_out"),
    [
        (200, [], True),
        (204, [], True),
        (302, [], True),
        (301, [], False),
        (304, [], False),
        (308, [], False),
        (400, [], False),
        (404, [], False),
        (500, [], False),
        (200, None, False),
        (200, [("Cache-Control", "public")], False),
        (200, [("cache-control", "max-age=60")], False),
        (200, [("Cache-Control", "max-age=60, private")], True),
        (200, [("Cache-Control", "no-store")], True),
        (200, [("Cache-Control", "s-maxage=0")], False),
        (200, [("Cache-Control", "max-age=60"), ("Cache-Control", "private")], True),
        (200, [("Expires", "Fri, 01 Jan 2100 00:00:00 GMT")], False),
        (200, [("Expires", "Fri, 01 Jan 1999 00:00:00 GMT")], True),
        (200, [("CDN-Cache-Control", "max-age=1")], False),
        (200, [("Surrogate-Control", "no-store")], True),
        (200, [("Vary", "Cookie"), ("Cache-Control", "public")], False),
        (200, [(b"cache-control", b"public")], False),
        (200, {"Cache-Control": "public"}, False),
        (200, {"Content-Type": "text/html"}, True),
        (200, ["not a pair"], False),
        (200, 7, False),
    ],
)
def test_cookie_is_handed_out_only_where_no_shared_cache_keeps_it(
    make_gate: Any,
    enter: Enter,
    sink: EventSink,
    status: int,
    headers: Any,
    handed_out: bool,
) -> None:
    visit = enter(make_gate(), headers=NAVIGATION)
    assert visit.is_new
    assert (set_cookie(visit.finish(status, headers)) is not None) == handed_out
    for event in sink.captured():
        assert ("fingerprint" in event) == handed_out
        assert ("new" in event) == handed_out


def test_user_of_the_session_gets_no_cookie(make_gate: Any, enter: Enter, sink: EventSink) -> None:
    visit = enter(make_gate(), headers=NAVIGATION)
    assert visit.finish(200, [], user=7) == []
    event = one_event(sink)
    assert event["user"] == "7"
    assert "fingerprint" not in event


def test_cookie_of_an_old_key_is_issued_anew(make_gate: Any, enter: Enter) -> None:
    old = FingerprintCookie(keys=["old"]).mint(now=time.time() - 86400)
    gate = make_gate(fingerprint=FingerprintCookie(keys=["new", "old"]))
    headers = {"Cookie": f"device_fp={old.value}"}
    visit = enter(gate, headers=headers)
    assert not visit.is_new
    value = set_cookie(visit.finish(200, []))
    assert value is not None
    again = FingerprintCookie(keys=["new"]).read(value.split(";")[0])
    assert again is not None
    assert (again.id, again.issued_at) == (old.id, old.issued_at)
    max_age = next(part for part in value.split("; ") if part.startswith("Max-Age="))
    assert 29 * 86400 - 60 <= int(max_age[8:]) <= 29 * 86400  # what is left of 30 days
    assert enter(gate, headers=headers).finish(200, [("Cache-Control", "public")]) == []
    assert enter(gate, headers=headers).finish(404, []) == []


@pytest.mark.parametrize("mode", ["off", "derived"])
def test_mode_without_cookies_hands_none_out(make_gate: Any, enter: Enter, mode: str) -> None:
    visit = enter(make_gate(mode=mode), headers=NAVIGATION)
    assert not visit.is_new
    assert visit.finish(200, []) == []
    visit = enter(make_gate(), headers=NAVIGATION, mode=mode)
    assert not visit.is_new


def test_consent_may_allow_more_than_the_default(make_gate: Any, enter: Enter) -> None:
    assert enter(make_gate(mode="off"), headers=NAVIGATION, mode="cookie").is_new


def test_gpc_limits_what_is_done(make_gate: Any, enter: Enter, cookie: FingerprintCookie) -> None:
    value = cookie.mint().value
    headers = {"Cookie": f"device_fp={value}", "Sec-GPC": "1"}
    assert enter(make_gate(gpc="off"), headers=headers).fingerprint is None
    visit = enter(make_gate(gpc="cookie"), headers=headers)
    assert visit.fingerprint is not None
    assert visit.fingerprint.value == value


def test_derived_id_is_the_same_for_the_same_client(make_gate: Any, enter: Enter) -> None:
    first = enter(make_gate(mode="derived")).fingerprint
    second = enter(make_gate(mode="derived")).fingerprint
    other = enter(make_gate(mode="derived"), headers={"User-Agent": "another"}).fingerprint
    assert first is not None
    assert second is not None
    assert other is not None
    assert first.id == second.id
    assert first.id != other.id


# --- the event ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "method", "status", "with_token", "recorded"),
    [
        ("/", "GET", 200, False, True),
        ("/", "GET", 404, False, False),
        ("/", "GET", 302, False, False),
        ("/", "POST", 200, False, False),
        ("/", "HEAD", 200, False, False),
        ("/", "POST", 500, True, True),
        ("/api/x", "GET", 200, False, False),
        ("/api/x", "DELETE", 204, True, True),
        ("/static/x", "GET", 200, True, False),
    ],
)
def test_which_requests_are_recorded(
    make_gate: Any,
    enter: Enter,
    sink: EventSink,
    path: str,
    method: str,
    status: int,
    with_token: bool,
    recorded: bool,
) -> None:
    headers = bearer(make_token()) if with_token else {}
    enter(make_gate(), path, method, headers).finish(status, [])
    assert (len(sink.captured()) == 1) == recorded


def test_event_of_a_user(make_gate: Any, enter: Enter, sink: EventSink) -> None:
    before = time.time() * 1000
    visit = enter(make_gate(), "/api/caf\u00e9", "POST", bearer(make_token(user_id=9)))
    visit.route = "api/<name>"
    visit.finish(201, [])
    event = one_event(sink)
    assert list(event) == [
        *("id", "kind", "time", "label", "method", "path", "route", "status", "duration_us"),
        "user",
    ]
    assert event["kind"] == "request"
    assert (event["label"], event["method"], event["path"]) == ("api", "POST", "/api/caf\u00e9")
    assert (event["route"], event["status"], event["user"]) == ("api/<name>", "201", "9")
    assert int(event["duration_us"]) >= 0
    assert before - 1000 <= int(event["time"]) <= time.time() * 1000 + 1000


def test_bots_are_recorded_as_bots(make_gate: Any, enter: Enter, sink: EventSink) -> None:
    visit = enter(make_gate(), headers={"User-Agent": "ExampleBot/1.0"})
    assert visit.agent == "bot"
    visit.finish(200, [])
    assert one_event(sink)["agent"] == "bot"


def test_no_query_token_or_cookie_in_an_event(
    make_gate: Any, enter: Enter, sink: EventSink, cookie: FingerprintCookie
) -> None:
    token, value = make_token(), cookie.mint().value
    enter(make_gate(), headers={**bearer(token), "Cookie": f"device_fp={value}"}).finish(200, [])
    text = repr(one_event(sink))
    assert "secret" not in text
    assert value not in text
    assert token.split(".")[2] not in text


def test_extra_fields_come_in_their_own_order(
    make_gate: Any, enter: Enter, sink: EventSink
) -> None:
    fields = ("query", "ip", "ip_prefix", "user_agent", "referrer", "host", "scheme")
    gate = make_gate(event_fields=(*fields, "language", "trace_id", "request_id"))
    headers = {
        "Host": "example.org",
        "Referer": "https://example.org/a?token=x#y",
        "Accept-Language": "de-CH, de;q=0.9",
        "Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }
    visit = enter(gate, headers=headers)
    visit.request_id = "r-1"
    visit.finish(200, [])
    event = one_event(sink)
    assert list(event)[8:] == [
        *("scheme", "host", "referrer", "user_agent", "language", "ip_prefix", "ip", "query"),
        *("trace_id", "request_id"),
    ]
    assert event["referrer"] == "https://example.org/a"
    assert (event["language"], event["ip_prefix"]) == ("de-CH", "192.0.2.0/24")
    assert event["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert (event["ip"], event["query"], event["request_id"]) == ("192.0.2.77", "q=secret", "r-1")


def test_trusted_proxies_say_whose_address_counts(
    make_gate: Any, enter: Enter, sink: EventSink
) -> None:
    headers = {"X-Forwarded-For": "6.6.6.6, 203.0.113.9"}
    enter(make_gate(event_fields=["ip"], trusted_proxies=1), headers=headers).finish(200, [])
    assert one_event(sink)["ip"] == "203.0.113.9"


def test_hashed_ids(
    make_gate: Any, enter: Enter, sink: EventSink, cookie: FingerprintCookie
) -> None:
    fingerprint = cookie.mint()
    headers = {"Cookie": f"device_fp={fingerprint.value}"}
    enter(make_gate(hash_ids=True), headers=headers).finish(200, [])
    hashed = one_event(sink)["fingerprint"]
    assert len(hashed) == 32
    assert hashed != fingerprint.id


def test_added_fields_come_last(make_gate: Any, enter: Enter, sink: EventSink) -> None:
    visit = enter(make_gate())
    visit.add({"plan": "pro", "seats": 3, "none": None})
    visit.add({"seats": 4, "ok": True, "raw": b"x", "rate": 0.5})
    visit.finish(200, [])
    event = one_event(sink)
    assert list(event)[-5:] == ["plan", "seats", "ok", "raw", "rate"]
    assert (event["seats"], event["ok"], event["rate"]) == ("4", "1", "0.5")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"path": "x"}, ValueError),
        ({"id": "x"}, ValueError),
        ({"": "x"}, ValueError),
        ({"x" * 65: "x"}, ValueError),
        ({f"f{i}": i for i in range(41)}, ValueError),
        ({1: "x"}, TypeError),
        ({"x": []}, TypeError),
        ([("x", 1)], TypeError),
    ],
)
def test_add_refuses_what_an_event_cannot_hold(
    make_gate: Any, enter: Enter, fields: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        enter(make_gate()).add(fields)


def test_discarded_visit_is_not_recorded(make_gate: Any, enter: Enter, sink: EventSink) -> None:
    visit = enter(make_gate(), headers=NAVIGATION)
    visit.discard()
    assert visit.finish(200, []) != []  # the cookie is another matter
    assert sink.captured() == []


def test_second_finish_does_nothing(make_gate: Any, enter: Enter, sink: EventSink) -> None:
    visit = enter(make_gate(), headers=NAVIGATION)
    assert visit.finish(200, []) != []
    assert visit.finish(200, []) == []
    assert visit.finish(500) == []
    assert len(sink.captured()) == 1


def test_path_of_the_event_can_be_masked(make_gate: Any, enter: Enter, sink: EventSink) -> None:
    visit = enter(make_gate(), "/reset/a-secret/")
    visit.path = "reset/<token>/"
    visit.finish(200, [])
    assert one_event(sink)["path"] == "reset/<token>/"


# --- each part off -----------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["verifier", "paths", "fingerprint", "sink"])
def test_each_part_may_be_off(make_gate: Any, enter: Enter, part: str) -> None:
    headers = {**NAVIGATION, **bearer(make_token())}
    visit = enter(make_gate(**{part: None}), "/", headers=headers)
    assert (visit.token is None) == (part == "verifier")
    visit.finish(200, [])


def test_everything_off(enter: Enter) -> None:
    visit = enter(Gate(), headers=NAVIGATION)
    assert (visit.label, visit.token, visit.fingerprint) == ("track", None, None)
    assert visit.finish(200, []) == []


# --- paths -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path_info", "want"),
    [
        ("", "/"),
        ("/", "/"),
        ("/caf\u00c3\u00a9", "/caf\u00e9"),
        ("/\u00ff", "/%FF"),
        ("/\u00e2\u0082x", "/%E2%82x"),
        ("/\u00ed\u00a0\u0080", "/%ED%A0%80"),
        ("/\u00c0\u00af", "/%C0%AF"),
        ("/\u00f4\u0090\u0080\u0080", "/%F4%90%80%80"),
        ("/\u0000", "/\u0000"),
    ],
)
def test_raw_path_info_is_decoded_as_django_does(
    make_gate: Any, path_info: str, want: str
) -> None:
    assert make_gate().enter({"REQUEST_METHOD": "GET", "PATH_INFO": path_info}).path == want


def test_given_path_wins_over_path_info(make_gate: Any) -> None:
    visit = make_gate().enter(make_environ("/static/x"), path="/api/\u00e9")
    assert (visit.label, visit.path) == ("api", "/api/\u00e9")


def test_root_path_is_taken_off(make_gate: Any) -> None:
    gate = make_gate()
    assert gate.enter_scope(make_scope("/app/static/x", root_path="/app")).label == "skip"
    assert gate.enter_scope(make_scope("/static/x", root_path="/app")).label == "skip"


def test_lone_surrogate_in_a_path(make_gate: Any, sink: EventSink) -> None:
    visit = make_gate().enter(make_environ(), path="/\ud800")
    visit.finish(200, [])
    event = one_event(sink)
    assert event["path"] == "/\ufffd"
    assert event["altered"] == "path"


def test_events_of_every_length_say_the_same(make_gate: Any, sink: EventSink) -> None:
    """Short events without extra fields are written in a way of their own."""
    gates = make_gate(), make_gate(event_fields=["scheme"])
    for length in (*range(1, 24), *range(280, 420), 511, 512, 2048, 2049, 3000):
        path = "/" + "x" * (length - 1)
        for gate in gates:
            visit = gate.enter(make_environ(path, headers={"user-agent": "a bot"}))
            visit.finish(200, user="somebody", route="a/<route>/")
        plain, extra = sink.captured()[-2:]
        assert extra.pop("scheme") == "http"
        for event in plain, extra:
            for name in ("id", "time", "duration_us"):
                event.pop(name)
        assert plain == extra
        assert list(plain) == list(extra)
        assert plain["path"] == path[:2048]
        assert plain.get("altered") == ("path" if length > 2048 else None)


# --- odd input ---------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, 7, b"bytes", "\ud800", "\u20ac" * 10, ["x"], object()])
def test_odd_environ_values_never_raise(make_gate: Any, value: Any) -> None:
    environ = make_environ()
    for key in list(environ):
        odd = {**environ, key: value}
        make_gate(event_fields=["host", "ip", "scheme"]).enter(odd).finish(200, [])
    for name in ("AUTHORIZATION", "COOKIE", "ACCEPT", "SEC_GPC", "SEC_FETCH_MODE", "X_MOZ"):
        make_gate().enter({**environ, f"HTTP_{name}": value}).finish(200, [])


def test_empty_environ_and_scope(make_gate: Any) -> None:
    assert make_gate().enter({}).finish(200) == []
    assert make_gate().enter_scope({}).finish(200) == []


@pytest.mark.parametrize(
    "headers",
    [None, 7, [None], [[]], [[b"a"]], [["cookie", "x"]], [[b"cookie", None]], [b"ab"], ()],
)
def test_odd_scope_headers_never_raise(make_gate: Any, headers: Any) -> None:
    make_gate().enter_scope({**make_scope(), "headers": headers}).finish(200, [])


def test_many_cookie_headers(make_gate: Any, cookie: FingerprintCookie) -> None:
    scope = make_scope()
    scope["headers"] += [[b"cookie", b"a=1"]] * 50
    scope["headers"].append([b"cookie", f"device_fp={cookie.mint().value}".encode()])
    assert make_gate().enter_scope(scope).fingerprint is not None
    scope["headers"] = [[b"cookie", b"a=1"]] * 5000
    assert make_gate().enter_scope(scope).fingerprint is None


@pytest.mark.parametrize(
    ("settings", "error", "name"),
    [
        ({"verifier": "x"}, TypeError, "verifier"),
        ({"paths": {}}, TypeError, "paths"),
        ({"require_token": ["nope"]}, ValueError, "require_token"),
        ({"require_token": ["skip"]}, ValueError, "require_token"),
        ({"require_token": "account"}, TypeError, "require_token"),
        ({"require_token": ["shop"], "treat_as": {"shop": "skip"}}, ValueError, "require_token"),
        ({"require_token": ["account"], "verifier": None}, ValueError, "require_token"),
        ({"token_from": ["header"]}, ValueError, "token_from"),
        ({"token_from": ["cookie:"]}, ValueError, "token_from"),
        ({"treat_as": {"nope": "api"}}, ValueError, "treat_as"),
        ({"treat_as": {"shop": "nope"}}, ValueError, "treat_as"),
        ({"treat_as": {"shop": "account"}}, ValueError, "treat_as"),
        ({"treat_as": {"api": "track"}}, ValueError, "treat_as"),
        ({"event_fields": ["cookies"]}, ValueError, "event_fields"),
        ({"user_claims": [""]}, ValueError, "user_claims"),
        ({"mode": "maybe"}, ValueError, "mode"),
        ({"gpc": 1}, ValueError, "gpc"),
        ({"trusted_proxies": -1}, ValueError, "trusted_proxies"),
        ({"hash_id": True}, TypeError, "hash_id"),
    ],
)
def test_wrong_settings_are_errors_that_name_them(
    make_gate: Any, settings: dict[str, Any], error: type[Exception], name: str
) -> None:
    with pytest.raises(error, match=name):
        make_gate(**settings)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda gate: gate.enter(), TypeError),
        (lambda gate: gate.enter([]), TypeError),
        (lambda gate: gate.enter({}, path=b"/"), TypeError),
        (lambda gate: gate.enter({}, mode="maybe"), ValueError),
        (lambda gate: gate.enter({}, paths="/"), TypeError),
        (lambda gate: gate.enter({}, None, None, None, None), TypeError),
        (lambda gate: gate.enter({}, None, path="/"), TypeError),
        (lambda gate: gate.enter_scope(None), TypeError),
        (lambda gate: gate.enter({}).respond(), TypeError),
        (lambda gate: gate.enter({}).respond("200"), TypeError),
        (lambda gate: gate.enter({}).finish("200"), TypeError),
    ],
)
def test_wrong_calls_are_errors(make_gate: Any, call: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        call(make_gate())


def test_visits_cannot_be_made_by_hand() -> None:
    with pytest.raises(TypeError):
        Visit()


def test_visit_in_its_own_environ_is_collected(make_gate: Any) -> None:
    class Canary:
        pass

    canary = Canary()
    environ = make_environ(canary=canary)
    gone = weakref.ref(canary)
    environ["headrace.visit"] = make_gate().enter(environ)
    del environ, canary
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("name", ["X-Access-Token", "x-access-token"])
def test_token_in_a_header_of_another_name(name: str, verifier: TokenVerifier) -> None:
    gate = Gate(verifier=verifier, token_header=name)
    text = "Bearer " + make_token(user_id=7)
    for enter, make in ((gate.enter, make_environ), (gate.enter_scope, make_scope)):
        visit = enter(make(headers={"X-Access-Token": text}))  # type: ignore[operator]
        assert visit.user == "7"
        visit = enter(make(headers={"Authorization": text}))  # type: ignore[operator]
        assert (visit.token, visit.reason) == (None, None)


def test_authorization_by_its_name_is_the_usual_header(verifier: TokenVerifier) -> None:
    gate = Gate(verifier=verifier, token_header="authorization")
    headers = {"Authorization": "Bearer " + make_token(user_id=7)}
    assert gate.enter(make_environ(headers=headers)).user == "7"
    assert gate.enter_scope(make_scope(headers=headers)).user == "7"


@pytest.mark.parametrize("name", ["", "X Token", "X_Token", "T\u00e9", "x" * 65])
def test_wrong_name_of_the_token_header(name: str) -> None:
    with pytest.raises(ValueError, match="token_header"):
        Gate(token_header=name)


def test_token_header_is_a_str() -> None:
    with pytest.raises(TypeError, match="token_header"):
        Gate(token_header=7)  # type: ignore[arg-type]


# --- finish is taken once, whatever runs meanwhile ----------------------------------------------


class Tricky:
    """Runs ``action`` when it is printed or read as headers."""

    def __init__(self, action: Callable[[], object]) -> None:
        self.action = action

    def __str__(self) -> str:
        self.action()
        return "7"

    def items(self) -> list[tuple[str, str]]:
        self.action()
        return [("Content-Type", "text/html")]


def test_finish_inside_of_finish_counts_once(
    make_gate: Any, enter: Enter, sink: EventSink
) -> None:
    visit = enter(make_gate())
    assert visit.finish(200, [], user=Tricky(lambda: visit.finish(499))) == []
    visit = enter(make_gate(), headers=NAVIGATION)
    inner: list[Any] = []
    outer = visit.finish(200, Tricky(lambda: inner.append(visit.finish(200, []))))
    assert (len(inner[0]), outer) == (1, [])
    assert [event["status"] for event in sink.captured()] == ["200"]


def test_fields_added_while_finishing_are_whole(
    make_gate: Any, enter: Enter, sink: EventSink
) -> None:
    visit = enter(make_gate(), headers=NAVIGATION)
    visit.add({"plan": "A" * 2_000_000})
    visit.finish(200, Tricky(lambda: visit.add({"plan": "b"})))
    assert one_event(sink)["plan"] == "b"


def test_headers_that_go_away_while_entering(make_gate: Any) -> None:
    scope = make_scope(headers=NAVIGATION)

    class Clears:
        def __bool__(self) -> bool:
            scope["headers"].clear()
            return True

    assert make_gate().enter_scope(scope, secure=Clears()).is_new


def test_address_behind_a_proxy_that_adds_a_header(make_gate: Any, sink: EventSink) -> None:
    scope = make_scope()
    scope["headers"] += [[b"x-forwarded-for", b"6.6.6.6"]] * 40
    scope["headers"].append([b"x-forwarded-for", b"203.0.113.9"])
    make_gate(event_fields=["ip"], trusted_proxies=1).enter_scope(scope).finish(200, [])
    assert one_event(sink)["ip"] == "203.0.113.9"


def test_two_token_cookies_are_malformed(make_gate: Any, enter: Enter) -> None:
    gate = make_gate(token_from=("cookie:access",))
    token = make_token()
    visit = enter(gate, headers={"Cookie": f"access={token}; access={token}"})
    assert (visit.token, visit.reason) == (None, "malformed")


def test_consent_to_derived_needs_no_other_setting(make_gate: Any, enter: Enter) -> None:
    assert enter(make_gate(gpc="off"), mode="derived").fingerprint is not None


@pytest.mark.parametrize("status", [0, -1, 99, 1000, 10**30])
def test_no_cookie_without_a_real_status(make_gate: Any, enter: Enter, status: int) -> None:
    assert enter(make_gate(), headers=NAVIGATION).finish(status, []) == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Cache-Control": ["public"]},
        [(bytearray(b"cache-control"), b"public")],
        {"Expires": 7},
        [("Cache-Control", 'private="x, public')],
    ],
)
def test_headers_that_cannot_be_read_are_taken_for_cacheable(
    make_gate: Any, enter: Enter, headers: Any
) -> None:
    assert enter(make_gate(), headers=NAVIGATION).finish(200, headers) == []


def test_empty_user_is_nobody(make_gate: Any, enter: Enter, sink: EventSink) -> None:
    enter(make_gate(), "/", "POST").finish(200, [], user="")
    assert sink.captured() == []


def test_path_of_a_scope_may_be_given(make_gate: Any) -> None:
    visit = make_gate().enter_scope(make_scope("/app/api/x"), path="/api/x")
    assert (visit.label, visit.path) == ("api", "/api/x")


def test_visit_knows_its_gate_and_scheme(make_gate: Any) -> None:
    gate = make_gate()
    visit = gate.enter(make_environ(headers=NAVIGATION))
    assert visit._gate is gate
    visit.secure = True
    value = set_cookie(visit.finish(200, []))
    assert value is not None
    assert "Secure" in value


def test_stages_are_measured_on_one_request_in_16(
    make_gate: Any, enter: Enter, sink: EventSink
) -> None:
    gate = make_gate()
    for _ in range(33):
        visit = enter(gate, headers=bearer(make_token()))
        visit.finish(200, [])
    stages = sink.stats()["stages"]
    assert list(stages) == ["label", "token", "fingerprint", "application", "event"]
    for stage, found in stages.items():
        assert found["count"] == 3, stage
        assert 0 < found["sum"] <= found["count"] * found["buckets"][-1][0], stage
    assert sum(found["sum"] for found in stages.values()) < 33
