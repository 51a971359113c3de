# SPDX-License-Identifier: MIT
"""What the leak tests do a few thousand times: one entry makes a body and names its types.

Nothing here is kept between two calls of a body, so that what grows is a leak.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import importlib
import json
from collections.abc import Callable
from typing import Any

Scenario = tuple[Callable[[], object], tuple[type, ...]]

SECRET = "a secret of the leak tests, long enough"
PEM = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
"""
NOW = 1_700_000_000


def encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def token(claims: dict[str, Any], algorithm: str = "HS256") -> str:
    """A token over SECRET; any other algorithm than HS256 is a lie in the header."""
    head = encode(json.dumps({"alg": algorithm, "typ": "JWT", "kid": "one"}).encode())
    signed = f"{head}.{encode(json.dumps(claims).encode())}"
    return f"{signed}.{encode(hmac.digest(SECRET.encode(), signed.encode(), hashlib.sha256))}"


VALID = token({"sub": "7", "exp": NOW + 60, "roles": ["a", "b"], "deep": {"n": 1.5, "t": None}})


def headrace() -> Any:
    return importlib.import_module("headrace")


def verifier(**options: Any) -> Any:
    ours = headrace()
    return ours.TokenVerifier(keys=[ours.Key.secret(SECRET, algorithm="HS256")], **options)


def environ(**more: str) -> dict[str, str]:
    return {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/community/7/",
        "HTTP_ACCEPT": "text/html",
        "HTTP_USER_AGENT": "Mozilla/5.0",
        "REMOTE_ADDR": "192.0.2.1",
        "wsgi.url_scheme": "http",
        **more,
    }


def scope(*more: tuple[bytes, bytes]) -> dict[str, Any]:
    return {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": "/community/7/",
        "root_path": "",
        "headers": [(b"accept", b"text/html"), (b"user-agent", b"Mozilla/5.0"), *more],
        "client": ("192.0.2.1", 5000),
    }


def fails(error: type[Exception], call: Callable[[], object]) -> None:
    """Calls what must raise `error`."""
    with contextlib.suppress(error):
        call()
        raise AssertionError(f"{error.__name__} was not raised")


# --- planted ------------------------------------------------------------------


def canary_type() -> Scenario:
    canary: Any = importlib.import_module("canary_leak")
    return canary.Leaky, (canary.Leaky,)


def canary_object() -> Scenario:
    canary: Any = importlib.import_module("canary_leak")
    return canary.forget_object, ()


def canary_block() -> Scenario:
    canary: Any = importlib.import_module("canary_leak")
    return canary.forget_block, ()


# --- keys and tokens ------------------------------------------------------------


def keys_are_made() -> Scenario:
    key = headrace().Key
    oct_jwk = {"kty": "oct", "k": encode(SECRET.encode()), "alg": "HS256", "kid": "one"}

    def body() -> None:
        key.secret(SECRET, algorithm="HS256", key_id="one")
        key.pem(PEM, algorithm="EdDSA")
        key.jwk(oct_jwk)
        key.jwks({"keys": [oct_jwk]})
        key.jwks(json.dumps({"keys": [oct_jwk]}))

    return body, (key,)


def keys_are_refused() -> Scenario:
    ours = headrace()
    key = ours.Key

    def body() -> None:
        fails(ours.InvalidKeyError, lambda: key.secret("short", algorithm="HS256"))
        fails(ours.InvalidKeyError, lambda: key.pem("no pem", algorithm="RS256"))
        fails(ours.InvalidKeyError, lambda: key.secret(SECRET, algorithm="none"))
        fails(TypeError, lambda: key.secret(7, algorithm="HS256"))

    return body, (key,)


def verifiers_are_made() -> Scenario:
    ours = headrace()

    def body() -> None:
        one = verifier(audience=["a", "b"], issuer="i", expect={"t": ("x", 1)}, cache_size=16)
        one.replace_keys([ours.Key.secret(SECRET + "!", algorithm="HS256")])
        one.cache_clear()
        one.cache_info()
        fails(TypeError, lambda: verifier(keys=7))
        fails(ValueError, lambda: verifier(engine="no such engine"))

    return body, (ours.TokenVerifier, ours.Key)


def tokens_are_verified() -> Scenario:
    ours = headrace()
    cached, uncached = verifier(), verifier(cache_size=0)

    def body() -> None:
        for one in (cached, uncached):
            found = one.verify(VALID, now=NOW)
            assert found["sub"] == "7"
            repr(found)
            found.claims.clear()
            _ = found.header, found.key_id, found.algorithm, found.expires_at
            one.verify(VALID.encode(), now=NOW)
            one.verify_jws(VALID)
            fails(KeyError, lambda found=found: found["nothing"])

    return body, (ours.Token, ours.TokenVerifier)


def tokens_are_refused() -> Scenario:
    ours = headrace()
    one = verifier(audience="a")
    bad = [
        "",
        "a.b.c",
        VALID[:-2],
        VALID + "A",
        token({"sub": 7, "exp": NOW + 60}),
        token({"exp": "soon"}),
        token({"exp": NOW - 60, "aud": "a"}),
        token({"exp": NOW + 60}, algorithm="RS256"),
        "x" * 20_000,
    ]

    def body() -> None:
        for text in bad:
            try:
                one.verify(text, now=NOW)
            except ours.InvalidTokenError as error:
                _ = error.reason, str(error)
        fails(TypeError, lambda: one.verify(7))

    return body, (ours.Token, ours.TokenVerifier, ours.InvalidTokenError)


def token_outlives_its_verifier() -> Scenario:
    ours = headrace()

    def body() -> None:
        found = verifier().verify(VALID, now=NOW)
        assert found.claims["roles"] == ["a", "b"]

    return body, (ours.Token, ours.TokenVerifier, ours.Key)


# --- paths and fingerprints -----------------------------------------------------


def paths_are_labelled() -> Scenario:
    ours = headrace()
    rules = {"skip": ["/static/", "=/favicon.ico", "*.map"], "api": ["/api/*/x", "/v/**"]}

    def body() -> None:
        paths = ours.PathFilter(rules, default="track")
        for path in ("/static/a.css", "/", "", "/api/7/x", "/é/\udcff"):
            paths.label(path)
        fails(ValueError, lambda: ours.PathFilter({"a": ["/x*y"]}))
        fails(ValueError, lambda: ours.PathFilter({"a": ["/x/"], "b": ["/x/"]}))
        fails(TypeError, lambda: ours.PathFilter({"a": [7]}))

    return body, (ours.PathFilter,)


def fingerprints_are_minted_and_read() -> Scenario:
    ours = headrace()
    cookie = ours.FingerprintCookie(keys=["new " + SECRET, "old " + SECRET])

    def body() -> None:
        minted = cookie.mint()
        _ = minted.id, minted.value, minted.issued_at, repr(minted)
        cookie.header(minted, secure=True)
        header = f"a=b; device_fp={minted.value}; device_fp=x"
        assert cookie.read(header).id == minted.id
        assert cookie.read([b"c=d", header.encode()]).id == minted.id
        for hostile in (None, "", ";;;", "device_fp=", "device_fp=\x00", b"\xff" * 500, [b""]):
            cookie.read(hostile)

    return body, (ours.Fingerprint, ours.FingerprintCookie)


def fingerprint_cookies_are_made() -> Scenario:
    ours = headrace()

    def body() -> None:
        ours.FingerprintCookie(keys=[SECRET], domain="example.org", samesite="Strict")
        fails(ValueError, lambda: ours.FingerprintCookie(keys=[]))
        fails(ValueError, lambda: ours.FingerprintCookie(name="a b", keys=[SECRET]))

    return body, (ours.FingerprintCookie,)


# --- the sink and the gate --------------------------------------------------------


def events_are_emitted() -> Scenario:
    ours = headrace()

    def body() -> None:
        sink = ours.EventSink("memory:", ring_bytes=65536)
        sink.emit(
            "signup", {"plan": "pro", "n": 7, "x": 1.5, "b": True, "raw": b"\xff", "no": None}
        )
        sink.emit("long", {"text": "é" * 3000, "lone": "\udcff"})
        fails(TypeError, lambda: sink.emit("wrong", {"list": []}))
        fails(ValueError, lambda: sink.emit("wrong", {"id": "reserved"}))
        sink.stats()
        sink.close()

    return body, (ours.EventSink,)


def sinks_are_opened_and_closed() -> Scenario:
    ours = headrace()

    def body() -> None:
        sink = ours.EventSink("memory:", ring_bytes=65536)
        sink.emit("one", {"n": 1})
        sink.flush(timeout=10)
        assert len(sink.captured()) == 1
        sink.close()
        sink.close()
        fails(ValueError, lambda: ours.EventSink("gopher://x"))

    return body, (ours.EventSink,)


def requests_pass_the_gate() -> Scenario:
    ours = headrace()
    cookie, tokens = ours.FingerprintCookie(keys=[SECRET]), verifier()
    paths = ours.PathFilter({"skip": ["/static/"], "api": ["/api/"]})
    back = f"device_fp={cookie.mint().value}"
    environs = [
        environ(),
        environ(HTTP_COOKIE=back),
        environ(PATH_INFO="/static/a.css"),
        environ(PATH_INFO="/api/x", HTTP_AUTHORIZATION=f"Bearer {VALID}"),
        environ(HTTP_AUTHORIZATION="Bearer nonsense", PATH_INFO="/\xff\xfe", QUERY_STRING="a=b"),
        {},
    ]
    scopes = [
        scope(),
        scope((b"cookie", back.encode()), (b"cookie", b"a=b")),
        scope((b"authorization", f"Bearer {VALID}".encode())),
    ]

    def look(visit: Any) -> None:
        _ = visit.label, visit.token, visit.token_source, visit.reason, visit.user
        _ = visit.fingerprint, visit.is_new, visit.agent

    def body() -> None:
        sink = ours.EventSink("memory:", ring_bytes=65536)
        gate = ours.Gate(
            verifier=tokens,
            paths=paths,
            fingerprint=cookie,
            sink=sink,
            event_fields=("user_agent", "ip_prefix", "query"),
        )
        for one in environs:
            visit = gate.enter(one)
            look(visit)
            visit.add({"plan": "pro"})
            visit.finish(200, [("Content-Type", "text/html")], user="7")
            visit.finish(200)
        for each in scopes:
            visit = gate.enter_scope(each)
            look(visit)
            visit.finish(200, [(b"content-type", b"text/html")])
        gate.enter(environ()).discard()
        gate.enter(environ())  # a visit that nobody finishes
        sink.close()

    return body, (ours.Visit, ours.Gate, ours.Token, ours.Fingerprint)


def metrics_are_counted_and_read() -> Scenario:
    ours = headrace()
    sink = ours.EventSink("memory:", ring_dir="", ring_bytes=65536)
    gate = ours.Gate(sink=sink, metrics=True)

    def body() -> None:
        visit = gate.enter(environ())
        visit.route = "community/<int:id>/"
        visit.discard()
        visit.finish(200, [])
        sink.observe("cache", "default", 0.0, "hit")
        assert sink.metrics(own=True)
        sink.stats()
        fails(ValueError, lambda: sink.observe("none", "x"))
        fails(OSError, lambda: ours.EventSink._rings(__file__))
        ours.EventSink._rings("/nowhere")

    return body, (ours.EventSink, ours.Gate, ours.Visit)


def entries_are_read() -> Scenario:
    events = importlib.import_module("headrace.events")
    core = importlib.import_module("headrace._core")
    usual = ["id", "a-1", "kind", "visit", "time", "1700000000123", "path", "/\u00e4/", "n", "1"]
    rows = [("1-0", usual), ["2-0", usual], ("3-0", ["x", "y"]), ("4-0", [*usual, "odd"])]

    def body() -> None:
        assert len(events._read_entries(rows)) == 4
        newer = ("5-0", [*usual, "headrace_format", "9"])
        fails(events.NewerFormatError, lambda: events._read_entries([rows[0], newer]))
        fails(ValueError, lambda: events._read_entries([rows[0], ("1-0", usual, 3)]))
        fails(TypeError, lambda: events._read_entries([rows[0], 7]))
        fails(TypeError, lambda: core._read_entries(tuple(rows), events.Event, None))
        fails(AttributeError, lambda: core._read_entries(rows, int, None))

    return body, (events.Event,)


def gates_are_made() -> Scenario:
    ours = headrace()

    def body() -> None:
        ours.Gate(
            verifier=verifier(),
            paths=ours.PathFilter({"skip": ["/static/"], "account": ["/me/"]}),
            fingerprint=ours.FingerprintCookie(keys=[SECRET]),
            sink=None,
            require_token=("account",),
            treat_as={"account": "api"},
            token_from=("bearer", "cookie:jwt"),
        )
        fails(TypeError, lambda: ours.Gate(verifier=7, paths=None, fingerprint=None, sink=None))

    return body, (ours.Gate, ours.PathFilter, ours.FingerprintCookie, ours.TokenVerifier)


SCENARIOS: dict[str, Callable[[], Scenario]] = {
    scenario.__name__: scenario
    for scenario in (
        canary_type,
        canary_object,
        canary_block,
        keys_are_made,
        keys_are_refused,
        verifiers_are_made,
        tokens_are_verified,
        tokens_are_refused,
        token_outlives_its_verifier,
        paths_are_labelled,
        fingerprints_are_minted_and_read,
        fingerprint_cookies_are_made,
        events_are_emitted,
        sinks_are_opened_and_closed,
        requests_pass_the_gate,
        metrics_are_counted_and_read,
        entries_are_read,
        gates_are_made,
    )
}
