# SPDX-License-Identifier: MIT
"""The work that every Django backend does around every request, in one C call before the view
and one after it: path filter, verified token, fingerprint cookie, event into Redis.

Importing this package starts no thread and opens no socket.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

try:
    from headrace._core import (
        CacheInfo,
        ClaimTypeError,
        CriticalHeaderError,
        DecodeError,
        EngineError,
        EventSink,
        ExpiredSignatureError,
        Fingerprint,
        FingerprintCookie,
        Gate,
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
        Key,
        LifetimeError,
        MissingRequiredClaimError,
        PathFilter,
        Token,
        TokenTooLongError,
        TokenTypeError,
        TokenVerifier,
        UnexpectedValueError,
        UnknownKeyIdError,
        Visit,
    )
except ModuleNotFoundError as error:
    import sys
    from pathlib import Path

    found = sorted(path.name for path in Path(__file__).parent.glob("_core.*.so"))
    raise ImportError(
        f"headrace's C core is not there for this Python ({sys.implementation.cache_tag}); "
        f"built for others: {', '.join(found) or 'none'}. Install headrace with this Python's pip."
    ) from error
except ImportError as error:  # a missing library, a symbol of another version
    raise ImportError(f"headrace's C core cannot be loaded: {error}") from error

__version__ = "0.1.0"

__all__ = [
    "CacheInfo",
    "ClaimTypeError",
    "CriticalHeaderError",
    "DecodeError",
    "EngineError",
    "EventSink",
    "ExpiredSignatureError",
    "Fingerprint",
    "FingerprintCookie",
    "Gate",
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
    "Key",
    "LifetimeError",
    "MissingRequiredClaimError",
    "PathFilter",
    "Token",
    "TokenTooLongError",
    "TokenTypeError",
    "TokenVerifier",
    "UnexpectedValueError",
    "UnknownKeyIdError",
    "Visit",
    "__version__",
]

_SUBMODULES = (
    "asgi",
    "celery",
    "consume",
    "django",
    "events",
    "jwt",
    "simplejwt",
    "testing",
    "wsgi",
)


def __getattr__(name: str) -> ModuleType:
    """``headrace.wsgi`` and the other parts, imported when first asked for."""
    if name in _SUBMODULES:
        return import_module(f"headrace.{name}")
    raise AttributeError(f"module 'headrace' has no attribute {name!r}")
