# SPDX-License-Identifier: MIT
"""How far is each figure of ours from what C alone needs for the same work (floor.c)?

The floor of a call is what it cannot do without: the empty call from Python, the hash, the
crypto library's verification, the copy into a ring, a pipelined XADD. Both sides take turns.
"""

from __future__ import annotations

import gc
import importlib.util
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt as pyjwt
import results
from bench_gate import HEADERS as RESPONSE
from bench_jwt import CLAIMS, SECRET, crypto_flags, make_keys, public_key
from bench_sink import BATCH, FIELDS, our_delivery, redis_server
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from pairs import once

from headrace import EventSink, FingerprintCookie, Gate, Key, PathFilter, TokenVerifier

HERE = Path(__file__).resolve().parent
ROUNDS = 200
ROUND_NS = 1e6
RING_CALLS = 250  # a round
EVENTS = 50_000
XADD = ("XADD", "headrace:events", "MAXLEN", "~", "100000", "*", "id", "0123456789abcdef-1234567")
XADD += ("kind", "signup", "time", "1700000000000")

Timed = Callable[[int], float]


def build(folder: Path) -> Any:
    """The extension of floor.c, with the crypto library that ours is linked with."""
    library = folder / f"floor{sysconfig.get_config_var('EXT_SUFFIX')}"
    include = sysconfig.get_path("include")
    flags = ["-O2", "-shared", "-fPIC", "-std=c11", "-D_GNU_SOURCE", f"-I{include}"]
    source = [str(HERE / "floor.c"), "-o", str(library), *crypto_flags(), "-lhiredis"]
    subprocess.run(["cc", *flags, *source], check=True)
    spec = importlib.util.spec_from_file_location("floor", library)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def called(call: Callable[[], object]) -> Timed:
    return lambda count: once(call, count)


def compare(question: str, ours: Timed, floor: Timed, calls: int | None = None) -> None:
    """Prints and keeps both, the floor first: ours is shown as a multiple of it."""
    timed = {"the floor": floor, "headrace": ours}
    counts = {
        name: calls or max(1, int(ROUND_NS / min(call(20) for _ in range(5))))
        for name, call in timed.items()
    }
    rounds: dict[str, list[float]] = {name: [] for name in timed}
    gc.disable()
    for _ in range(ROUNDS):
        for name, call in timed.items():
            rounds[name].append(call(counts[name]))
    gc.enable()
    keep(question, rounds)


def keep(question: str, rounds: dict[str, list[float]]) -> None:
    middle, low, high = results.ratios(rounds["the floor"], rounds["headrace"])
    a, b = (results.spread(rounds[name])[0] for name in ("the floor", "headrace"))
    FOUND[question] = rounds["the floor"], rounds["headrace"]
    print(
        f"  {question:<64} floor {a:9,.0f} ns  headrace {b:9,.0f} ns  "
        f"{middle:6.2f} × ({low:.2f} to {high:.2f})",
        flush=True,
    )


FOUND: dict[str, tuple[list[float], list[float]]] = {}


def tokens(floor: Any) -> None:
    key = Key.secret(SECRET, algorithm="HS256")
    text = pyjwt.encode(CLAIMS, SECRET)
    message = text.rpartition(".")[0].encode()
    cached, anew = TokenVerifier([key]), TokenVerifier([key], cache_size=0)
    nothing = called(lambda: floor.nothing(text))
    hashed: Timed = lambda count: floor.hmac(SECRET.encode(), message, count)  # noqa: E731

    compare("verify, cached; floor: an empty call", called(lambda: cached.verify(text)), nothing)
    compare(
        "verify HS256, not cached; floor: an empty call + HMAC",
        called(lambda: anew.verify(text)),
        lambda count: nothing(count) + hashed(count),
    )
    for algorithm, private in make_keys().items():
        text = pyjwt.encode(CLAIMS, private, algorithm=algorithm)
        signed, _, encoded = text.rpartition(".")
        signature = pyjwt.utils.base64url_decode(encoded.encode())
        if algorithm == "ES256":
            half = len(signature) // 2
            parts = (int.from_bytes(signature[:half]), int.from_bytes(signature[half:]))
            signature = encode_dss_signature(*parts)
        own = Key.pem(public_key(private, Encoding.PEM), algorithm=algorithm)
        verifier = TokenVerifier([own], cache_size=0)
        der = public_key(private, Encoding.DER)
        compare(
            f"{algorithm}, not cached; floor: an empty call + the bare verification",
            called(lambda verifier=verifier, text=text: verifier.verify(text)),  # type: ignore[misc]
            lambda count, der=der, signed=signed, signature=signature: (  # type: ignore[misc]
                nothing(count) + floor.verify(der, signed.encode(), signature, count)
            ),
        )


def parts(floor: Any, folder: Path) -> None:
    cookie = FingerprintCookie(keys=[SECRET])
    value = cookie.mint().value
    header = f"csrftoken=abcdefghijklmnopqrstuvwxyz012345; theme=dark; device_fp={value}"
    paths = PathFilter({"skip": ["/static/", "/media/", "=/health/"], "api": ["/api/"]})
    nothing = called(lambda: floor.nothing(header))
    signed = value.encode()
    hashed: Timed = lambda count: floor.hmac(SECRET.encode(), signed, count)  # noqa: E731
    compare(
        "path label; floor: an empty call",
        called(lambda: paths.label("/community/1234/members/")),
        nothing,
    )
    compare(
        "cookie read; floor: an empty call + HMAC",
        called(lambda: cookie.read(header)),
        lambda count: nothing(count) + hashed(count),
    )
    compare(
        "cookie mint; floor: an empty call + HMAC",
        called(cookie.mint),
        lambda count: nothing(count) + hashed(count),
    )
    # Redis is down: nobody empties the ring, nor takes the processor; all events fit
    sink = EventSink("redis://127.0.0.1:1/0", ring_bytes=32 << 20, ring_dir=folder, exit_timeout=0)
    record = b"x" * 160
    copied: Timed = lambda count: floor.ring(record, count)  # noqa: E731
    compare(
        "emit of five fields; floor: an empty call + 160 bytes into a ring",
        called(lambda: sink.emit("signup", FIELDS)),
        lambda count: nothing(count) + copied(count),
        RING_CALLS,
    )
    verifier = TokenVerifier([Key.secret(SECRET, algorithm="HS256")])
    gate = Gate(verifier=verifier, paths=paths, fingerprint=cookie, sink=sink)
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/community/7/",
        "HTTP_ACCEPT": "text/html",
        "HTTP_COOKIE": header,
        "REMOTE_ADDR": "192.0.2.1",
        "wsgi.url_scheme": "http",
    }
    compare(
        "enter + finish of a visitor; floor: two empty calls + HMAC + 160 bytes into a ring",
        called(lambda: gate.enter(environ).finish(200, RESPONSE)),
        lambda count: 2 * nothing(count) + hashed(count) + copied(count),
        RING_CALLS,
    )
    del environ["HTTP_COOKIE"]
    environ["HTTP_AUTHORIZATION"] = f"Bearer {pyjwt.encode(CLAIMS, SECRET)}"
    compare(
        "enter + finish of a user, token cached; floor: two empty calls + 160 bytes into a ring",
        called(lambda: gate.enter(environ).finish(200, RESPONSE)),
        lambda count: 2 * nothing(count) + copied(count),
        RING_CALLS,
    )
    assert sum(sink.stats()["refused"].values()) == 0
    sink.close(timeout=0)


def delivery(floor: Any, folder: Path) -> None:
    words = XADD + tuple(str(word) for pair in FIELDS.items() for word in pair)
    rounds: dict[str, list[float]] = {"the floor": [], "headrace": []}
    with redis_server(folder) as (_, path):
        for _ in range(5):
            rounds["the floor"].append(floor.xadd(str(path), words, EVENTS, BATCH))
            rounds["headrace"].append(1e9 / our_delivery(path, folder))
    keep("an event delivered; floor: a pipelined XADD with hiredis", rounds)


def main() -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        folder = Path(name)
        floor = build(folder)
        start = time.monotonic()
        tokens(floor)
        parts(floor, folder)
        delivery(floor, folder)
        print(f"  ({time.monotonic() - start:.0f} s)")
    results.multiples("all of them as multiples of their floors", FOUND)


if __name__ == "__main__":
    main()
