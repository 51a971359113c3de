# SPDX-License-Identifier: MIT
"""Help for the tests of a site: the events that a piece of code caused, tokens, visitors.

With pytest the same names are fixtures.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, overload

from headrace._core import EventSink, Fingerprint

if TYPE_CHECKING:
    from headrace.django.conf import Conf


class CapturedEvents(Sequence[dict[str, str]]):
    """The events since the block began, read anew at every look. Dicts of str, as in Redis."""

    def __init__(self, sink: EventSink) -> None:
        self.sink = sink
        self._start = len(sink.captured())

    def _events(self) -> list[dict[str, str]]:
        return self.sink.captured()[self._start :]

    def of_kind(self, kind: str) -> list[dict[str, str]]:
        return [event for event in self._events() if event["kind"] == kind]

    def __len__(self) -> int:
        return len(self._events())

    @overload
    def __getitem__(self, index: int) -> dict[str, str]: ...

    @overload
    def __getitem__(self, index: slice) -> list[dict[str, str]]: ...

    def __getitem__(self, index: int | slice) -> dict[str, str] | list[dict[str, str]]:
        return self._events()[index]

    def __eq__(self, other: object) -> bool:
        return self._events() == other

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._events())


@contextmanager
def captured_events(sink: EventSink | None = None) -> Iterator[CapturedEvents]:
    """The events that the block causes in `sink`, whose target must be `memory:`.

    Without one, the sink that Django is configured with; where that is another target, give
    `HEADRACE = {"SINK": "memory:"}` in the settings of the tests. ValueError otherwise.
    """
    if sink is None:
        from headrace.django import sink as configured

        sink = configured()
        if sink is None:
            raise ValueError('captured_events: HEADRACE["SINK"] is off; set it to "memory:"')
    yield CapturedEvents(sink)


def make_token(user: Any = None, *, lifetime: float = 3600, **claims: Any) -> str:
    """A token that the site's verifier takes: signed with the key in its settings.

    `user` is a user or the key of one. `lifetime` is in seconds; below 0 the token has expired.
    `claims` come on top of those that simplejwt writes; one that is None is left out.
    ValueError where the settings hold no key that signs.
    """
    from headrace.django.site import configured

    conf = configured().conf
    now = int(time.time())
    document = {"exp": now + int(lifetime), "iat": now, "jti": secrets.token_hex(16)}
    document.update(_expected_claims(conf))
    if user is not None:
        simple_jwt = conf.simple_jwt
        key = getattr(user, simple_jwt.get("USER_ID_FIELD", "id"), user)
        document[simple_jwt.get("USER_ID_CLAIM", "user_id")] = key
    document.update(claims)
    return _sign({name: value for name, value in document.items() if value is not None}, conf)


def _expected_claims(conf: Conf) -> dict[str, Any]:
    arguments = conf.jwt or {}
    found = {
        name: values[0] if isinstance(values, tuple) else values
        for name, values in (arguments.get("expect") or {}).items()
    }
    for claim, setting in (("aud", "audience"), ("iss", "issuer")):
        value = arguments.get(setting)
        if value is not None:
            found[claim] = value if isinstance(value, str) else next(iter(value))
    return found


def _sign(claims: dict[str, Any], conf: Conf) -> str:
    for key in (conf.jwt or {}).get("keys", ()):
        if isinstance(key, dict) and "secret" in key:
            return _sign_with_secret(claims, **key)
    signing_key = conf.simple_jwt.get("SIGNING_KEY")
    if conf.jwt is None or not signing_key:
        raise ValueError(
            "make_token: the settings hold no key that signs: a secret, or "
            'SIMPLE_JWT["SIGNING_KEY"]'
        )
    import jwt

    return jwt.encode(claims, signing_key, algorithm=conf.simple_jwt["ALGORITHM"])


def _sign_with_secret(
    claims: dict[str, Any], secret: str | bytes, algorithm: str, key_id: str | None = None
) -> str:
    header = {"alg": algorithm, "typ": "JWT"} | ({"kid": key_id} if key_id else {})
    text = ".".join(_base64url(json.dumps(part).encode()) for part in (header, claims))
    raw = secret.encode() if isinstance(secret, str) else secret
    mac = hmac.new(raw, text.encode(), getattr(hashlib, f"sha{algorithm[2:]}"))
    return f"{text}.{_base64url(mac.digest())}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def visitor(client: Any) -> Fingerprint:
    """Makes Django's test client a visitor who has been here before; answers who.

    ValueError where fingerprints are turned off.
    """
    from headrace.django.site import configured

    site = configured()
    cookie = site.gate.fingerprint
    if cookie is None:
        raise ValueError('visitor: HEADRACE["FINGERPRINT"] is off')
    fingerprint = cookie.mint()
    name = (site.conf.fingerprint or {}).get("name", "device_fp")
    client.cookies[name] = fingerprint.value
    return fingerprint
