# SPDX-License-Identifier: MIT
"""PyJWT's ``decode``, ``decode_complete`` and ``get_unverified_header`` over the C core.

Moving over is one line: ``from penstock import jwt``. Signatures and JSON are the core's, the
rules about claims and the exceptions PyJWT's; ``docs/security.md`` lists where this is stricter.
Every other public name is PyJWT's own, handed on when it is asked for: PyJWT signs.

``python -m penstock.jwt`` prints the engines that are built in and what each costs.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Container, Iterable, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any

from penstock import _core
from penstock._core import Key, TokenVerifier
from penstock._jwt_errors import (
    DecodeError,
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAlgorithmError,
    InvalidAudienceError,
    InvalidIssuedAtError,
    InvalidIssuerError,
    InvalidJTIError,
    InvalidKeyError,
    InvalidSignatureError,
    InvalidSubjectError,
    InvalidTokenError,
    MissingRequiredClaimError,
    PyJWTError,
)

__all__ = [
    "DecodeError",
    "ExpiredSignatureError",
    "ImmatureSignatureError",
    "InvalidAlgorithmError",
    "InvalidAudienceError",
    "InvalidIssuedAtError",
    "InvalidIssuerError",
    "InvalidJTIError",
    "InvalidKeyError",
    "InvalidSignatureError",
    "InvalidSubjectError",
    "InvalidTokenError",
    "MissingRequiredClaimError",
    "PyJWTError",
    "decode",
    "decode_complete",
    "get_unverified_header",
]

MAX_BYTES = 1 << 20
"""Longer tokens are refused unread."""

_VERIFY = (
    "verify_exp",
    "verify_nbf",
    "verify_iat",
    "verify_aud",
    "verify_iss",
    "verify_sub",
    "verify_jti",
)

# What the core's reasons are called here; those not named are DecodeError.
_ERRORS: dict[str, type[Exception]] = {
    "signature": InvalidSignatureError,
    "critical": InvalidTokenError,
    "key_id": InvalidTokenError,
}


def decode(
    jwt: str | bytes,
    key: Any = "",
    algorithms: Sequence[str] | None = None,
    options: dict[str, Any] | None = None,
    verify: bool | None = None,
    detached_payload: bytes | None = None,
    audience: str | Iterable[str] | None = None,
    subject: str | None = None,
    issuer: str | Container[str] | None = None,
    leeway: float | timedelta = 0,
    **kwargs: Any,
) -> dict[str, Any]:
    """Verify a token and answer its claims, as ``jwt.decode`` of PyJWT does.

    ``key`` is a secret, a PEM text, a public key of the cryptography package, a ``jwt.PyJWK`` or
    a ``penstock.Key``; only with the last two may ``algorithms`` be left out. ``leeway`` is in
    seconds. Raises PyJWT's exceptions. RFC 7515, 7519.
    """
    complete = decode_complete(
        jwt,
        key,
        algorithms,
        options,
        verify,
        detached_payload,
        audience=audience,
        subject=subject,
        issuer=issuer,
        leeway=leeway,
        **kwargs,
    )
    payload: dict[str, Any] = complete["payload"]
    return payload


def decode_complete(
    jwt: str | bytes,
    key: Any = "",
    algorithms: Sequence[str] | None = None,
    options: dict[str, Any] | None = None,
    verify: bool | None = None,
    detached_payload: bytes | None = None,
    audience: str | Iterable[str] | None = None,
    issuer: str | Container[str] | None = None,
    subject: str | None = None,
    leeway: float | timedelta = 0,
    **kwargs: Any,
) -> dict[str, Any]:
    """Do the same, and answer a dict of ``header``, ``payload`` and ``signature`` (bytes)."""
    chosen = _merged(options)
    if kwargs or (verify is not None and verify != chosen["verify_signature"]):
        warnings.warn(
            f"not looked at, as in PyJWT 2: {', '.join(('verify', *kwargs))}; "
            "options={'verify_signature': ...} decides",
            DeprecationWarning,
            stacklevel=2,
        )
    if detached_payload is not None:
        raise DecodeError("Detached payloads (RFC 7797) are not supported")
    if not isinstance(jwt, (str, bytes)):
        raise DecodeError(f"Invalid token type. Token must be a {bytes}")
    if chosen["verify_signature"]:
        token = _verified(jwt, key, algorithms, chosen["enforce_minimum_key_length"])
        try:
            header, payload = token.header, token.claims
        except ValueError as error:  # more digits than sys.set_int_max_str_digits() allows
            raise DecodeError(f"Invalid payload string: {error}") from None
        signature = TokenVerifier._read_unverified(jwt)[2]
    else:
        header, payload, signature = _unverified(jwt)
    _check_claims(payload, chosen, audience, issuer, subject, leeway)
    return {"header": header, "payload": payload, "signature": signature}


def get_unverified_header(jwt: str | bytes) -> dict[str, Any]:
    """Answer the header of a token whose signature is not verified: trust nothing in it."""
    if not isinstance(jwt, (str, bytes)):
        raise DecodeError(f"Invalid token type. Token must be a {bytes}")
    try:
        header = TokenVerifier._read_unverified(jwt)[0]
    except _core.InvalidTokenError as error:
        raise DecodeError(f"Invalid token: {error}") from None
    _check_header(header)
    return header


def _unverified(jwt: str | bytes) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    try:
        header, payload, signature = TokenVerifier._read_unverified(jwt)
        _check_header(header)
        return header, TokenVerifier._read_object(payload), signature
    except _core.InvalidTokenError as error:
        raise DecodeError(f"Invalid token: {error}") from None


def _check_header(header: dict[str, Any]) -> None:
    if not isinstance(header.get("kid", ""), str):
        raise InvalidTokenError("Key ID header parameter must be a string")
    if "crit" in header or "b64" in header:
        raise InvalidTokenError("Unsupported critical extension")


def _merged(options: dict[str, Any] | None) -> dict[str, Any]:
    """All options; without the signature, claims are verified where that is asked for only."""
    given = options or {}
    default = bool(given.get("verify_signature", True))
    return {
        "verify_signature": True,
        **dict.fromkeys(_VERIFY, default),
        "require": [],
        "strict_aud": False,
        "enforce_minimum_key_length": True,
        **given,
    }


def _verified(
    jwt: str | bytes, key: Any, algorithms: Sequence[str] | None, enforce: bool
) -> _core.Token:
    names = (algorithms,) if isinstance(algorithms, str) else tuple(algorithms or ())
    if algorithms is None or (not names and not _is_pinned(key)):
        pinned = getattr(key, "algorithm_name", None) or getattr(key, "algorithm", None)
        if not isinstance(pinned, str):
            raise DecodeError(
                'It is required that you pass in a value for the "algorithms" argument when '
                "calling decode()."
            )
        names = (pinned,)
    names = tuple(name for name in names if isinstance(name, str))
    verifier, unfit = _verifier(_plain(key), names, bool(enforce))
    if verifier is None:
        raise _why_no_key(jwt, unfit)
    try:
        return verifier._decode(jwt)
    except _core.InvalidAlgorithmError:
        raise _why_no_key(jwt, unfit) from None
    except _core.InvalidTokenError as error:
        kind = _ERRORS.get(error.reason, DecodeError)
        raise kind(_text(error)) from None


def _is_pinned(key: Any) -> bool:
    """Whether `key` names its algorithm: then no list is needed, but an empty one allows none."""
    pinned = getattr(key, "algorithm_name", None) or getattr(key, "algorithm", None)
    return isinstance(pinned, str)


def _why_no_key(jwt: str | bytes, unfit: dict[str, Exception]) -> Exception:
    """The token's algorithm is not allowed, or it is and the key is not fit for it."""
    algorithm = get_unverified_header(jwt).get("alg")
    if isinstance(algorithm, str) and algorithm in unfit:
        error = unfit[algorithm]
        return (
            TypeError(str(error)) if isinstance(error, TypeError) else InvalidKeyError(str(error))
        )
    return InvalidAlgorithmError("The specified alg value is not allowed")


def _text(error: _core.InvalidTokenError) -> str:
    """Word it as PyJWT does, where people match on it."""
    if error.reason == "signature":
        return "Signature verification failed"
    if error.reason == "malformed":
        return f"Not enough segments, or invalid token: {error}"
    return f"Invalid token: {error}"


def _plain(key: Any) -> Any:
    """A hashable form of `key`: text, bytes or a Key; a key object as PEM; None for the rest."""
    if isinstance(key, (str, bytes, Key)):
        return key
    algorithm = getattr(key, "algorithm_name", None)
    if algorithm is not None and hasattr(key, "key"):  # a PyJWK
        inner = _plain(key.key)
        return (algorithm, inner)
    if hasattr(key, "private_bytes"):  # of the cryptography package
        key = key.public_key()
    if hasattr(key, "public_bytes"):
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return (None, key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return None


@lru_cache(maxsize=128, typed=True)
def _verifier(
    key: Any, algorithms: tuple[str, ...], enforce: bool
) -> tuple[TokenVerifier | None, dict[str, Exception]]:
    """A verifier with `key` under each algorithm that it fits; why it does not fit others."""
    made: list[Key] = []
    unfit: dict[str, Exception] = {}
    for algorithm in dict.fromkeys(algorithms):
        try:
            made += _keys(key, algorithm, enforce)
        except (ValueError, TypeError) as error:
            unfit[algorithm] = error.with_traceback(None)
    if not made:
        return None, unfit
    return TokenVerifier(made, cache_size=0, require=(), max_bytes=MAX_BYTES), unfit


def _keys(key: Any, algorithm: str, enforce: bool) -> list[Key]:
    """`key` pinned to `algorithm`; none where it is pinned to another one."""
    if isinstance(key, Key):
        return [key] if key.algorithm == algorithm else []
    if isinstance(key, tuple):
        pinned, key = key
        if pinned not in (None, algorithm):
            return []
        if isinstance(key, tuple):
            key = key[1]
    if not isinstance(key, (str, bytes)):
        raise TypeError("key: a str, bytes, a public key, a PyJWK or a Key")
    if algorithm.startswith("HS"):
        make: Callable[..., Key] = Key.secret if enforce else Key._short_secret
        return [make(key, algorithm=algorithm)]
    return [Key.pem(key, algorithm=algorithm)]


def _check_claims(
    payload: dict[str, Any],
    options: dict[str, Any],
    audience: str | Iterable[str] | None,
    issuer: str | Container[str] | None,
    subject: str | None,
    leeway: float | timedelta,
) -> None:
    """PyJWT's rules, in PyJWT's order."""
    if isinstance(leeway, timedelta):
        leeway = leeway.total_seconds()
    if audience is not None and not isinstance(audience, (str, Iterable)):
        raise TypeError("audience must be a string, iterable or None")
    for claim in options["require"]:
        if payload.get(claim) is None:
            raise MissingRequiredClaimError(claim)
    now = time.time()
    if "iat" in payload and options["verify_iat"]:
        _check_issued(payload["iat"], now + leeway)
    if "nbf" in payload and options["verify_nbf"]:
        _check_not_before(payload["nbf"], now + leeway)
    if "exp" in payload and options["verify_exp"]:
        _check_expiry(payload["exp"], now - leeway)
    if options["verify_iss"] and issuer is not None:
        _check_issuer(payload, issuer)
    if options["verify_aud"]:
        _check_audience(payload, audience, options["strict_aud"])
    if options["verify_sub"] and "sub" in payload:
        _check_subject(payload["sub"], subject)
    if options["verify_jti"] and not isinstance(payload.get("jti", ""), str):
        raise InvalidJTIError("JWT ID must be a string")


def _check_expiry(value: Any, earliest: float) -> None:
    try:
        expires = int(value)
    except (ValueError, TypeError, OverflowError):
        raise DecodeError("Expiration Time claim (exp) must be an integer.") from None
    if expires <= earliest:
        raise ExpiredSignatureError("Signature has expired")


def _check_not_before(value: Any, latest: float) -> None:
    try:
        begins = int(value)
    except (ValueError, TypeError, OverflowError):
        raise DecodeError("Not Before claim (nbf) must be an integer.") from None
    if begins > latest:
        raise ImmatureSignatureError("The token is not yet valid (nbf)")


def _check_issued(value: Any, latest: float) -> None:
    try:
        issued = int(value)
    except (ValueError, TypeError, OverflowError):
        raise InvalidIssuedAtError("Issued At claim (iat) must be an integer.") from None
    if issued > latest:
        raise ImmatureSignatureError("The token is not yet valid (iat)")


def _check_issuer(payload: dict[str, Any], issuer: str | Container[str]) -> None:
    if "iss" not in payload:
        raise MissingRequiredClaimError("iss")
    given = payload["iss"]
    if not isinstance(given, str):
        raise InvalidIssuerError("Payload Issuer (iss) must be a string")
    if isinstance(issuer, str):
        good = given == issuer
    else:
        try:
            good = given in issuer
        except TypeError:
            raise InvalidIssuerError('Issuer param must be "str" or "Container[str]"') from None
    if not good:
        raise InvalidIssuerError("Invalid issuer")


def _check_audience(
    payload: dict[str, Any], audience: str | Iterable[str] | None, strict: bool
) -> None:
    given = payload.get("aud")
    if audience is None:
        if given:
            raise InvalidAudienceError("Invalid audience")
        return
    if not given:
        raise MissingRequiredClaimError("aud")
    if strict:
        if not isinstance(audience, str):
            raise InvalidAudienceError("Invalid audience (strict)")
        if not isinstance(given, str):
            raise InvalidAudienceError("Invalid claim format in token (strict)")
        if audience != given:
            raise InvalidAudienceError("Audience doesn't match (strict)")
        return
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, list) or any(not isinstance(one, str) for one in listed):
        raise InvalidAudienceError("Invalid claim format in token")
    expected = [audience] if isinstance(audience, str) else audience
    if all(one not in listed for one in expected):
        raise InvalidAudienceError("Audience doesn't match")


def _check_subject(given: Any, subject: str | None) -> None:
    if not isinstance(given, str):
        raise InvalidSubjectError("Subject must be a string")
    if subject is not None and given != subject:
        raise InvalidSubjectError("Invalid subject")


def __getattr__(name: str) -> Any:
    """Hand on PyJWT's own name."""
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        import jwt
    except ImportError:
        raise ImportError(
            f"penstock.jwt.{name} is PyJWT's own, which is not installed (pip install PyJWT)"
        ) from None
    try:
        return getattr(jwt, name)
    except AttributeError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None


if __name__ == "__main__":
    from penstock._jwt_cost import main

    main()
