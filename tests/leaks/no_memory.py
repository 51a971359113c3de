# SPDX-License-Identifier: MIT
"""Calls one scenario again and again, each time with another allocation that fails.

``python no_memory.py scenario``: in a process of its own, since a bug here is a crash. Prints how
many calls ended in MemoryError; any other end than that or the right one is an error.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import sys
from collections.abc import Callable
from typing import Any

from headrace import InvalidTokenError, Key, TokenVerifier
from headrace.events import _read_entries
from tests.oracle.tokens import SECRET, encode_json, public_jwk, public_pem, raw_token, token

EXP = 4_000_000_000
CLAIMS = {"exp": EXP, "sub": "é", "iat": 1, "f": 1.5, "big": 10**40, "x": {"y": [1, None, True]}}
Call = Callable[[], Any]

memory: Any = importlib.import_module("_testcapi")  # CPython's own; it has no stubs

AT_MOST = 400
QUIET = 10


def scenarios() -> dict[str, tuple[Call, Any]]:
    """Each with what it answers when memory suffices; an exception's class where it raises."""
    key = Key.secret(SECRET, algorithm="HS256")
    verifier = TokenVerifier([key], cache_size=0)
    cached = TokenVerifier([key])
    strict = TokenVerifier([key], issuer="me", cache_size=0)
    rsa = TokenVerifier([Key.pem(public_pem("RS256"), algorithm="RS256")], cache_size=0)
    good = token(CLAIMS, header={"kid": "k"})
    signed = token(CLAIMS, "RS256")
    long = token({**CLAIMS, "x": "x" * 3000})  # beyond the allocator's own pools
    forged = good[:-4] + "AAAA"
    read = verifier.verify(good)
    pem = public_pem("ES256")
    jwk, jwks = public_jwk("EdDSA"), encode_json({"keys": [public_jwk("ES256", kid="1")]})
    many = raw_token(encode_json({f"name{i}": i for i in range(100)}))
    payload = encode_json(CLAIMS)

    pairs = ["id", "a-1", "kind", "visit", "time", "1700000000123"]
    rows = [("1-0", [*pairs, "path", "/", "n", "1"]), ("2-0", pairs), ("3-0", ["x", "y"])]

    def claims() -> Any:
        return verifier.verify(good).claims

    def facts() -> Any:
        return read["sub"], read["x"], read.key_id, read.algorithm, read.header, list(read)

    return {
        "claims": (claims, CLAIMS),
        "claims_of_rsa": (lambda: rsa.verify(signed).claims, CLAIMS),
        "cached": (lambda: cached.verify(good)["sub"], "é"),
        "facts": (facts, facts()),
        "forged": (lambda: verifier.verify(forged), InvalidTokenError),
        "refused": (lambda: strict.verify(good), InvalidTokenError),
        "jws": (lambda: verifier.verify_jws(long), b64_payload(long)),
        "unverified": (lambda: TokenVerifier._read_unverified(many)[1], b64_payload(many)),
        "object": (lambda: TokenVerifier._read_object(payload), CLAIMS),
        "secret": (lambda: Key.secret(SECRET, algorithm="HS256").algorithm, "HS256"),
        "pem": (lambda: Key.pem(pem, algorithm="ES256").algorithm, "ES256"),
        "jwk": (lambda: Key.jwk(jwk, algorithm="EdDSA").algorithm, "EdDSA"),
        "jwks": (lambda: [one.key_id for one in Key.jwks(jwks, algorithm="ES256")], ["1"]),
        "constructor": (
            lambda: TokenVerifier(
                [key],
                audience=["a", "b"],
                issuer=("i",),
                subject="s",
                expect={"t": ("x", 1, None)},
                require=["exp", "x"],
                type="JWT",
            ).cache_info(),
            (0, 0, 0, 4096, TokenVerifier([key]).cache_info().bytes),
        ),
        "replace_keys": (lambda: verifier.replace_keys([key]), None),
        "entries": (lambda: _read_entries(rows), _read_entries(rows)),
        "cache_info": (lambda: verifier.cache_info().hits, 0),
    }


def b64_payload(text: str) -> bytes:
    """What lies in the second segment."""
    parts: tuple[Any, bytes, bytes] = TokenVerifier._read_unverified(text)
    return parts[1]


def run(call: Call, want: Any) -> int:
    """Answer how many calls ran out of memory."""
    kept = [([], {}, (n,), float(n), str(n) + "x") for n in range(500)]  # the free lists are empty
    failed = quiet = 0
    for n in range(1, AT_MOST):
        got: Any = None
        memory.set_nomemory(n, n + 1)
        try:
            got = call()
        except MemoryError:
            got = MemoryError
        except Exception as error:
            got = type(error)
        finally:
            memory.remove_mem_hooks()
        if got is MemoryError:
            failed, quiet = failed + 1, 0
            continue
        right = issubclass(got, want) if isinstance(want, type) else got == want
        assert right, (n, got, want)
        quiet += 1
        if quiet == QUIET:
            break
    assert len(kept) == 500
    return failed


def main() -> None:
    """Run the scenario that is named."""
    faulthandler.enable()
    name = sys.argv[1]
    if name == "canary":
        planted: Any = importlib.import_module("canary_no_memory")
        sys.stdout.write(json.dumps(run(planted.unchecked, b"x" * 1000)))
        return
    call, want = scenarios()[name]
    sys.stdout.write(json.dumps(run(call, want)))


if __name__ == "__main__":
    main()
