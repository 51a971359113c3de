# SPDX-License-Identifier: MIT
"""Makes HS256 tokens with nothing but the standard library, well-formed or not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

SECRET = "0123456789abcdef0123456789abcdef"


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def make_token(
    claims: dict[str, Any] | None = None,
    *,
    secret: str = SECRET,
    header: dict[str, Any] | None = None,
    **more: Any,
) -> str:
    """An access token as simplejwt makes it, valid for an hour, with ``more`` claims."""
    now = int(time.time())
    body = {
        "token_type": "access",
        "exp": now + 3600,
        "iat": now,
        "jti": "b5f1c5a1c7b94c0d8a7f2f0e9d3c4b2a",
        "user_id": "42",
    }
    body.update(claims or {})
    body.update(more)
    body = {name: value for name, value in body.items() if value is not None}
    parts = [header or {"alg": "HS256", "typ": "JWT"}, body]
    signing_input = ".".join(b64url(json.dumps(part).encode()) for part in parts)
    mac = hmac.new(secret.encode(), signing_input.encode(), hashlib.sha256).digest()
    return f"{signing_input}.{b64url(mac)}"
